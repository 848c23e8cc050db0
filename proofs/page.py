"""Keep what the proof came to: data in `docs/proof.json`, and a page with a table of cases and sessions."""

import json
import os
import platform
import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from tests.conftest import ROOT

DATA, PAGE = ROOT / "docs" / "proof.json", ROOT / "docs" / "proof.md"
SHOWN = ("cookiecutter", "nox", "uv", "dvc", "numpy", "onnxruntime", "pyarrow", "scikit-learn", "pytest")
Record = dict[str, Any]
PAGE_TEXT = """# Proof

Written by `python3 bootstrap.py proof`, never by hand. Each case is rendered, installed from its locks, and put through
its own sessions; nothing is mended in between. A cell says what passed: the number of tests, and the seconds. A skipped
test fails its session; without the service, `engines` has no tests. The last column is the beginning of the SHA-256 of
all files that were rendered. A case that has changed by a byte since it passed is marked with †, and proven anew by the
next run.

{proven} of {cases} cases have passed, in {minutes} minutes; {current} of them as they are rendered now. {versions}.

{table}
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


def write_proof(proof: Record, cases: Iterable[str], columns: Sequence[str]) -> None:
    """Write the data and the page."""
    DATA.write_text(json.dumps(proof, indent=1) + "\n", encoding="utf-8", newline="\n")
    PAGE.write_text(format_page(proof, cases, columns), encoding="utf-8", newline="\n")


def format_page(proof: Record, cases: Iterable[str], columns: Sequence[str]) -> str:
    """Return the page, with a table of cases and sessions, which are its columns."""
    rows = [[*("case", "Python"), *columns, "rendered files"], ["---"] * (len(columns) + 3)]
    whole, current = 0.0, 0
    for case in cases:
        record = proof["cases"].get(case)
        if record is None:
            rows.append([case, "", *["not proven"] * len(columns), ""])
            continue
        results = {name: Result(*result) for name, result in record["sessions"].items()}
        whole += sum(result.seconds for result in results.values())
        cells = [str(results.get(name, "not run")) for name in columns]
        changed = record["digest"] != proof["rendered"][case]
        current += not changed
        rows.append([case, record["python"], *cells, f"`{record['digest'][:12]}`{' †' if changed else ''}"])
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    versions = ", ".join(
        f"{name} {version}" if name != "system" else version for name, version in proof["versions"].items()
    )
    counts = {"cases": len(rows) - 2, "proven": len(proof["cases"]), "current": current}
    return PAGE_TEXT.format(table=table, versions=versions, minutes=round(whole / 60), **counts)
