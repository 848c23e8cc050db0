"""The post-generation hook: one table of what belongs to which answer, and a repository."""

import json
from pathlib import Path

import pytest

from hooks.answers import URLS
from hooks.post_gen_project import BELONGS, init_git, list_unchosen, remove

from .conftest import ROOT

TEMPLATE = ROOT / "{{cookiecutter.project_slug}}"


def test_table_knows_every_answer_of_its_options() -> None:
    choices = json.loads((ROOT / "cookiecutter.json").read_text())["_choices"]
    assert list(URLS) == choices["dvc_remote"]
    for option, owners in BELONGS.items():
        assert list(owners) == choices[option.removeprefix("__")]


@pytest.mark.parametrize(
    "pattern", [pattern for owners in BELONGS.values() for patterns in owners.values() for pattern in patterns]
)
def test_each_pattern_of_the_table_matches_something(pattern: str) -> None:
    assert list(TEMPLATE.glob(pattern))


def test_what_belongs_to_other_answers_is_removed(tmp_path: Path) -> None:
    (tmp_path / "requirements").mkdir()
    for name in ("remote-s3.txt", "remote-gcs.txt", "dev.txt"):
        (tmp_path / "requirements" / name).touch()
    for name in ("predict", "serve"):
        (tmp_path / "packages" / name / "src").mkdir(parents=True)
        (tmp_path / "packages" / name / "src" / "module.py").touch()
    remove(tmp_path, list_unchosen({"__dvc_remote": "gcs", "__api": "no"}))
    assert {path.name for path in (tmp_path / "requirements").iterdir()} == {"remote-gcs.txt", "dev.txt"}
    assert [path.name for path in (tmp_path / "packages").iterdir()] == ["predict"]


def test_machine_without_git_is_told_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    init_git(tmp_path)
    assert "install git, then run it in" in capsys.readouterr().err
