"""A team's project follows the template: cruft applies the template's changes, and keeps all of the team's.

The version before is this template with a few changes undone and, where there is one, the last release as well.
"""

import json
import re
import shutil
import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

from tests.conftest import ROOT, copy_template

from .sessions import clean_environment, commit, find_programs

PROJECT = "{{cookiecutter.project_slug}}"
AGED = [  # file, as it is now, as it was in the version before
    ("README.md", "## Maintain\n", "## Upkeep\n"),
    ("noxfile.py", '"""Check types, strictly."""', '"""Check types."""'),
    ("config/default.yaml", "    keep: 5 # released", "    keep: 3 # released"),
    (
        "packages/pipeline/src/{{cookiecutter.__package_name}}_pipeline/split.py",
        "import pyarrow.parquet as pq\n",
        "import pyarrow.parquet as pq  # for the sets\n",
    ),
]
ADDED_SINCE, REMOVED_SINCE = ".github/dependabot.yml", "docs/questions.md"
MODULE = '''"""Units of our own."""

from humanize import intcomma


def describe_mass(grams: int) -> str:
    """Return a mass in words."""
    return f"{intcomma(grams)} g"
'''
TEST = '''"""Our own units."""

from penguins_train.units import describe_mass


def test_mass_is_described() -> None:
    assert describe_mass(4200) == "4,200 g"
'''


def run(folder: Path, *command: str, code: int | None = 0) -> str:
    """Run a command in a folder, expect an exit code, and return what it printed."""
    environment = clean_environment()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert code is None or done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def bootstrap(project: Path, *arguments: str, code: int = 0) -> str:
    """Run sessions of a project as its team does."""
    return run(project, sys.executable, "bootstrap.py", *arguments, code=code)


def replace_template(folder: Path) -> None:
    """Have the files of this template in a repository, and no others."""
    run(folder, "git", "rm", "-r", "--quiet", "--ignore-unmatch", ".")
    copy_template(folder)


def make_older(template: Path) -> None:
    """Undo a few changes."""
    for name, now, before in AGED:
        path = template / PROJECT / name
        text = path.read_text(encoding="utf-8")
        assert text.count(now) == 1, f"{name} has changed; correct AGED"
        path.write_text(text.replace(now, before), encoding="utf-8")
    (template / PROJECT / ADDED_SINCE).unlink()
    (template / PROJECT / REMOVED_SINCE).write_text("# Questions\n", encoding="utf-8")


def find_release() -> list[str]:
    """Return the tag of the last release before this version; nothing, if there is none."""
    tags = run(ROOT, "git", "tag", "--list", "v*", "--sort=-version:refname", "--no-contains", "HEAD").split()
    return tags[:1]


