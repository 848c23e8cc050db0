"""Tests of the whole project, quickly, on your own data: the contract, the gate, one pipeline run, predictions.

They take everything from schema.yaml, params.yaml, config/ and packages/train, and need no edit when these change.
"""
