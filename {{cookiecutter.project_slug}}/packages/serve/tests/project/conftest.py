"""A copy of the project in which the pipeline has run, and processes that are ended with the test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from {{ cookiecutter.__package_name }}_predict.contract import Contract, load_contract

from .running import Start, end, start_process
from machinery.sandbox import copied, original, reproduced
from machinery.small_project import small_recipe

__all__ = ["copied", "original", "reproduced", "small_recipe"]


@pytest.fixture
def contract(reproduced: Path) -> Contract:
    """Return the contract of the copy."""
    return load_contract(reproduced / "schema.yaml")


@pytest.fixture
def start() -> Iterator[Start]:
    """Return a function that starts a command in a folder; it is ended with the test."""
    processes = []

    def run(folder: Path, *arguments: str, **options: str) -> None:
        processes.append(start_process(folder, *arguments, **options))

    yield run
    for process in processes:
        end(process)
