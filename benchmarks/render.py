"""Measure what the answers' checks and the hook add to rendering: the same files, rendered with and without them.

Both are whole runs of cookiecutter's command line, in turns, on the default answers. Ends with exit code 1 beyond the
limit. Run through `python3 bootstrap.py bench`, or by itself where cookiecutter is installed.
"""

import json
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from cookiecutter.generate import generate_context
from cookiecutter.main import cookiecutter
from cookiecutter.prompt import prompt_for_config

ROOT = Path(__file__).resolve().parents[1]
NAME = "{{cookiecutter.project_slug}}"
ROUNDS, MOST = 20, 1.3


def make_plain(folder: Path) -> Path:
    """Return a template of the same files that has no hooks and no extension, with every answer written down."""
    plain = folder / "plain"
    shutil.copytree(ROOT / NAME, plain / NAME, ignore=shutil.ignore_patterns("__pycache__", ".*_cache"))
    project = Path(render(ROOT, folder / "first"))
    answers = read_answers()
    for path in list((plain / NAME).rglob("*")):
        if path.is_file():
            name = path.relative_to(plain / NAME).as_posix()
            for variable, answer in answers.items():
                name = name.replace(f"{{{{cookiecutter.{variable}}}}}", str(answer))
            if not (project / name).exists():
                path.unlink()
            elif "| quoted" in (text := path.read_text(encoding="utf-8")):
                path.write_text(text.replace("| quoted", "| tojson"), encoding="utf-8")
    (plain / "cookiecutter.json").write_text(json.dumps(answers), encoding="utf-8")
    return plain


def read_answers() -> dict[str, object]:
    """Return cookiecutter.json as cookiecutter fills it in for the default answers, without what belongs to checks."""
    sys.path.insert(0, str(ROOT))  # as cookiecutter does, for the extension
    filled = prompt_for_config(generate_context(str(ROOT / "cookiecutter.json")), no_input=True)
    return {name: value for name, value in filled.items() if name not in ("_extensions", "__asking", "__checked")}


def render(template: Path, parent: Path) -> str:
    """Render a template with its default answers, and return the project's folder."""
    return str(cookiecutter(str(template), no_input=True, default_config=True, output_dir=str(parent)))


def time_run(template: Path, parent: Path) -> float:
    """Return the seconds of a run of the command line."""
    command = [sys.executable, "-m", "cookiecutter", str(template), "--no-input", "--default-config"]
    began = time.perf_counter()
    subprocess.run([*command, "--output-dir", str(parent)], check=True, capture_output=True)
    seconds = time.perf_counter() - began
    shutil.rmtree(parent)
    return seconds


def main() -> int:
    """Measure, print both medians and their ratio, and return 1 if it is beyond the limit."""
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        plain = make_plain(folder)
        assert same_files(Path(render(ROOT, folder / "one")), Path(render(plain, folder / "two")))
        times = [(time_run(ROOT, folder / "a"), time_run(plain, folder / "b")) for _ in range(ROUNDS)]
    ours, theirs = (statistics.median(column) for column in zip(*times, strict=True))
    print(
        f"rendering: {ours:.3f} s, without checks and hook {theirs:.3f} s: {ours / theirs:.2f} times (at most {MOST})"
    )
    return int(ours / theirs > MOST)


def same_files(one: Path, other: Path) -> bool:
    """Return whether two projects hold the same bytes."""
    return read_all(one) == read_all(other)


def read_all(project: Path) -> dict[str, bytes]:
    """Return the content of each file, without git's own."""
    files = {path.relative_to(project): path for path in project.rglob("*") if path.is_file()}
    return {name.as_posix(): path.read_bytes() for name, path in files.items() if name.parts[0] != ".git"}


if __name__ == "__main__":
    raise SystemExit(main())
