"""Answers are checked before anything is written: sound ones render, others are refused in a sentence each."""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from cookiecutter.exceptions import FailedHookException
from cookiecutter.main import cookiecutter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hooks.answers import LONGEST_NAME, SLUG, remote_kind, remote_url, reserved_names, sound_slug, yes_or_no

from .conftest import ROOT, bake
from .drawn import drawn_answers, rendered_or_refused

SLUGS = {
    "": "found '', expected lower-case letters",
    " penguins": "expected lower-case letters",
    "Penguins": "expected lower-case letters",
    "pingüinos": "expected lower-case letters",
    "1penguin": "expected lower-case letters",
    "-penguin": "expected lower-case letters",
    "penguin-": "expected lower-case letters",
    "a--b": "expected lower-case letters",
    "a_-b": "expected lower-case letters",
    "../penguins": "expected lower-case letters",
    "a/b": "expected lower-case letters",
    "a\\b": "expected lower-case letters",
    "a.b": "expected lower-case letters",
    "a b": "expected lower-case letters",
    "a'b": "expected lower-case letters",
    "class": "which is a keyword of Python",
    "match": "which is a keyword of Python",
    "json": "which is a module of Python's standard library",
    "numpy": "which is the name of a dependency",
    "scikit-learn": "which is the name of a dependency",
    "sklearn": "which is the name of a dependency",
    "yaml": "which is the name of a dependency",
    "packages": "which is a folder of the project itself",
    "predict": "which is a folder of the project itself",
    "con": "which is a device name on Windows",
    "x" * 300: "found 300 characters, expected 50 at most",
}
DECLARED = [value for value in json.loads((ROOT / "cookiecutter.json").read_text()).values() if isinstance(value, str)]
OTHERS = [
    ({"project_name": " "}, "project_name: found nothing"),
    ({"project_name": " a"}, "project_name: found ' a', expected no white space at its ends"),
    ({"description": "a\nb"}, "description: found 'a\\nb', expected one line without control characters"),
    ({"description": "a\x00b"}, "description: found 'a\\x00b', expected one line"),
    ({"description": "a" * 201}, "description: found 201 characters, expected 200 at most"),
    ({"author_name": ""}, "author_name: found nothing"),
    ({"author_email": "me"}, "author_email: found 'me', expected an address such as"),
    ({"author_email": "a@b"}, "author_email: found 'a@b'"),
    ({"author_email": 'a"b@example.com'}, "author_email: found"),
    ({"author_email": "a b@example.com"}, "author_email: found"),
    ({"author_email": "a@exämple.com"}, "author_email: found"),
    ({"problem": "clustering"}, "problem: found 'clustering', expected classification or regression"),
    ({"python_version": "2.7"}, "python_version: found '2.7', expected 3.12 or 3.11 or 3.13"),
    (
        {"dvc_remote": "ftp"},
        "dvc_remote: found 'ftp', expected local or s3 or gcs or azure or ssh, or an address (local: a folder",
    ),
    ({"license": "GPL"}, "license: found 'GPL', expected MIT or"),
    ({"api": "perhaps"}, "api: found 'perhaps', expected yes or no"),
    *(
        ({"dvc_remote": url}, f"dvc_remote: found {url!r}, expected local or s3")
        for url in ("C:\\data", "a#b", "ssh://host", "s3://", ".", "data", "..", "/", "~~", "x:y")
    ),
    ({"description": "{{ 7*7 }}"}, "found '{{ 7*7 }}' in an answer, expected plain text without"),
    ({"project_name": "{% raw %}"}, "found '{% raw %}' in an answer"),
    ({"author_name": "{{ 1/0 }}"}, "found '{{ 1/0 }}' in an answer"),
    ({"project_slug": "{{ cookiecutter.project_name }}"}, "found '{{ cookiecutter.project_name }}' in an answer"),
    ({"description": "# jinja: for x in y"}, "found '# jinja: for x in y' in an answer"),
    ({"description": "a\n# jinja: if 1/0\nx\n# jinja: endif"}, "in an answer, expected plain text"),
    # answers that make no sense together
    ({"dvc_remote": "../penguins"}, "dvc_remote: found '../penguins', which is inside the project; expected a folder"),
    (
        {"project_slug": "birds", "dvc_remote": "../Birds/store"},
        "dvc_remote: found '../Birds/store', which is inside the",
    ),
    ({"project_name": "Birds", "dvc_remote": "../birds/dvc"}, "dvc_remote: found '../birds/dvc', which is inside"),
    # what nobody is asked for
    ({"__distribution": 'a"b'}, "__distribution: found 'a\"b', expected 'penguins': it is no question"),
    ({"__package_name": "birds"}, "__package_name: found 'birds', expected 'penguins'"),
    ({"__api": "no"}, "__api: found 'no', expected 'yes'"),
    ({"__dvc_remote": "s3"}, "__dvc_remote: found 's3', expected 'local'"),
    ({"__remote_url": "x\n[cache]"}, "__remote_url: found 'x\\n[cache]', expected '../penguins-dvc'"),
    ({"__checked": "x"}, "__checked: found 'x', expected '{{ cookiecutter | check_answers }}'"),
    ({"__asking": "x", "project_name": "{{ 7*7 }}"}, "__asking: found 'x', expected"),
    *(({"author_name": source}, f"found {source!r} in an answer") for source in DECLARED if "{{" in source),
]


