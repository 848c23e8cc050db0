"""The service in a copy of the project: its own lock, the same number as everywhere, retraining on request."""
