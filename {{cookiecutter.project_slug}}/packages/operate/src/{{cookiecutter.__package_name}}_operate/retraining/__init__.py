"""Retraining: either publish a complete new version, or change nothing."""