@pytest.mark.parametrize(
    ("answers", "message"),
    [*(({"project_slug": slug}, message) for slug, message in SLUGS.items()), *OTHERS],
    ids=lambda value: ascii(value)[:40] if isinstance(value, dict) else "",
)
def test_answer_that_would_render_badly_is_refused(answers: dict[str, str], message: str, tmp_path: Path) -> None:
    with pytest.raises(FailedHookException) as refused:
        bake(tmp_path, **answers)
    assert str(refused.value).startswith("The project was not made:\n- ")
    assert message in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def run_cookiecutter(folder: Path, *arguments: str, program: str = "cookiecutter") -> subprocess.CompletedProcess[str]:
    """Run cookiecutter's or cruft's command line as a person would."""
    command = [str(Path(sys.executable).parent / program), *arguments]
    environment = {**os.environ, "HOME": str(folder), "USERPROFILE": str(folder)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_command_line_names_every_problem_at_once_without_a_traceback(tmp_path: Path) -> None:
    answers = ("project_slug=../x", "author_email=me", "python_version=2.7", "description={{ 1/0 }}")
    done = run_cookiecutter(tmp_path, str(ROOT), "--no-input", "--output-dir", "out", *answers)
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "The project was not made:"
    assert sorted(line.split(":")[0] for line in lines[1:]) == [
        "- author_email",
        "- found '{{ 1/0 }}' in an answer, expected plain text without {{, {%, {# or # jinja",
        "- project_slug",
        "- python_version",
    ]
    assert not (tmp_path / "out").exists()


def test_cruft_creates_and_refuses_as_cookiecutter_does(tmp_path: Path) -> None:
    template = tmp_path / "template"
    shutil.copytree(ROOT, template, ignore=shutil.ignore_patterns(".git", ".nox", ".uv-cache", "demo", ".*_cache"))
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


@pytest.mark.parametrize("name", ["project_name", "description", "dvc_remote", "project_slug"])
@pytest.mark.parametrize("value", [None, {"a": "b"}])
def test_answer_that_is_no_text_is_refused_in_a_sentence(name: str, value: object, tmp_path: Path) -> None:
    with pytest.raises(
        (FailedHookException, ValueError), match=f"{name}|in an answer"
    ):  # cookiecutter has a list of its own
        cookiecutter(
            str(ROOT), no_input=True, default_config=True, output_dir=str(tmp_path), extra_context={name: value}
        )
    assert list(tmp_path.iterdir()) == []


def test_answers_that_were_stored_are_checked_again(tmp_path: Path) -> None:
    run_cookiecutter(tmp_path, str(ROOT), "--no-input")
    (replay,) = (tmp_path / ".cookiecutter_replay").glob("*.json")
    stored = json.loads(replay.read_text())["cookiecutter"]
    private = {name: stored[name] for name in ("__asking", "__checked")}
    with pytest.raises(FailedHookException, match="which is a keyword"):
        bake(tmp_path / "again", **private, project_slug="class")


def test_two_copies_of_the_template_each_use_their_own_answers(tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(ROOT, other, ignore=shutil.ignore_patterns(".git", ".nox", ".uv-cache", "demo", ".*_cache"))
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


@given(answers=drawn_answers)
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_any_answers_are_refused_or_render_what_parses(answers: dict[str, str]) -> None:
    with rendered_or_refused(answers, Counter()) as project:
        assert project is None or (project / "dvc.yaml").exists()


@given(st.text(max_size=250))
def test_any_project_name_gives_a_sound_slug(name: str) -> None:
    slug = sound_slug(name)
    assert SLUG.fullmatch(slug)
    assert len(slug) <= LONGEST_NAME
    assert slug.replace("-", "_") not in reserved_names()


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Penguins", "penguins"),
        ("2024 Sales", "project-2024-sales"),
        ("🐧", "project"),
        ("データ", "teta"),
        ("Class", "class-project"),
        ("Scikit Learn", "scikit-learn-project"),
        ("x" * 100, "x" * 42),
    ],
)
def test_slug_of_a_project_name(name: str, slug: str) -> None:
    assert sound_slug(name) == slug


@pytest.mark.parametrize(
    ("answer", "chosen"),
    [
        ("yes", "yes"),
        ("Y", "yes"),
        ("true", "yes"),
        (True, "yes"),
        (1, "yes"),
        ("no", "no"),
        ("False", "no"),
        (False, "no"),
    ],
)
def test_yes_and_no_are_understood_as_people_and_tools_write_them(answer: object, chosen: str) -> None:
    assert yes_or_no(answer) == chosen


@pytest.mark.parametrize(
    ("answer", "kind", "url"),
    [
        ("s3", "s3", "s3://fine/dvc"),
        ("../store", "local", "../store"),
        ("C:/store", "local", "C:/store"),
        ("gs://bucket/a", "gcs", "gs://bucket/a"),
        ("azure://box", "azure", "azure://box"),
        ("ssh://me@host:22/srv", "ssh", "ssh://me@host:22/srv"),
        ("http://x", "", "http://x"),
    ],
)
def test_remote_is_a_kind_or_an_address(answer: str, kind: str, url: str) -> None:
    assert remote_kind(answer) == kind
    assert remote_url({"dvc_remote": answer, "project_slug": "fine"}) == url


def test_existing_folder_is_left_untouched(tmp_path: Path) -> None:
    (tmp_path / "penguins").mkdir()
    (tmp_path / "penguins" / "mine.txt").write_text("mine")
    done = run_cookiecutter(tmp_path, str(ROOT), "--no-input")
    assert done.returncode == 1
    assert "already exists" in done.stdout
    assert [path.name for path in (tmp_path / "penguins").iterdir()] == ["mine.txt"]
