"""Monitoring: whether production's data have drifted, and how well predictions matched their outcomes."""
