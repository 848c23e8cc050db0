"""A world of its own: a project under git and DVC, trained and committed, with a git remote and a DVC remote."""

import json
import shutil
import subprocess
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from dvc.repo import Repo

from {{ cookiecutter.__package_name }}_pipeline.project import CONFIG, PARAMS, Project
from {{ cookiecutter.__package_name }}_predict.cli import main

from machinery import small_pipeline
from machinery.sandbox import prepare_once
from machinery.small_config import clean_environment
from machinery.small_project import evaluated, kind, small_recipe, split_project, staged, with_params, write_project

__all__ = ["clean_environment", "evaluated", "kind", "small_recipe", "split_project", "staged", "with_params"]


LIVE = Path("var/live/model.onnx")
PRODUCTION = {"paths": {"model": str(LIVE), "schema": None}}
Run = Callable[..., str]


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with `project`, whose model is committed, and its remotes `origin.git` and `storage`."""
    return prepare_once(tmp_path_factory, "world", make_project).parent


def make_project(folder: Path) -> None:
    """Make a project, train and commit its model, and make its remotes beside it."""
    write_project("regression", folder)
    with chdir(folder):
        (CONFIG.parent / "production.yaml").write_text(yaml.safe_dump(PRODUCTION))
        Path("dvc.yaml").write_text(yaml.safe_dump(small_pipeline.describe_pipeline(), sort_keys=False))
        Path(".gitignore").write_text("/data/\n/models/\n/var/\n")
        git("init", "--quiet", "--initial-branch=main")
        git("config", "user.name", "Ann")
        git("config", "user.email", "ann@example.com")
        git("init", "--quiet", "--bare", "--initial-branch=main", "../origin.git")
        git("remote", "add", "origin", "../origin.git")
        Repo.init().close()
        Path(".dvc/config").write_text(
            "[core]\n    remote = storage\n['remote \"storage\"']\n    url = ../../storage\n"
        )
        Path("reports").mkdir()
        small_pipeline.run(*small_pipeline.STAGES)
        commit("Train the first model")
        git("push", "--quiet", "origin", "main")


@pytest.fixture
def project(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a copy of that project, and return it."""
    shutil.copytree(world, tmp_path / "world", symlinks=True)
    monkeypatch.chdir(tmp_path / "world" / "project")
    return tmp_path / "world" / "project"


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs a command, expects an exit code, and returns what it printed."""

    def run(*arguments: str, code: int = 0) -> str:
        capsys.readouterr()
        found = main(arguments)
        printed = capsys.readouterr()
        assert found == code, printed.err
        return printed.out + printed.err

    return run


def git(*arguments: str) -> str:
    """Run git, and return what it printed."""
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout.strip()


def commit(message: str) -> None:
    """Record what lies here as the outcome of the pipeline, and commit it."""
    with Repo() as repo:
        repo.commit(force=True)
    git("add", "--all")
    git("commit", "--quiet", "--message", message)


def train_again(
    message: str = "Train again", *, rows: Callable[[pd.DataFrame], pd.DataFrame] | None = None, **params: Any
) -> None:
    """Change the source or parameters, run the pipeline, and commit."""
    if rows:
        source = Path(Project.load().paths.source)
        rows(pd.read_csv(source)).to_csv(source, index=False)
    set_params(**params)
    small_pipeline.run(*small_pipeline.STAGES)
    commit(message)


def set_params(**params: Any) -> None:
    """Change sections of params.yaml."""
    found = yaml.safe_load(PARAMS.read_text())
    merged = {name: {**found[name], **value} if isinstance(value, dict) else value for name, value in params.items()}
    PARAMS.write_text(yaml.safe_dump({**found, **merged}, sort_keys=False))


def configure(**sections: Any) -> None:
    """Change sections of the life cycle's settings, and commit them."""
    content = yaml.safe_load(CONFIG.read_text())
    for name, value in sections.items():
        content["lifecycle"][name] = {**content["lifecycle"][name], **value} if isinstance(value, dict) else value
    CONFIG.write_text(yaml.safe_dump(content))
    git("commit", "--quiet", "--all", "--message", "Configure")


def list_tags() -> list[str]:
    """Return the names of all tags."""
    return git("tag", "--list").split()


def read_history(call: Run) -> list[dict[str, Any]]:
    """Return the history, as the command gives it."""
    events: list[dict[str, Any]] = json.loads(call("history", "--json"))
    return events


def take_picture() -> tuple[object, ...]:
    """Return all that a failure must leave alone."""
    live = LIVE.read_bytes() if LIVE.exists() else None
    refs = git("for-each-ref")
    lock = Path("dvc.lock").read_bytes()
    return (
        git("rev-parse", "HEAD"),
        refs,
        git("status", "--porcelain"),
        lock,
        live,
        Path("models/model.onnx").read_bytes(),
    )
