"""Answers are checked before anything is written: sound ones render, others are refused in a sentence each."""

from collections import Counter
from pathlib import Path

import pytest
from cookiecutter.exceptions import FailedHookException
from hypothesis import HealthCheck, given, settings

from hooks.answers import declared

from .conftest import bake
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
DECLARED = {name: value for name, value in declared().items() if isinstance(value, str)}
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
    ({"description": "{{ 7*7 }}"}, "description: found '{{ 7*7 }}', expected plain text without"),
    ({"description": "{{cookiecutter.project_slug}}"}, "description: found '{{cookiecutter.project_slug}}', expected"),
    ({"project_name": "{% raw %}"}, "project_name: found '{% raw %}', expected plain text"),
    ({"author_name": "{{ 1/0 }}"}, "author_name: found '{{ 1/0 }}', expected plain text"),
    (
        {"project_slug": "{{ cookiecutter.project_name }}"},
        "found '{{ cookiecutter.project_name }}', expected lower-case",
    ),
    ({"license": "{{ 1/0 }}"}, "license: found '{{ 1/0 }}', expected MIT or"),
    ({"description": "# jinja: for x in y"}, "found '# jinja: for x in y', expected plain text"),
    ({"description": "a\n# jinja: if 1/0\nx\n# jinja: endif"}, "expected plain text without"),
    ({"description": ["{{ 1/0 }}", "a"]}, "description: found '{{ 1/0 }}', expected plain text"),
    # answers that make no sense together
    ({"dvc_remote": "../penguins"}, "dvc_remote: found '../penguins', which is inside the project; expected a folder"),
    (
        {"project_slug": "birds", "dvc_remote": "../Birds/store"},
        "dvc_remote: found '../Birds/store', which is inside the",
    ),
    ({"project_name": "Birds", "dvc_remote": "../birds/dvc"}, "dvc_remote: found '../birds/dvc', which is inside"),
    # what nobody is asked for
    ({"__distribution": 'a"b'}, "__distribution: found 'a\"b', expected 'penguins'; it is no question"),
    ({"__package_name": "birds"}, "__package_name: found 'birds', expected 'penguins'"),
    ({"__api": "no"}, "__api: found 'no', expected 'yes'"),
    ({"__dvc_remote": "s3"}, "__dvc_remote: found 's3', expected 'local'"),
    ({"__remote_url": "x\n[cache]"}, "__remote_url: found 'x\\n[cache]', expected '../penguins-dvc'"),
    ({"__checked": "x"}, "__checked: found 'x', expected '{{ cookiecutter | check_answers }}'"),
    ({"__asking": "x", "project_name": "{{ 7*7 }}"}, "__asking: found 'x', expected"),
    *(
        ({"author_name": source}, f"author_name: found {source!r}, expected plain text")
        for source in DECLARED.values()
        if "{{" in source
    ),
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


@pytest.mark.parametrize("name", [name for name in DECLARED if name[0] != "_"])
@pytest.mark.parametrize("value", [None, {"a": "b"}])
def test_answer_that_is_no_text_is_refused_in_a_sentence(name: str, value: object, tmp_path: Path) -> None:
    with pytest.raises(FailedHookException, match=f"- {name}: found .*, expected text"):
        bake(tmp_path, **{name: value})
    assert list(tmp_path.iterdir()) == []


def test_one_wrong_answer_is_one_sentence(tmp_path: Path) -> None:
    for answers in ({"api": 2}, {"license": "GPL", "api": True}, {"description": "{{ 7*7 }}", "api": False}):
        with pytest.raises(FailedHookException) as refused:
            bake(tmp_path, **answers)
        assert len(str(refused.value).splitlines()) == 2


@pytest.mark.parametrize(("answer", "served"), [(True, True), ("ON", True), (False, False), ("n", False)])
def test_yes_and_no_are_understood_however_they_are_written(answer: object, served: bool, tmp_path: Path) -> None:
    assert (bake(tmp_path, api=answer) / "docs" / "service.md").exists() == served


def test_any_answers_are_refused_or_render_what_parses() -> None:
    outcomes: Counter[str] = Counter()

    @given(answers=drawn_answers)
    @settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    def check(answers: dict[str, str]) -> None:
        with rendered_or_refused(answers, outcomes) as project:
            assert project is None or (project / "dvc.yaml").exists()

    check()
    assert min(outcomes["rendered"], outcomes["refused"]) > 15
