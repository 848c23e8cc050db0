"""The run of the pipeline on your data, which the tests of the whole project use too."""

from tests.conftest import clean_environment, contract, project, run

__all__ = ["clean_environment", "contract", "project", "run"]
