"""The pipeline: ingest, validate, split, train, evaluate and gate; each is a stage in `dvc.yaml` and a module here."""
