"""The pipeline: ingest, validate, split, train, evaluate and gate, each a stage of `dvc.yaml` and a module here."""