RELEASED = find_release()


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository with an aged version, with the last release, if there is one, and with this version."""
    folder = tmp_path_factory.mktemp("template")
    run(folder, "git", "init", "--quiet", "--initial-branch=main")
    if RELEASED:
        archive = subprocess.run(["git", "archive", *RELEASED], cwd=ROOT, capture_output=True, check=True).stdout
        with tarfile.open(fileobj=BytesIO(archive)) as files:
            files.extractall(folder, filter="data")
        commit(folder, "The last release")
        run(folder, "git", "tag", *RELEASED)
    replace_template(folder)
    make_older(folder)
    commit(folder, "An aged version")
    run(folder, "git", "tag", "aged")
    replace_template(folder)
    commit(folder, "This version")
    return folder


def create(template: Path, parent: Path, version: str) -> Path:
    """Return a committed project of a version, without the service."""
    answers = json.dumps({"api": "no"})
    cruft = str(Path(sys.executable).parent / "cruft")
    run(parent, cruft, "create", str(template), "--no-input", "--checkout", version, "--extra-context", answers)
    commit(parent / "penguins", "Start")
    return parent / "penguins"


@pytest.fixture
def project(template: Path, tmp_path: Path) -> Path:
    """Return a committed project of the aged version."""
    return create(template, tmp_path, "aged")


def edit(path: Path, now: str, after: str) -> None:
    """Replace a text that occurs once."""
    text = path.read_text(encoding="utf-8")
    assert text.count(now) == 1
    path.write_text(text.replace(now, after), encoding="utf-8")


@pytest.mark.parametrize("version", ["aged", *RELEASED])
def test_update_keeps_what_the_team_has_made(version: str, template: Path, tmp_path: Path) -> None:
    project = create(template, tmp_path, version)
    schema = project / "schema.yaml"
    contract = re.sub(r"  sex:\n(    .*\n)+", "", schema.read_text(encoding="utf-8"))
    schema.write_text(contract, encoding="utf-8")
    (project / "packages/train/src/penguins_train/units.py").write_text(MODULE)
    (project / "packages/train/tests/test_units.py").write_text(TEST)
    edit(project / "packages/train/pyproject.toml", '  "numpy>=2.2",\n', '  "humanize>=4",\n  "numpy>=2.2",\n')
    edit(project / "README.md", "# Penguins\n", "# Penguins\n\nAsk the penguin team.\n")
    bootstrap(project, "lock")
    commit(project, "Make it ours")

    bootstrap(project, "update", "--", "--help")  # installs it
    cruft = find_programs(project, ".nox/update-alone") / "cruft"
    assert "out of date" in run(project, str(cruft), "check", code=1)
    assert "Ask the penguin team" in run(project, str(cruft), "diff", code=None)
    bootstrap(project, "update")
    run(project, str(cruft), "check")

    assert schema.read_text(encoding="utf-8") == contract
    assert "sex:" not in contract
    readme = (project / "README.md").read_text(encoding="utf-8")
    assert "Ask the penguin team." in readme
    if version == "aged":
        assert "## Maintain\n" in readme
        assert "keep: 3 # released" in (project / "config" / "default.yaml").read_text(encoding="utf-8")  # theirs
        assert (project / ADDED_SINCE).exists()
        assert not (project / REMOVED_SINCE).exists()
    assert "humanize" in (project / "packages/train/pyproject.toml").read_text(encoding="utf-8")
    assert "humanize==" in (project / "requirements/train.txt").read_text(encoding="utf-8")
    assert not list(project.rglob("*.rej"))
    marked = run(project, "git", "grep", "-l", "-e", "^<<<<<<< ", "-e", "^>>>>>>> ", code=None)
    assert marked == ""
    bootstrap(project, "lock")
    commit(project, "Update")
    bootstrap(project, "lint", "types", "tests")


def test_conflict_fails_the_update_and_is_named(project: Path) -> None:
    edit(project / "noxfile.py", '"""Check types."""', '"""Check our types."""')
    commit(project, "Say it otherwise")
    said = bootstrap(project, "update", code=1)
    assert "both sides have changed noxfile.py; edit them, then git add them" in said
    assert "## Maintain\n" in (project / "README.md").read_text(encoding="utf-8")


def test_reject_fails_the_update_and_is_named(project: Path) -> None:
    shutil.rmtree(project / ".git")  # a history that begins after the first edit: git cannot merge, only apply
    edit(project / "noxfile.py", '"""Check types."""', '"""Check our types."""')
    run(project, "git", "init", "--quiet", "--initial-branch=main")
    commit(project, "Start")
    said = bootstrap(project, "update", code=1)
    assert "both sides have changed noxfile.py.rej; edit them" in said
    assert (project / "noxfile.py.rej").exists()


def test_option_is_added_and_taken_away_later(project: Path) -> None:
    before = run(project, "git", "ls-files")
    bootstrap(project, "update")
    commit(project, "Update")
    for answer in ("yes", "no"):
        bootstrap(project, "update", "--", "--variables-to-update", json.dumps({"api": answer}))
        bootstrap(project, "lock")
        commit(project, f"api: {answer}")
        assert (project / "docs" / "service.md").exists() == (answer == "yes")
        assert (project / "requirements" / "serve.txt").exists() == (answer == "yes")
        bootstrap(project, "lint", "types")
    after = run(project, "git", "ls-files")
    assert set(after.split()) ^ set(before.split()) == {ADDED_SINCE, REMOVED_SINCE}


def test_project_that_cookiecutter_made_is_linked_and_follows(template: Path, project: Path) -> None:
    (project / ".cruft.json").unlink()
    commit(project, "As if cookiecutter had made it")
    bootstrap(project, "update", "--", "--help")  # installs cruft
    cruft = find_programs(project, ".nox/update-alone") / "cruft"
    link = [str(cruft), "link", str(template), "--checkout", "aged", "--no-input", "--extra-context", '{"api": "no"}']
    run(project, *link)
    commit(project, "Link")
    bootstrap(project, "update")
    assert (project / ADDED_SINCE).exists()
    assert not (project / "docs" / "service.md").exists()
    run(project, str(cruft), "check")
