"""Copies of the project: untouched, or with the pipeline run."""

import shutil
from pathlib import Path

import pytest
import yaml

from {{ cookiecutter.__package_name }}_predict.contract import Contract, load_contract

from .sandbox import ROOT, make_rows, run_in, set_params

GATE = {"minimum": {}, "maximum": {}, "min_gain_over_trivial": 0.1, "max_single_feature_score": 0.98}


@pytest.fixture(scope="session")
def contract() -> Contract:
    """Return the project's contract."""
    return load_contract(ROOT / "schema.yaml")


@pytest.fixture(scope="session")
def original(contract: Contract, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the project's files, committed, whose source is made from the contract."""
    folder = tmp_path_factory.mktemp("original") / "project"
    for name in run_in(ROOT, "git", "ls-files", "--cached", "--others", "--exclude-standard").splitlines():
        if (ROOT / name).exists() and not name.startswith(("dvc.lock", "reports/")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    config = folder / "config" / "default.yaml"
    settings = yaml.safe_load(config.read_text())
    settings["paths"]["source"] = "data/made/rows.csv"
    settings["lifecycle"]["promotion"]["margin"] = 0.3  # a hundred rows tell no less
    config.write_text(yaml.safe_dump(settings))
    (folder / "data" / "made").mkdir()
    make_rows(contract).to_csv(folder / "data" / "made" / "rows.csv", index=False)
    set_params(folder, gate=GATE)
    run_in(folder, "git", "init", "--quiet", "--initial-branch=main")
    run_in(folder, "git", "config", "user.name", "Test")
    run_in(folder, "git", "config", "user.email", "test@example.com")
    run_in(folder, "dvc", "remote", "add", "--local", "--default", "--force", "storage", str(folder.parent / "storage"))
    run_in(folder, "git", "add", ".")
    run_in(folder, "git", "commit", "--quiet", "--no-verify", "--message", "Start")
    return folder


@pytest.fixture
def project(original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a copy of the project, and return it."""
    folder = tmp_path / "project"
    shutil.copytree(original, folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(scope="session")
def reproduced(original: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the project in which dvc repro has run."""
    folder = tmp_path_factory.mktemp("reproduced") / "project"
    shutil.copytree(original, folder)
    run_in(folder, "dvc", "repro")
    return folder
