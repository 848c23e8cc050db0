"""The command lines of cookiecutter and cruft: they make a project, or say why not and leave nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cookiecutter.exceptions import FailedHookException

from .conftest import ROOT, bake, copy_template


def run_cookiecutter(
    folder: Path, *arguments: str, program: str = "cookiecutter", typed: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run cookiecutter's or cruft's command line as a person would, who types lines at its prompts."""
    command = [str(Path(sys.executable).parent / program), *arguments]
    environment = {**os.environ, "HOME": str(folder), "USERPROFILE": str(folder)}
    return subprocess.run(
        command, cwd=folder, env=environment, input=typed, capture_output=True, text=True, check=False
    )


def test_command_line_names_every_problem_at_once_without_a_traceback(tmp_path: Path) -> None:
    answers = ("project_slug=../x", "author_email=me", "python_version=2.7", "description={{ 1/0 }}")
    done = run_cookiecutter(tmp_path, str(ROOT), "--no-input", "--output-dir", "out", *answers)
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "The project was not made:"
    assert sorted(line.split(":")[0] for line in lines[1:]) == [
        "- author_email",
        "- description",
        "- project_slug",
        "- python_version",
    ]
    assert not (tmp_path / "out").exists()


def test_what_is_typed_is_checked_as_what_is_given(tmp_path: Path) -> None:
    done = run_cookiecutter(tmp_path, str(ROOT), typed="\n\n{{ braces }}\n" + "\n" * 7)
    assert done.returncode == 1
    assert "- description: found '{{ braces }}', expected plain text without {{, {%, {# or # jinja:" in done.stdout
    assert not (tmp_path / "penguins").exists()
    done = run_cookiecutter(tmp_path, str(ROOT), typed="Birds\n\n{ braces }\n" + "\n" * 4 + "no\n\n\n")
    assert done.returncode == 0, done.stdout
    assert "{ braces }" in (tmp_path / "birds" / "README.md").read_text()


def test_config_file_may_say_yes_as_yaml_does(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("default_context:\n  api: no\n  python_version: 3.13\n")
    done = run_cookiecutter(tmp_path, str(ROOT), "--no-input", "--config-file", str(config))
    assert done.returncode == 0, done.stdout
    assert not (tmp_path / "penguins" / "docs" / "service.md").exists()
    assert (tmp_path / "penguins" / ".python-version").read_text() == "3.13\n"


def test_cruft_creates_and_refuses_as_cookiecutter_does(tmp_path: Path) -> None:
    template = copy_template(tmp_path / "template")
    for command in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=T", "-c", "user.email=t@example.com", "commit", "-qm", "T"],
    ):
        subprocess.run(["git", *command], cwd=template, check=True)
    create = ("create", str(template), "--no-input", "--output-dir", str(tmp_path / "out"), "--extra-context")
    refused = run_cookiecutter(tmp_path, *create, '{"project_slug": "class"}', program="cruft")
    assert refused.returncode == 1
    assert "project_slug: found 'class', which is a keyword of Python" in refused.stdout + refused.stderr
    assert not (tmp_path / "out").exists()
    made = run_cookiecutter(tmp_path, *create, '{"project_slug": "fine"}', program="cruft")
    assert made.returncode == 0, made.stdout + made.stderr
    assert (tmp_path / "out" / "fine" / ".cruft.json").exists()


def test_replay_whose_answers_were_changed_is_refused(tmp_path: Path) -> None:
    run_cookiecutter(tmp_path, str(ROOT), "--no-input", "--output-dir", "first")
    (replay,) = (tmp_path / ".cookiecutter_replay").glob("*.json")
    again = run_cookiecutter(tmp_path, str(ROOT), "--replay-file", str(replay), "--output-dir", "second")
    assert again.returncode == 0, again.stdout
    replay.write_text(replay.read_text().replace('"project_slug": "penguins"', '"project_slug": "../outside"'))
    done = run_cookiecutter(tmp_path, str(ROOT), "--replay-file", str(replay), "--output-dir", "third")
    assert done.returncode == 1
    assert "project_slug: found '../outside', expected lower-case letters" in done.stdout
    assert not (tmp_path / "outside").exists()
    assert not list((tmp_path / "third").glob("*"))


def test_answers_that_were_stored_are_checked_again(tmp_path: Path) -> None:
    run_cookiecutter(tmp_path, str(ROOT), "--no-input")
    (replay,) = (tmp_path / ".cookiecutter_replay").glob("*.json")
    stored = json.loads(replay.read_text())["cookiecutter"]
    private = {name: stored[name] for name in ("__asking", "__checked")}
    with pytest.raises(FailedHookException, match="which is a keyword"):
        bake(tmp_path / "again", **private, project_slug="class")


def test_two_copies_of_the_template_each_use_their_own_answers(tmp_path: Path) -> None:
    other = copy_template(tmp_path / "other")
    module = other / "hooks" / "answers.py"
    module.write_text(
        module.read_text(encoding="utf-8").replace("LONGEST_NAME = 50", "LONGEST_NAME = 60"), encoding="utf-8"
    )
    program = (
        "import sys; from cookiecutter.main import cookiecutter\n"
        "for root in sys.argv[1:]:\n"
        "    try:\n"
        "        cookiecutter(root, no_input=True, default_config=True, output_dir='out', "
        "extra_context={'project_slug': 'x' * 55})\n"
        "        print('made')\n"
        "    except Exception as error:\n"
        "        print('refused')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(ROOT), str(other), str(ROOT)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert [line for line in done.stdout.splitlines() if " " not in line] == ["refused", "made", "refused"]


def test_existing_folder_is_left_untouched(tmp_path: Path) -> None:
    (tmp_path / "penguins").mkdir()
    (tmp_path / "penguins" / "mine.txt").write_text("mine")
    done = run_cookiecutter(tmp_path, str(ROOT), "--no-input")
    assert done.returncode == 1
    assert "already exists" in done.stdout
    assert [path.name for path in (tmp_path / "penguins").iterdir()] == ["mine.txt"]
