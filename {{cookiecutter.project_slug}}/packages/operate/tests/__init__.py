"""Tests of the life cycle, on a project under git and DVC with remotes of its own."""
