"""The cases: any two answers meet, and each case renders exactly the files that its golden file lists."""

import json
from itertools import combinations
from pathlib import Path

import pytest
from pytest_regressions.file_regression import FileRegressionFixture

from hooks.answers import yes_or_no

from .cases import GOLDEN, load_cases, make_cases, read_factors, write_cases
from .conftest import CASES, ROOT, Rendered, each_case, list_files

OPTIONS, TEXTS = read_factors()


def test_cases_are_those_of_the_options() -> None:
    assert load_cases() == make_cases(OPTIONS, TEXTS), "run python3 bootstrap.py cases"
    assert CASES["default"] == {}


def test_any_two_answers_meet_in_a_case() -> None:
    answered = [{name: case.get(name, answers[0]) for name, answers in OPTIONS.items()} for case in CASES.values()]
    for (one, ones), (other, others) in combinations(OPTIONS.items(), 2):
        for pair in [(a, b) for a in ones for b in others]:
            assert any((case[one], case[other]) == pair for case in answered), pair


def test_new_option_meets_the_others() -> None:
    cases = make_cases({**OPTIONS, "dashboard": ["yes", "no"]}, TEXTS)
    assert any(case.get("dashboard") == "no" and case.get("api") == "no" for case in cases.values())
    assert len(cases) <= len(CASES) + 2


@each_case
def test_case_renders_exactly_these_files(
    case: str, rendered: Rendered, file_regression: FileRegressionFixture
) -> None:
    files, default = list_generic_files(case, rendered), list_generic_files("default", rendered)
    changes = [f"- {name}" for name in default - files] + [f"+ {name}" for name in files - default]
    lines = sorted(default) if case == "default" else ["as default", *sorted(changes)]
    file_regression.check("\n".join(lines) + "\n", fullpath=GOLDEN / f"{case}.txt")


def list_generic_files(case: str, rendered: Rendered) -> set[str]:
    """Return the paths of a case's files, with a word in place of the project's own name."""
    package = rendered(case).name.replace("-", "_")
    return {name.replace(package, "<package>") for name in list_files(rendered(case))}


def test_no_golden_file_is_left_over() -> None:
    assert {path.stem for path in GOLDEN.glob("*.txt")} == set(CASES)


def test_cases_are_written_and_lists_of_others_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.cases.PATH", tmp_path / "cases.toml")
    monkeypatch.setattr("tests.cases.GOLDEN", tmp_path)
    for name in ("default", "gone"):
        (tmp_path / f"{name}.txt").touch()
    write_cases(CASES)
    assert load_cases() == CASES
    assert [path.stem for path in tmp_path.glob("*.txt")] == ["default"]


@pytest.mark.parametrize("option", OPTIONS)
def test_default_of_an_option_is_its_first_answer(option: str) -> None:
    default = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))[option]
    assert default == OPTIONS[option][0]
    assert yes_or_no(default) in ("", default)
