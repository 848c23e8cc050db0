"""Tests of the template: its answers, its hooks, what it renders, what its documents say."""
