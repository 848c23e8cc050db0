"""One run of the pipeline, which all tests share, and an environment without the caller's settings."""

import os
from collections.abc import Iterator

import pytest

from {{ cookiecutter.__package_name }}_pipeline.project import Project
from {{ cookiecutter.__package_name }}_predict import Contract
from {{ cookiecutter.__package_name }}_predict.settings import PREFIX

from .sample_run import Run, run_pipeline


@pytest.fixture(autouse=True, scope="session")
def clean_environment() -> Iterator[None]:
    """Keep settings that the caller has made in the environment out of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(PREFIX)]:
            patch.delenv(name)
        yield


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a finished run of the pipeline."""
    return run_pipeline(tmp_path_factory.mktemp("run") / "project")


@pytest.fixture(scope="session")
def project(run: Run) -> Project:
    """Return the project of the run: its paths, parameters, contract and recipe."""
    return run.project


@pytest.fixture(scope="session")
def contract(project: Project) -> Contract:
    """Return the contract."""
    return project.contract
