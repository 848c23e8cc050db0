"""Operate the model: versions and releases, retraining, monitoring; git keeps the record."""
