"""Tests of your modules, on your own data; add tests of what you write."""
