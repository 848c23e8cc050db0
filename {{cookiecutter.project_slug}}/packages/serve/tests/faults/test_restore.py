"""A restore drill: from the git remote, the DVC remote and a dump of the log, into an empty folder."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from {{ cookiecutter.__package_name }}_predict import Contract
from {{ cookiecutter.__package_name }}_predict.settings import PREFIX

from ..project.conftest import contract, copied, original, reproduced, small_recipe, start
from ..project.running import Start, connect, wait_for
from machinery.sandbox import PROGRAM, run_in, trained

__all__ = ["contract", "copied", "original", "reproduced", "small_recipe", "start", "trained"]
DATABASE = "var/predictions.db"
ID = "before-the-fire"


def test_service_answers_as_before_and_its_requests_are_found(
    trained: Path, tmp_path: Path, contract: Contract, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"{PREFIX}ENV", "production")
    run_in(trained, PROGRAM, "register", "--reason", "the first model", "--push")
    run_in(trained, PROGRAM, "promote", "v0.1.0", "--reason", "we begin", "--push")
    run_in(trained, PROGRAM, "release")
    body = {"instances": [contract.example()]}
    start(trained, "serve", "--port", "0", "--workers", "1")
    with connect(trained) as client:
        before = client.post("/predict", json=body, headers={"X-Request-ID": ID}).json()
        wait_for(lambda: ID in run_in(trained, PROGRAM, "lineage", ID, "--json", code=None))
    known = json.loads(run_in(trained, PROGRAM, "lineage", ID, "--json"))
    with closing(sqlite3.connect(trained / DATABASE)) as log, closing(sqlite3.connect(tmp_path / "dump.db")) as dump:
        log.backup(dump)
    shutil.rmtree(trained / ".git")
    shutil.rmtree(trained / ".dvc")

    restored = tmp_path / "restored"
    run_in(tmp_path, "git", "clone", "--quiet", "origin.git", "restored")
    run_in(restored, "git", "config", "user.name", "Test")
    run_in(restored, "git", "config", "user.email", "test@example.com")
    run_in(restored, "dvc", "remote", "add", "--local", "--default", "--force", "storage", "../storage")
    run_in(restored, "dvc", "pull")
    monkeypatch.chdir(restored)
    run_in(restored, PROGRAM, "release")
    (restored / DATABASE).parent.mkdir(exist_ok=True)
    shutil.copy(tmp_path / "dump.db", restored / DATABASE)
    start(restored, "serve", "--port", "0", "--workers", "1")
    with connect(restored) as client:
        assert client.post("/predict", json=body).json() == before
    assert json.loads(run_in(restored, PROGRAM, "lineage", ID, "--json")) == known
