"""Tests of the machinery as a whole, and what the tests of all packages share: a small model, a small project.

Nothing here depends on the team's contract, parameters, configuration or modules.
"""
