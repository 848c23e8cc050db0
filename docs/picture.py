"""Draw `picture.svg`: the first minutes with a project, as a terminal shows them.

Run by `python3 bootstrap.py picture`. Each command is run, and what it prints is shown; of the pipeline, its table.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "picture.svg"
WIDTH = 100
FRAME = ("┏", "┃", "┡", "│", "└")  # of a table
LIFE = (
    ("register", "--reason", "The first model"),
    ("promote", "v0.1.0", "--stage", "production", "--reason", "First release"),
    ("release", "--stage", "production"),
    ("history",),
)
PERSON = {
    f"GIT_{role}_{key}": value
    for role in ("AUTHOR", "COMMITTER")
    for key, value in (("NAME", "Ann"), ("EMAIL", "ann@example.com"))
}


def draw(console: Console, parent: Path) -> None:
    """Run the commands in an empty folder, and show them."""
    programs = Path(sys.executable).parent
    made = run(parent, programs / "cookiecutter", str(ROOT), "--no-input", "--default-config")
    show(console, "cookiecutter slipway --no-input", made)
    project = parent / "penguins"
    show(console, "cd penguins; ls", "  ".join(sorted(path.name for path in project.iterdir() if path.name[0] != ".")))
    printed = run(project, sys.executable, "bootstrap.py", "repro")
    show(
        console,
        "python3 bootstrap.py repro",
        "\n".join(line for line in printed.splitlines() if line.startswith(FRAME)),
    )
    run(project, "git", "add", ".")
    run(project, "git", "commit", "--quiet", "--message", "Train the first model")
    show(console, 'git add . && git commit --quiet --message "Train the first model"')
    programs = project / ".venv" / ("Scripts" if os.name == "nt" else "bin")
    show(console, "source .venv/bin/activate")
    record = run(project, programs / "penguins", "example")
    show(console, "penguins example | penguins predict -", run(project, programs / "penguins", "predict", record))
    for command in LIFE:
        said = run(project, programs / "penguins", *command)
        show(console, f"penguins {' '.join(json.dumps(word) if ' ' in word else word for word in command)}", said)


def run(folder: Path, program: str | Path, *arguments: str) -> str:
    """Run a program in a folder, and return what it printed."""
    path = f"{Path(program).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, **PERSON, "PATH": path, "COLUMNS": str(WIDTH), "NO_COLOR": "1"}
    done = subprocess.run(
        [program, *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )
    return done.stdout.rstrip()


def show(console: Console, command: str, printed: str = "") -> None:
    """Show a command after its prompt, and below it what it printed."""
    console.print(Text.assemble(("$ ", "bold green"), (command, "bold")))
    console.print(Text(printed), end="\n\n" if printed else "")


def main() -> None:
    """Draw the picture."""
    with TemporaryDirectory() as parent, Path(os.devnull).open("w") as nowhere:
        console = Console(record=True, width=WIDTH, file=nowhere, force_terminal=True)
        draw(console, Path(parent))
    style = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)  # no fonts from elsewhere
    svg = console.export_svg(title="Slipway", code_format=style, unique_id="slipway")
    PICTURE.write_text(svg, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
