"""The tests of tables and of jobs."""
