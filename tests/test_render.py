"""What each case renders: everything parses, nothing of the template is left, and it is formatted as it stands."""

import json
import re
import subprocess
import sys
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from identify.identify import license_id

from .conftest import CASES, ROOT, Rendered, bake, each_case, list_files, parse

FIRST_LINES = {
    "MIT": "MIT License",
    "BSD-3-Clause": "BSD 3-Clause",
    "Apache-2.0": "Apache License",
    "proprietary": "Copyright (c) ",
}
LAST_WORDS = {
    "MIT": "DEALINGS IN THE\nSOFTWARE.",
    "BSD-3-Clause": "POSSIBILITY OF SUCH DAMAGE.",
    "Apache-2.0": "limitations under the License.",
}


@each_case
def test_every_file_parses(case: str, rendered: Rendered) -> None:
    project = rendered(case)
    for name in list_files(project):
        text = (project / name).read_bytes().decode()
        parse(Path(name).suffix, text)
        assert text.strip() or name.endswith((".gitkeep", "py.typed")), f"{name} is empty"


@each_case
def test_nothing_of_the_template_is_left(case: str, rendered: Rendered) -> None:
    project = rendered(case)
    for name in list_files(project) - {"requirements/update.txt"}:  # which brings cookiecutter, for cruft
        assert "cookiecutter" not in name
        text = (project / name).read_text(encoding="utf-8")
        for found in ("cookiecutter", "# jinja:", "{%", "slipway", "Slipway"):
            assert found not in text, f"{name} holds {found!r}"


@each_case
def test_blocks_of_markdown_stand_apart(case: str, rendered: Rendered) -> None:
    project = rendered(case)
    for name in sorted(name for name in list_files(project) if name.endswith(".md")):
        whole = (project / name).read_text(encoding="utf-8")
        text = re.sub(r"^ *```.*?^ *```$", "", whole, flags=re.MULTILINE | re.DOTALL)
        for before, line in pairwise(line.strip() for line in text.splitlines()):
            assert not (line[:1] == "#" and before), f"{name}: no empty line before {line!r}"
            assert not (before[:1] == "|" and line[:1] not in ("|", "")), f"{name}: {line!r} would join the table"
        assert "\n\n\n" not in re.sub(r"```.*?```", "code", whole, flags=re.DOTALL), f"{name}: two empty lines"


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
    for path in rendered(case).glob("packages/*/pyproject.toml"):
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        (author,) = table["project"]["authors"]
        assert author["name"] == answers.get("author_name", "Your Name")
        assert author["email"] == answers.get("author_email", "you@example.com")
        assert table["project"]["description"].endswith(answers.get("project_name", "Penguins"))
    readme = (rendered(case) / "README.md").read_text(encoding="utf-8")
    assert answers.get("description", "Predict from the Palmer penguins") in readme


@each_case
def test_remote_is_configured_and_brings_its_lock(case: str, rendered: Rendered) -> None:
    remote = CASES[case].get("dvc_remote", "local")
    locks = {name for name in list_files(rendered(case)) if name.startswith("requirements/remote-")}
    assert locks == (set() if remote == "local" else {f"requirements/remote-{remote}.{end}" for end in ("in", "txt")})
    assert (
        read_remote(rendered(case))
        == {
            "local": f"../../{rendered(case).name}-dvc",
            "s3": f"s3://{rendered(case).name}/dvc",
            "gcs": f"gs://{rendered(case).name}/dvc",
            "azure": f"azure://{rendered(case).name}/dvc",
            "ssh": f"ssh://dvc@example.com/srv/{rendered(case).name}/dvc",
        }[remote]
    )


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("gs://some-bucket/with/a/path", "gs://some-bucket/with/a/path"),
        ("ssh://somebody@storage.example.com:2222/srv/dvc", "ssh://somebody@storage.example.com:2222/srv/dvc"),
        ("/srv/dvc storage/penguins", "/srv/dvc storage/penguins"),
        ("C:/store", "C:/store"),
        ("../elsewhere", "../../elsewhere"),
    ],
)
def test_remote_is_the_address_that_was_answered(address: str, url: str, tmp_path: Path) -> None:
    assert read_remote(bake(tmp_path, dvc_remote=address)) == url


def read_remote(project: Path) -> str:
    """Return the address of a project's DVC remote."""
    return (project / ".dvc" / "config").read_text().partition("url = ")[2].strip()


@each_case
def test_project_without_the_service_does_not_name_it(case: str, rendered: Rendered) -> None:
    without = CASES[case].get("api") == "no"
    locks = ("requirements/dev.txt", "requirements/update.txt", "requirements/remote-")
    texts = [(rendered(case) / name).read_text() for name in list_files(rendered(case)) if not name.startswith(locks)]
    command = rendered(case).name.replace("_", "-")
    found = [text for text in texts if re.search(f"fastapi|uvicorn|{command} serve", text)]
    assert bool(found) != without


@each_case
def test_licence_is_the_one_that_was_chosen(case: str, rendered: Rendered) -> None:
    licence, author = CASES[case].get("license", "MIT"), CASES[case].get("author_name", "Your Name")
    text = (rendered(case) / "LICENSE").read_text(encoding="utf-8")
    assert text.strip().startswith(FIRST_LINES[licence])
    assert author in text
    if licence == "proprietary":
        assert "All rights reserved" in text
    else:
        assert license_id(str(rendered(case) / "LICENSE")) == licence
        assert text.strip().endswith(LAST_WORDS[licence])


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
    for path in project.glob("packages/*/pyproject.toml"):
        table = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
        assert table["requires-python"] == f">={choices[0]}"
        assert re.findall(r"Python :: (3\.\d+)", str(table["classifiers"])) == choices
    workflow = yaml.safe_load((project / ".github" / "workflows" / "ci.yml").read_text())
    assert workflow["jobs"]["checks"]["strategy"]["matrix"]["python"] == choices


def test_sample_is_the_table_that_the_readme_names(rendered: Rendered) -> None:
    lines = (rendered("default") / "data" / "sample" / "penguins.csv").read_text().splitlines()
    assert lines[0] == "species,island,bill_length_mm,bill_depth_mm,flipper_length_mm,body_mass_g,sex,year"
    assert len(lines) == 345
