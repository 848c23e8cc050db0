"""Retraining: a new version appears complete, or nothing has happened."""
