"""Tests against servers that must be installed: PostgreSQL and Redis."""
