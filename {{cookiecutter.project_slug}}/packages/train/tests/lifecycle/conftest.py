"""A world of its own: a project under git and DVC, trained and committed, with a git remote and a DVC remote."""

import json
import os
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
from {{ cookiecutter.__package_name }}_train.cli import main
from {{ cookiecutter.__package_name }}_train.prediction import PREFIX
from {{ cookiecutter.__package_name }}_train.project import CONFIG, PARAMS, Project

from {{ cookiecutter.__package_name }}_train import evaluate, fit, gate, ingest, split, validate

STAGES = (ingest, validate, split, fit, evaluate, gate)
SECTION = {
    "remote": "origin",
    "push": False,
    "reports": "var/reports",
    "promotion": {"margin": 0.02, "confidence": 0.95, "resamples": 500},
    "release": {"keep": 2, "publish": None},
    "retraining": {"stage": None, "release": False},
    "drift": {
        "hours": 24,
        "min_rows": 50,
        "max_rows": 1000,
        "false_alarms": 0.01,
        "psi": 0.1,
        "missing": 0.05,
        "loss": 0.05,
    },
    "alerts": {"events": ["ingestion", "data", "gate", "retraining", "drift", "release", "rollback"]},
}
LIVE = Path("var/live/model.onnx")
PRODUCTION = {"paths": {"model": str(LIVE), "schema": None}}
PIPELINE = {  # stages that run one after the other in one process start faster than one by one
    "ingest": (["ingest"], ["source"], ["raw"]),
    "validate": (["validate"], ["raw", "schema"], ["clean", "quarantine", "validation"]),
    "train": (["split", "train"], ["clean", "schema"], ["train", "test", "candidate", "reference"]),
    "gate": (["evaluate", "gate"], ["candidate", "test", "train"], ["card", "plots", "metrics", "gate", "model"]),
}
UNDER_GIT = ("validation", "card", "plots", "metrics", "gate")
Run = Callable[..., str]


@pytest.fixture(scope="session")
def world(staged: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with `project`, whose model is committed, and its remotes `origin.git` and `storage`."""
    folder = tmp_path_factory.mktemp("world")
    shutil.copytree(staged("regression", *(stage.__name__.rpartition(".")[2] for stage in STAGES)), folder / "project")
    with chdir(folder / "project"):
        config = yaml.safe_load(CONFIG.read_text())
        CONFIG.write_text(yaml.safe_dump({**config, "lifecycle": SECTION}))
        (CONFIG.parent / "production.yaml").write_text(yaml.safe_dump(PRODUCTION))
        Path("dvc.yaml").write_text(yaml.safe_dump(describe_pipeline(), sort_keys=False))
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
        commit("Train the first model")
        git("push", "--quiet", "origin", "main")
    return folder


@pytest.fixture
def project(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a copy of that project, and return it."""
    shutil.copytree(world, tmp_path / "world", symlinks=True)
    monkeypatch.chdir(tmp_path / "world" / "project")
    for name in os.environ:
        if name.startswith((PREFIX, "GIT_", "APPRISE")):
            monkeypatch.delenv(name)
    monkeypatch.setenv(f"{PREFIX}ENV", "production")  # commands set it: so it is restored
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "nobody"))
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", str(tmp_path / "nobody"))
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


def describe_pipeline() -> dict[str, Any]:
    """Return a dvc.yaml with the stages of a project, as far as these tests need them."""
    package = Project.__module__.partition(".")[0]
    stages = {}
    for name, (commands, deps, outs) in PIPELINE.items():
        calls = " or ".join(f"main(['{command}'])" for command in commands)
        paths = {out: {refer(out): {"cache": False}} if out in UNDER_GIT else refer(out) for out in outs}
        stages[name] = {
            "cmd": f'python -c "from {package}.cli import main; raise SystemExit({calls})"',
            "deps": [refer(dep) for dep in deps],
            "params": ["seed", *({"train", "gate"} & set(commands))],
            "outs": [path for name, path in paths.items() if name != "metrics"],
            "metrics": [path for name, path in paths.items() if name == "metrics"],
        }
    return {"vars": [str(CONFIG)], "stages": stages}


def refer(path: str) -> str:
    """Return what stands in a dvc.yaml for a path of the configuration."""
    return "${paths." + path + "}"


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
    for stage in STAGES:
        stage.run(Project.load())
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
