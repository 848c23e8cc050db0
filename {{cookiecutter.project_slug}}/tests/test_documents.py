"""What the documents say: every command in a block runs, every session that they name exists."""

import re
import shlex
import shutil
import sys
from itertools import takewhile
from pathlib import Path

import pytest
import yaml

from .sandbox import ROOT, run_in

DOCUMENTS = ["README.md", "AGENTS.md", "docs/data.md"]
PAGES = [f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md") if "bootstrap.py" in path.read_text("utf-8")]


def read_commands(document: str) -> list[list[str]]:
    """Return the commands in a document's blocks of shell."""
    blocks = re.findall(
        r"^ *```bash\n(.*?)^ *```", (ROOT / document).read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )
    return [shlex.split(line, comments=True) for block in blocks for line in block.splitlines() if line.strip()]


@pytest.mark.parametrize("document", ["README.md", "AGENTS.md", *PAGES])
def test_sessions_that_a_document_names_exist(document: str) -> None:
    ours = [command[2:] for command in read_commands(document) if "bootstrap.py" in command]
    named = {name for command in ours for name in takewhile(lambda word: word != "--", command)}
    named |= set(re.findall(r"`(?:python3 )?bootstrap\.py ([a-z0-9]+)", (ROOT / document).read_text(encoding="utf-8")))
    listed = run_in(ROOT, "nox", "--list", "--sessions", *sorted(named))
    assert {line.split()[1] for line in listed.splitlines() if line.startswith("* ")} == named


def test_python_of_every_document_runs(reproduced: Path) -> None:
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in (*DOCUMENTS, "packages/predict/README.md")]
    blocks = [block for text in texts for block in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)]
    assert len(blocks) == 2
    for block in blocks:
        run_in(reproduced, sys.executable, "-c", block)


def test_plots_that_the_page_on_data_gives_are_those_of_the_pipeline() -> None:
    page = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    given = [yaml.safe_load(block)["plots"] for block in re.findall(r"```yaml\n(.*?)```", page, flags=re.DOTALL)]
    assert len(given) == 2
    declared = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["plots"]
    drawn = {name: plot for entry in declared if isinstance(entry, dict) for name, plot in entry.items()}
    for name, plot in drawn.items():
        (shown,) = [entry[name] for plots in given for entry in plots if name in entry]
        assert shown == {key: value for key, value in plot.items() if key != "title"}


def test_commands_of_every_document_run_in_their_order(reproduced: Path, tmp_path: Path) -> None:
    shutil.copytree(reproduced, tmp_path / "project")
    commands = [command for document in DOCUMENTS for command in read_commands(document)]
    ours = [command for command in commands if "bootstrap.py" not in command]
    assert len(ours) >= 12
    for command in ours:
        run_in(tmp_path / "project", *command)
    assert (tmp_path / "project" / "build" / "scored.csv").exists()
    assert (tmp_path / "project" / "build" / "schema.yaml").exists()
