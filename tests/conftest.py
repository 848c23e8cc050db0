"""Render each case once in a test run."""

import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from cookiecutter.main import cookiecutter

ROOT = Path(__file__).parents[1]
CASES: dict[str, dict[str, str]] = tomllib.loads((ROOT / "tests" / "cases.toml").read_text(encoding="utf-8"))


def bake(folder: Path, **answers: str) -> Path:
    """Render the template into a folder with default configuration, and return the project's."""
    made = cookiecutter(str(ROOT), no_input=True, default_config=True, output_dir=str(folder), extra_context=answers)
    return Path(made)


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function that gives the rendered project of a case."""
    return cache(lambda case: bake(tmp_path_factory.mktemp(case), **CASES[case]))
