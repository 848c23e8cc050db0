"""Batch jobs: read files or databases, and write each row's prediction exactly once."""
