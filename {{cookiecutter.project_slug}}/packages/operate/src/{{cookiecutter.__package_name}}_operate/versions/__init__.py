"""Versions of the model: registration, promotion, release, rollback, lineage."""
