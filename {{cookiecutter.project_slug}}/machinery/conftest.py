"""Copies of the project, with a small contract and a small recipe: untouched, with the pipeline run, committed."""

from pathlib import Path

import pytest

from {{ cookiecutter.__package_name }}_predict.contract import Contract, load_contract

from .sandbox import copied, original, reproduced, trained
from .small_config import clean_environment
from .small_project import small_recipe

__all__ = ["clean_environment", "copied", "original", "reproduced", "small_recipe", "trained"]


@pytest.fixture
def contract(reproduced: Path) -> Contract:
    """Return the contract of these copies."""
    return load_contract(reproduced / "schema.yaml")
