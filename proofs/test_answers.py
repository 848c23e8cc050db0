"""A thousand answers: each is refused in a sentence, or gives packages that install and import."""

import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from tests.conftest import bake
from tests.drawn import drawn_answers, rendered_or_refused

from .sessions import find_programs, run


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a Python in whose environment everything is that a project depends on."""
    project = bake(tmp_path_factory.mktemp("installed"))
    run(project, sys.executable, "bootstrap.py", "lint")
    return find_programs(project) / "python"


def test_any_answers_are_refused_or_install_and_import(python: Path) -> None:
    outcomes: Counter[str] = Counter()

    @given(answers=drawn_answers)
    @settings(max_examples=1000, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    def check(answers: dict[str, str]) -> None:
        with rendered_or_refused(answers, outcomes) as project:
            if project:
                install_and_import(project, python)

    check()
    print(f"\n{outcomes['rendered']} projects rendered, installed and imported, {outcomes['refused']} answers refused")
    assert min(outcomes["rendered"], outcomes["refused"]) > 250


def install_and_import(project: Path, python: Path) -> None:
    """Build and install all packages of a project into a folder, and import them from there."""
    target = project / "installed"
    options = ["--quiet", "--python", str(python), "--target", str(target), "--no-deps", "--no-build-isolation"]
    packages = sorted(path.parent for path in project.glob("packages/*/pyproject.toml"))
    run(project, "uv", "pip", "install", *options, *map(str, packages))
    modules = ", ".join(f"{project.name.replace('-', '_')}_{path.name}" for path in packages)
    program = f"import sys; sys.path.insert(0, {str(target)!r}); import {modules}"
    run(project, str(python), "-c", program)
