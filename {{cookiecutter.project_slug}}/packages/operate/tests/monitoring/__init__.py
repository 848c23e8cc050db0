"""Tests of monitoring, on predictions whose truth is known."""
