"""Monitoring: detect drift in production data, and compare predictions with their outcomes."""
