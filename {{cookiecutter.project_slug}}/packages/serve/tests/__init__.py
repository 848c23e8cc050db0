"""Tests of the service: over sockets, against databases and queues that are real."""
