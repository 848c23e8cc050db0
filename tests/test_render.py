"""What each case renders: everything parses, nothing of the template is left, and it is formatted as it stands."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from hooks.answers import remote_kind

from .conftest import CASES, ROOT, bake

Rendered = Callable[[str], Path]
each_case = pytest.mark.parametrize("case", CASES)
ANSWERS = ("author_email", "author_name", "description", "project_name")


def list_files(project: Path) -> set[str]:
    """Return the paths of a project's files, without git's own."""
    files = (path.relative_to(project) for path in project.rglob("*") if path.is_file())
    return {path.as_posix() for path in files if path.parts[0] != ".git"}


@each_case
def test_every_file_parses(case: str, rendered: Rendered) -> None:
    project = rendered(case)
    for name in list_files(project):
        text = (project / name).read_bytes().decode()
        match Path(name).suffix:
            case ".py":
                ast.parse(text)
            case ".toml":
                tomllib.loads(text)
            case ".yaml" | ".yml":
                yaml.safe_load(text)
            case ".json" | ".ipynb":
                json.loads(text)
        assert text.strip() or name.endswith((".gitkeep", "py.typed")), f"{name} is empty"


@each_case
def test_nothing_of_the_template_is_left(case: str, rendered: Rendered) -> None:
    project = rendered(case)
    for name in list_files(project):
        assert "cookiecutter" not in name
        text = (project / name).read_text(encoding="utf-8")
        for found in ("cookiecutter", "# jinja:", "{%", "slipway", "Slipway"):
            assert found not in text, f"{name} holds {found!r}"


@each_case
def test_rendered_code_is_formatted_and_clean_as_it_stands(case: str, rendered: Rendered) -> None:
    ruff = Path(sys.executable).parent / "ruff"
    for command in (["format", "--check"], ["check"]):
        done = subprocess.run(
            [ruff, *command, "--no-cache", "."], cwd=rendered(case), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


@each_case
def test_answers_stand_in_the_packages_as_they_were_given(case: str, rendered: Rendered) -> None:
    answers = CASES[case]
    for package in ("predict", "train"):
        table = tomllib.loads((rendered(case) / "packages" / package / "pyproject.toml").read_text(encoding="utf-8"))
        (author,) = table["project"]["authors"]
        assert author["name"] == answers.get("author_name", "Your Name")
        assert author["email"] == answers.get("author_email", "you@example.com")
        assert table["project"]["description"].endswith(answers.get("project_name", "Penguins"))
    readme = (rendered(case) / "README.md").read_text(encoding="utf-8")
    assert answers.get("description", "Predict from the Palmer penguins") in readme


@each_case
def test_remote_is_configured_and_brings_its_lock(case: str, rendered: Rendered) -> None:
    answered = CASES[case].get("dvc_remote", "local")
    remote = remote_kind(answered)
    locks = {name for name in list_files(rendered(case)) if name.startswith("requirements/remote-")}
    assert locks == (set() if remote == "local" else {f"requirements/remote-{remote}.{end}" for end in ("in", "txt")})
    url = (rendered(case) / ".dvc" / "config").read_text().partition("url = ")[2].strip()
    defaults = {"local": f"../../{rendered(case).name}-dvc", "s3": "s3://penguins/dvc", "azure": "azure://penguins/dvc"}
    assert url == defaults.get(answered, answered)
    scheme = {"local": "", "gcs": "gs://"}.get(remote, f"{remote}://")
    assert url.startswith(scheme)


def test_options_change_only_their_own_files(rendered: Rendered) -> None:
    default = list_files(rendered("default"))
    assert list_files(rendered("regression")) == default
    assert list_files(rendered("s3")) == default | {"requirements/remote-s3.in", "requirements/remote-s3.txt"}
    service = default - list_files(rendered("no-api"))
    assert list_files(rendered("no-api")) == default - service
    assert {name for name in default if "/service/" in name or "serve" in name} < service
    for name in default - service - {"requirements/dev.txt"}:
        text = (rendered("no-api") / name).read_text(encoding="utf-8")
        assert not re.search("fastapi|uvicorn|-predict serve|engines.yml", text), name


@pytest.mark.parametrize(
    ("case", "first"),
    [
        ("default", "MIT License"),
        ("s3", "BSD 3-Clause"),
        ("gcs", "Apache License"),
        ("azure", "Copyright (c) Your Name"),
    ],
)
def test_licence_is_the_one_that_was_chosen(case: str, first: str, rendered: Rendered) -> None:
    text = (rendered(case) / "LICENSE").read_text()
    assert text.strip().startswith(first)
    assert "Your Name" in text
    assert ("All rights reserved" in text) == (case == "azure")


def test_project_is_a_repository_of_its_own(rendered: Rendered) -> None:
    assert (rendered("default") / ".git" / "HEAD").read_text() == "ref: refs/heads/main\n"


def test_project_inside_a_repository_makes_none_unless_it_is_ignored_there(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    assert not (bake(tmp_path) / ".git").exists()
    (tmp_path / ".gitignore").write_text("/scratch/\n")
    assert (bake(tmp_path / "scratch") / ".git").exists()


def test_same_answers_render_the_same_bytes(rendered: Rendered, tmp_path: Path) -> None:
    first, second = rendered("default"), bake(tmp_path)
    assert list_files(first) == list_files(second)
    for name in list_files(first):
        assert (first / name).read_bytes() == (second / name).read_bytes()


@each_case
def test_python_version_is_stated_alike_everywhere(case: str, rendered: Rendered) -> None:
    project = rendered(case)
    choices = sorted(json.loads((ROOT / "cookiecutter.json").read_text())["_choices"]["python_version"])
    assert (project / ".python-version").read_text().strip() == CASES[case].get("python_version", "3.12")
    for package in ("predict", "train"):
        table = tomllib.loads((project / "packages" / package / "pyproject.toml").read_text(encoding="utf-8"))[
            "project"
        ]
        assert table["requires-python"] == f">={choices[0]}"
        assert re.findall(r"Python :: (3\.\d+)", str(table["classifiers"])) == choices
    workflow = yaml.safe_load((project / ".github" / "workflows" / "ci.yml").read_text())
    assert workflow["jobs"]["checks"]["strategy"]["matrix"]["python"] == choices


def test_sample_is_the_table_that_the_readme_names(rendered: Rendered) -> None:
    lines = (rendered("default") / "data" / "sample" / "penguins.csv").read_text().splitlines()
    assert lines[0] == "species,island,bill_length_mm,bill_depth_mm,flipper_length_mm,body_mass_g,sex,year"
    assert len(lines) == 345
