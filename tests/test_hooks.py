"""The post-generation hook: one table of what belongs to which answer, and a repository."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hooks.post_gen_project import BELONGS, init_git, list_unchosen, remove

from .conftest import ROOT

TEMPLATE = ROOT / "{{cookiecutter.project_slug}}"


def test_table_knows_every_answer_of_its_options() -> None:
    choices = json.loads((ROOT / "cookiecutter.json").read_text())["_choices"]
    for option, owners in BELONGS.items():
        assert list(owners) == choices[option]


@pytest.mark.parametrize(
    "pattern", [pattern for owners in BELONGS.values() for patterns in owners.values() for pattern in patterns]
)
def test_each_pattern_of_the_table_matches_something(pattern: str) -> None:
    assert list(TEMPLATE.glob(pattern))


def test_what_belongs_to_other_answers_is_removed(tmp_path: Path) -> None:
    (tmp_path / "requirements").mkdir()
    for name in ("remote-s3.txt", "remote-gcs.txt", "dev.txt"):
        (tmp_path / "requirements" / name).touch()
    remove(tmp_path, list_unchosen({"dvc_remote": "gcs"}))
    assert {path.name for path in (tmp_path / "requirements").iterdir()} == {"remote-gcs.txt", "dev.txt"}


def test_machine_without_git_is_told_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    init_git(tmp_path)
    assert "install git, then run it in" in capsys.readouterr().err


def test_bootstrap_of_an_old_python_says_what_it_needs() -> None:
    program = "import sys, runpy; sys.version_info = (3, 9); runpy.run_path('bootstrap.py', run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "expected 3.11 or newer" in done.stderr


def test_bootstrap_is_the_same_in_the_template_and_in_what_it_renders() -> None:
    assert (ROOT / "bootstrap.py").read_bytes() == (TEMPLATE / "bootstrap.py").read_bytes()
    for name in ("nox.in", "nox.txt"):
        assert (ROOT / "requirements" / name).read_bytes() == (TEMPLATE / "requirements" / name).read_bytes()


def test_bootstrap_without_the_network_says_so_and_tries_again(tmp_path: Path) -> None:
    (tmp_path / "requirements").mkdir()
    (tmp_path / "bootstrap.py").write_bytes((ROOT / "bootstrap.py").read_bytes())
    (tmp_path / "requirements" / "nox.txt").write_text("nox==1 --hash=sha256:" + "0" * 64 + "\n")
    environment = {**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path)}
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "bootstrap.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 1
        assert "nox.txt could not be installed; check the network" in done.stderr
