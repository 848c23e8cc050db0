"""The life of a model: versions, stages, release, rollback, retraining; git keeps the record."""
