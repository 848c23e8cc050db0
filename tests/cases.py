"""The cases that are rendered and checked: any two answers to two options meet in one of them at least.

`python3 bootstrap.py cases` makes `cases.toml` from the options in `cookiecutter.json` and from `texts.toml`. Run as a
script, this module prints the cases' names, for the matrix of a workflow.
"""

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

FOLDER = Path(__file__).parent
PATH = FOLDER / "cases.toml"
GOLDEN = FOLDER / "golden"  # the files that each case renders
HEAD = "# Made by python3 bootstrap.py cases: name → answers; what is not said keeps its default.\n"
Cases = dict[str, dict[str, str]]


def load_cases() -> Cases:
    """Return the answers of each case, by its name."""
    return tomllib.loads(PATH.read_text(encoding="utf-8"))


def make_cases(options: Mapping[str, Sequence[str]], texts: Cases) -> Cases:
    """Return cases in which any two answers meet; the first one, the default, has the first answer to everything."""
    from allpairspy import AllPairs

    factors = {**options, "text": list(texts)}
    rows = [dict(zip(factors, row, strict=True)) for row in AllPairs(list(factors.values()))]
    cases = {}
    for row in rows:
        changed = {name: answer for name, answer in row.items() if answer != factors[name][0]}
        parts = [f"{answer}-{name}" if answer in ("no", "yes") else answer for name, answer in changed.items()]
        text = texts[row["text"]]
        cases["-".join(parts) or "default"] = {name: value for name, value in changed.items() if name != "text"} | text
    return cases


def write_cases(cases: Cases) -> None:
    """Write the cases as TOML, whose strings are JSON's; remove the lists of files of cases that are no more."""
    quoted = {
        name: [f"{answer} = {json.dumps(value, ensure_ascii=False)}\n" for answer, value in answers.items()]
        for name, answers in cases.items()
    }
    parts = [HEAD, *("".join([f'["{name}"]\n', *lines]) for name, lines in quoted.items())]
    PATH.write_text("\n".join(parts), encoding="utf-8", newline="\n")
    for path in GOLDEN.glob("*.txt"):
        if path.stem not in cases:
            path.unlink()


def read_factors() -> tuple[dict[str, list[str]], Cases]:
    """Return the answers that each option allows, the default first, and the kinds of text."""
    declared = json.loads((FOLDER.parent / "cookiecutter.json").read_text(encoding="utf-8"))
    return declared["_choices"], tomllib.loads((FOLDER / "texts.toml").read_text(encoding="utf-8"))


if __name__ == "__main__":
    print(f"cases={json.dumps(list(load_cases()))}")
