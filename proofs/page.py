"""Keep what the proof came to: data in `docs/proof.json`, and a page with tables of cases, machinery and sessions."""

import json
import os
import platform
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tests.conftest import ROOT

DATA, PAGE = ROOT / "docs" / "proof.json", ROOT / "docs" / "proof.md"
SHOWN = ("cookiecutter", "nox", "uv", "dvc", "numpy", "onnxruntime", "pyarrow", "scikit-learn", "pytest")
Record = dict[str, Any]
PAGE_TEXT = """# Proof

Written by `python3 bootstrap.py proof`, never by hand. Each case is rendered, installed from its locks, and put through
the sessions in the first table; nothing is fixed in between. Cases with the same machinery, but for the project's name,
share one run of the machinery's tests for each Python: the column *machinery* names it, and the second table has its
results. A cell is the number of tests that passed, and the seconds. A skipped test fails its session; without the
service, `engines` has no tests. The digests are the beginning of the SHA-256 of the files that were proven. A row whose
files have changed since it passed is marked with †, and proven anew by the next run.

{proven} of {total} rows have passed, {current} of them as they are rendered now. Their sessions add up to {minutes}
minutes; as many cases run at a time as there are cores. {versions}.

## Cases

{cases}

## Machinery

{machinery}
"""


class Result(NamedTuple):
    """What a session of a project came to: seconds, and the number of tests that passed."""

    seconds: float
    tests: int

    def __str__(self) -> str:
        """Return a cell of the table."""
        return f"{self.tests} in {self.seconds:.0f} s" if self.tests else f"{self.seconds:.0f} s"


def describe_versions() -> dict[str, str]:
    """Return the versions of what the proof ran with."""
    locks = "\n".join(path.read_text() for path in ROOT.glob("*/requirements/*.txt"))
    pins = dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", locks, flags=re.MULTILINE))
    return {"system": f"{platform.system()}, {os.cpu_count()} cores", **{name: pins[name] for name in SHOWN}}


def write_proof(proof: Record, columns: Mapping[str, Sequence[str]]) -> None:
    """Write the data and the page."""
    DATA.write_text(json.dumps(proof, indent=1) + "\n", encoding="utf-8", newline="\n")
    PAGE.write_text(format_page(proof, columns), encoding="utf-8", newline="\n")


def format_page(proof: Record, columns: Mapping[str, Sequence[str]]) -> str:
    """Return the page; the columns are the sessions of cases and of machinery."""
    versions = ", ".join(
        f"{name} {version}" if name != "system" else version for name, version in proof["versions"].items()
    )
    records = {kind: proof[kind] for kind in columns}
    done = [(kind, name, record) for kind, found in records.items() for name, record in found.items()]
    seconds = sum(result[0] for _, _, record in done for result in record["sessions"].values())
    return PAGE_TEXT.format(
        proven=len(done),
        total=sum(len(proof["rendered"][kind]) for kind in columns),
        minutes=round(seconds / 60),
        current=sum(record["digest"] == proof["rendered"][kind][name]["digest"] for kind, name, record in done),
        versions=versions,
        **{kind: _format_table(proof, kind, sessions) for kind, sessions in columns.items()},
    )


def _format_table(proof: Record, kind: str, sessions: Sequence[str]) -> str:
    rows = [[kind, "Python", *sessions, *(["machinery"] if kind == "cases" else []), "digest"]]
    rows.append(["---"] * len(rows[0]))
    for name, rendered in proof["rendered"][kind].items():
        shared = [rendered["machinery"]] if kind == "cases" else []
        record = proof[kind].get(name)
        if record is None:
            rows.append([name, rendered["python"], *["not proven"] * len(sessions), *shared, ""])
            continue
        results = record["sessions"]
        mark = "" if record["digest"] == rendered["digest"] else " †"
        cells = [str(Result(*results[session])) if session in results else "not run" for session in sessions]
        rows.append([name, record["python"], *cells, *shared, f"`{record['digest'][:12]}`{mark}"])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
