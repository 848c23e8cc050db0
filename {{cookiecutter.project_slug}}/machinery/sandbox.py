"""Drive a copy of the project as a person would, with a small contract, configuration, recipe and source."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import yaml
from filelock import FileLock

from {{ cookiecutter.__package_name }}_pipeline.project import CONFIG
from {{ cookiecutter.__package_name }}_predict.cli import main

from .small_config import LIFECYCLE, PATHS, ROOT, SCORE, SERVICE, SOURCE
from .small_project import SCHEMA, TARGETS, make_rows, write_parameters

KIND = "classification"
PROGRAM = main.__module__.partition(".")[0].removesuffix("_predict").replace("_", "-")
PRODUCTION = {
    "paths": {"model": "var/live/model.onnx", "schema": None},
    "jobs": {"command": [PROGRAM, "retrain", "--reason", "{reason}"]},
}
WEAK = {"model": "boosting", "trees": 1, "learning_rate": 1e-9}  # worse than any other
OPEN_GATE = {"minimum": {}, "maximum": {}, "min_gain_over_dummy": -1.0, "max_single_feature_score": 1.0}


def environment(**changes: str) -> dict[str, str]:
    """Return the environment of a program: the project's own programs first."""
    programs = Path(sys.executable).parent
    return {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", **changes}


def run_in(folder: Path, *command: str, code: int | None = 0) -> str:
    """Run a program in a folder, expect an exit code, or any, and return what it printed."""
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    printed = done.stdout + done.stderr
    assert code in (None, done.returncode), f"{command} ended with {done.returncode}:\n{printed}"
    return printed


def commit(folder: Path, message: str) -> None:
    """Commit everything in a folder."""
    run_in(folder, "git", "add", ".")
    run_in(folder, "git", "commit", "--quiet", "--no-verify", "--message", message)


def write_source(folder: Path, rows: int = 400, seed: int = 1) -> None:
    """Write other rows to the source of a project."""
    make_rows(KIND, rows, seed).to_csv(folder / PATHS["source"], index=False)


def set_params(folder: Path, **sections: object) -> None:
    """Replace sections of a project's params.yaml."""
    path = folder / "params.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | sections, sort_keys=False))


def train_weakly(folder: Path) -> None:
    """Train and commit a model that is worse than any other, through a gate that lets everything pass."""
    set_params(folder, train=WEAK, gate=OPEN_GATE)
    run_in(folder, "dvc", "repro")
    commit(folder, "Train a weak model")


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the project's files, committed, with a contract, settings and a source of its own."""
    return prepare_once(tmp_path_factory, "original", copy_project)


@pytest.fixture(scope="session")
def reproduced(original: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the project in which dvc repro has run; tests that write there use a copy of it."""
    return prepare_once(tmp_path_factory, "reproduced", partial(reproduce, original))


def prepare_once(tmp_path_factory: pytest.TempPathFactory, name: str, prepare: Callable[[Path], None]) -> Path:
    """Return a prepared folder, which the first process of a test run makes and the others share."""
    here = tmp_path_factory.getbasetemp()
    shared = here.parent if "PYTEST_XDIST_WORKER" in os.environ else here
    folder = shared / name / "project"
    with FileLock(shared / f"{name}.lock"):
        if not folder.exists():
            partial_folder = shared / f"{name}.partial" / "project"
            shutil.rmtree(partial_folder.parent, ignore_errors=True)
            prepare(partial_folder)
            partial_folder.parent.rename(folder.parent)
    return folder


def reproduce(original: Path, folder: Path) -> None:
    """Copy a project, and run its pipeline."""
    shutil.copytree(original, folder)
    run_in(folder, "dvc", "repro")


def copy_project(folder: Path) -> None:
    """Copy the project's files, with a contract, settings and a source of their own, and commit them."""
    for name in run_in(ROOT, "git", "ls-files", "--cached", "--others", "--exclude-standard").splitlines():
        if (ROOT / name).exists() and not name.startswith(("config/", "dvc.lock", "reports/")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    lifecycle = LIFECYCLE | {"promotion": {**LIFECYCLE["promotion"], "margin": 0.3}}  # a hundred rows show no less
    files = {
        CONFIG: yaml.safe_dump(
            {"paths": PATHS, "source": SOURCE, "score": SCORE, "lifecycle": lifecycle, **SERVICE}, sort_keys=False
        ),
        CONFIG.with_name("production.yaml"): yaml.safe_dump(PRODUCTION),
        Path("params.yaml"): write_parameters(KIND),
        Path("schema.yaml"): SCHEMA + TARGETS[KIND],
    }
    (folder / CONFIG).parent.mkdir()
    for path, text in files.items():
        (folder / path).write_text(text)
    write_source(folder)
    run_in(folder, "git", "init", "--quiet", "--initial-branch=main")
    run_in(folder, "git", "config", "user.name", "Test")
    run_in(folder, "git", "config", "user.email", "test@example.com")
    run_in(folder, "dvc", "remote", "add", "--local", "--default", "--force", "storage", "../storage")
    commit(folder, "Start")


@pytest.fixture
def copied(reproduced: Path, tmp_path: Path) -> Path:
    """Return a copy of the project in which dvc repro has run, for this test alone."""
    return Path(shutil.copytree(reproduced, tmp_path / "project"))


@pytest.fixture
def trained(copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a project whose model is committed, and which has a git remote; return its folder."""
    project = copied
    commit(project, "Train")
    run_in(tmp_path, "git", "init", "--quiet", "--bare", "--initial-branch=main", "origin.git")
    run_in(project, "git", "remote", "add", "origin", str(tmp_path / "origin.git"))
    run_in(project, "git", "push", "--quiet", "origin", "main")
    monkeypatch.chdir(project)
    return project
