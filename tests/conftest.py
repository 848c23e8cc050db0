"""Render each case once in a test run."""

import ast
import json
import shutil
import subprocess
import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import yaml
from cookiecutter.main import cookiecutter

from .cases import load_cases

ROOT = Path(__file__).parents[1]
CASES = load_cases()
Rendered = Callable[[str], Path]
PARSERS: dict[str, Callable[[str], object]] = {
    ".py": ast.parse,
    ".toml": tomllib.loads,
    **dict.fromkeys((".yaml", ".yml"), yaml.safe_load),
    **dict.fromkeys((".json", ".ipynb"), json.loads),
}
each_case = pytest.mark.parametrize("case", CASES)


def bake(folder: Path, **answers: object) -> Path:
    """Render the template into a folder with default configuration, and return the project's."""
    made = cookiecutter(str(ROOT), no_input=True, default_config=True, output_dir=str(folder), extra_context=answers)
    return Path(made)


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    """Return a function that gives the rendered project of a case."""
    return cache(lambda case: bake(tmp_path_factory.mktemp(case), **CASES[case]))


def list_files(project: Path) -> set[str]:
    """Return the paths of a project's files, without git's own."""
    files = (path.relative_to(project) for path in project.rglob("*") if path.is_file())
    return {path.as_posix() for path in files if path.parts[0] != ".git"}


@cache
def parse(suffix: str, text: str) -> None:
    """Raise an error where a file of a kind that has a parser does not parse; most texts are the same in all cases."""
    if suffix in PARSERS:
        PARSERS[suffix](text)


def copy_template(folder: Path) -> Path:
    """Copy the template's files, as they lie here, into a folder, and return it."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")[:-1]
    for name in names:
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder
