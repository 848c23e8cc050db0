"""What the template's documents and workflows say holds."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from proofs.page import DATA, PAGE, format_page
from proofs.projects import COLUMNS, digest_machinery

from .conftest import CASES, ROOT, Rendered, each_case

WORKFLOWS = sorted(ROOT.glob(".github/workflows/*.yml")) + sorted(ROOT.glob("*/.github/workflows/*.yml"))
COOKIECUTTER = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))


def test_readme_names_sessions_that_exist() -> None:
    text = "\n".join((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "CONTRIBUTING.md"))
    named = {name.strip('"') for name in re.findall(r'bootstrap\.py ("[^"]+"|[a-z]+)', text)}
    nox = [sys.executable, "-m", "nox", "--list"]
    listed = subprocess.run(nox, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    sessions = set(re.findall(r"^[*-] (\S+)", listed, flags=re.MULTILINE))
    assert {name for name in sessions if not name.startswith("project(")} == named - {"project(default)"}
    assert sessions >= named


def test_readme_has_a_row_for_every_question_and_its_choices() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    questions = [name for name in COOKIECUTTER if not name.startswith("_")]
    assert len(questions) <= 10
    assert set(COOKIECUTTER["__prompts__"]) == set(questions)
    table = [line for line in readme.splitlines() if line.startswith("| `")]
    assert [name for line in table for name in re.findall(r"`(\w+)`", line.split("|")[1])] == questions
    for name, choices in COOKIECUTTER["_choices"].items():
        (row,) = [line for line in table if f"| `{name}` |" in line]
        assert set(re.findall(r"`([^`]+)`", row.split("|", 2)[2])) >= set(choices)
        assert all(choice in COOKIECUTTER["__prompts__"][name] for choice in choices)


def test_readme_is_short_and_has_its_command_early() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) < 150
    assert any("python3 bootstrap.py demo" in line for line in lines[:20])


def test_tree_in_the_readme_is_the_one_that_is_rendered() -> None:
    (tree,) = re.findall(
        r"```\n(schema\.yaml .*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.DOTALL
    )
    named = [name for line in tree.splitlines() if line[0] != " " for name in line.split("  ")[0].split()]
    files = (ROOT / "tests" / "golden" / "default.txt").read_text(encoding="utf-8").splitlines()
    assert len(named) > 12
    assert [name for name in named if not any(file.startswith(name) for file in files)] == []


def test_page_of_the_proof_is_what_its_data_say() -> None:
    proof = json.loads(DATA.read_text(encoding="utf-8"))
    assert list(proof["rendered"]["cases"]) == list(CASES), "run bootstrap.py proof"
    assert PAGE.read_text(encoding="utf-8") == format_page(proof, COLUMNS), "run bootstrap.py proof"


@each_case
def test_cases_of_the_same_machinery_have_the_same_files(case: str, rendered: Rendered) -> None:
    first = next(name for name, answers in CASES.items() if service_of(answers) == service_of(CASES[case]))
    assert digest_machinery(rendered(case)) == digest_machinery(rendered(first))


def service_of(answers: dict[str, str]) -> str:
    """Return whether a case has the service: on nothing else depends the machinery."""
    return answers.get("api", "yes")


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "docs/decisions.md"])
def test_links_of_a_document_lead_somewhere(document: str) -> None:
    path = ROOT / document
    for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists()


@pytest.mark.parametrize(
    "workflow", WORKFLOWS, ids=lambda path: str(path.relative_to(ROOT)).replace("{", "").replace("}", "")
)
def test_workflow_is_pinned_bounded_and_least_privileged(workflow: Path) -> None:
    text = workflow.read_text(encoding="utf-8")
    content = yaml.safe_load(text)
    assert content["permissions"] in ({}, {"contents": "read"})
    assert "concurrency" in content
    for job in content["jobs"].values():
        assert job["timeout-minutes"] <= 60
    uses = re.findall(r"uses: (.*)", text)
    assert uses
    for action in uses:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action)


def test_an_action_has_one_pin_in_all_workflows() -> None:
    texts = [workflow.read_text(encoding="utf-8") for workflow in WORKFLOWS]
    pins = {(action, pin) for text in texts for action, pin in re.findall(r"uses: ([\w/-]+)@(.*)", text)}
    assert len({action for action, _ in pins}) == len(pins) > 2


def test_workflow_covers_every_python_and_every_case() -> None:
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))["jobs"]
    assert jobs["tests"]["strategy"]["matrix"]["python"] == sorted(COOKIECUTTER["_choices"]["python_version"])
    assert jobs["project"]["strategy"]["matrix"]["case"] == "${{ fromJSON(needs.cases.outputs.cases) }}"
    (_, listing) = jobs["cases"]["steps"]
    program, _, _ = listing["run"].partition(" >> ")
    printed = subprocess.run(
        [sys.executable, *program.split()[1:]], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert json.loads(printed.stdout.removeprefix("cases=")) == list(CASES)
