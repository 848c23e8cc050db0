"""What the documents say: every command in a block runs, every session that they name exists."""

import re
import shlex
import shutil
import sys
import tomllib
from itertools import takewhile
from pathlib import Path

import pytest

from .sandbox import PROGRAM, run_in
from .small_config import PATHS, ROOT, SCORE

OPERATION = [[PROGRAM, name] for name in ("register", "promote", "release", "history")]  # test_operation runs them
ELSEWHERE = [*OPERATION, [PROGRAM, "drift"], [PROGRAM, "adopt"]]  # and the tests of the pipeline the last one
DOCUMENTS = ["README.md", "AGENTS.md", "docs/batch.md", "docs/data.md"]
PAGES = [f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md") if "bootstrap.py" in path.read_text("utf-8")]


def read_commands(document: str) -> list[list[str]]:
    """Return the commands in a document's blocks of shell."""
    blocks = re.findall(
        r"^ *```bash\n(.*?)^ *```", (ROOT / document).read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )
    return [shlex.split(line, comments=True) for block in blocks for line in block.splitlines() if line.strip()]


def run_command(folder: Path, command: list[str], code: int | None = 0) -> str:
    """Run a command of a document; a pipe is the only sign of the shell in one."""
    if "|" not in command:
        return run_in(folder, *command, code=code)
    return run_in(folder, "sh", "-c", " ".join(part if part == "|" else shlex.quote(part) for part in command))


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
    assert blocks
    for block in blocks:
        run_in(reproduced, sys.executable, "-c", block)


def test_commands_of_every_document_run_in_their_order(copied: Path) -> None:
    project = copied
    (project / "my-table.csv").write_text("size,my_column\n1,2\n3,4\n")  # the reader's own, in docs/data.md
    (project / "var").mkdir(exist_ok=True)
    shutil.copy(project / PATHS["holdout"], project / SCORE["nightly"]["source"]["address"])  # and in docs/batch.md
    commands = [command for document in DOCUMENTS for command in read_commands(document)]
    ours = [command for command in commands if "bootstrap.py" not in command and command[:2] not in ELSEWHERE]
    assert [PROGRAM, "example", "|", PROGRAM, "predict", "-"] in ours
    for command in ours:
        run_command(project, command)
    assert (project / "build" / "scored.csv").exists()
    assert (project / "build" / "schema.yaml").exists()


def test_what_the_readme_calls_yours_is_what_an_update_leaves_alone() -> None:
    rows = re.findall(r"^\| (`.*?) \| (\w+) \|", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    owned = {path for paths, whose in rows if whose in ("yours", "locks") for path in re.findall("`(.*?)`", paths)}
    skipped = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["cruft"]["skip"]
    assert {path.rstrip("/") for path in owned} == {re.sub(r"^(requirements)/.*", r"\1", path) for path in skipped}
    for path in owned | {path for paths, _ in rows for path in re.findall("`(.*?)`", paths)}:
        assert (ROOT / path).exists() or path in ("models/", "reports/"), f"the README names {path}"
