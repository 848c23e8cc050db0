"""Prove cases: choose what is to be run, run it, and keep what came out.

A case is put through the sessions that its answers make a difference to. The machinery's own tests run once for all
cases with the same machinery, but for the project's name. `--record` keeps what came out in `docs/proof.json` and, as
tables, in `docs/proof.md`. What has not changed by a byte since it passed is not run again, and what has changed is
marked until it passes anew; where a case fails, the others still run. As many cases run at a time as there are cores.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple

from cookiecutter.exceptions import FailedHookException

from tests.cases import load_cases
from tests.conftest import list_files

from .page import DATA, Record, describe_versions, write_proof
from .sessions import ProofError, find_programs, render, run, run_session, runs_here

COLUMNS = {
    "cases": ("lint", "types", "tests", "repro", "predict", "notebooks", "compare"),
    "machinery": ("machinery", "engines", "pre-commit"),
}
# what answers change without a difference to the machinery: texts, the team's own files, the kind of storage
NO_MACHINERY = re.compile(
    r"README.md|LICENSE|AGENTS.md|\.dvc/config|\.python-version|requirements/remote-.*"
    r"|config/.*|data/.*|notebooks/.*|packages/train/.*|params.yaml|schema.yaml|tests/.*"
)
ANSWERED = re.compile(rb"^(description|license|authors) = .*$", re.MULTILINE)  # in a pyproject.toml


class Pending(NamedTuple):
    """What is to be proven: the name of a row of the page, the case that is rendered for it, and its digest."""

    name: str
    case: str
    digest: str


class Rendered(NamedTuple):
    """A case as it is rendered now: digests of all its files and of its machinery, whose name follows from answers."""

    digest: str
    python: str
    machinery: str
    machinery_digest: str


def prove(case: str, answers: Mapping[str, str], sessions: tuple[str, ...], digest: str) -> Record:
    """Render a case, run sessions of it, and return what came out.

    Raises:
        ProofError: a session has failed.
    """
    project = render(case, answers)
    results = {name: run_session(project, name) for name in sessions if runs_here(name)}
    python = run(project, str(find_programs(project) / "python"), "--version").split()[-1]
    shutil.rmtree(project.parent)
    return {"digest": digest, "python": python, "sessions": {name: list(result) for name, result in results.items()}}


def prove_all(
    pending: Sequence[Pending], sessions: tuple[str, ...], at_a_time: int
) -> Iterator[tuple[str, Future[Record]]]:
    """Run sessions of what is pending, so many cases at a time, and yield each name with its outcome when it ends."""
    cases, pool = load_cases(), ThreadPoolExecutor(at_a_time)
    try:
        runs = {pool.submit(prove, it.case, cases[it.case], sessions, it.digest): it.name for it in pending}
        for ended in as_completed(runs):
            yield runs[ended], ended
    finally:
        pool.shutdown(cancel_futures=True)


def is_current(record: Record | None, digest: str, sessions: tuple[str, ...]) -> bool:
    """Return whether a record speaks of files as they are rendered now, and of every session that runs here."""
    wanted = {name for name in sessions if runs_here(name)}
    return record is not None and record["digest"] == digest and wanted <= set(record["sessions"])


def describe_case(case: str, answers: Mapping[str, str]) -> Rendered:
    """Return what a case is as it is rendered now."""
    project = render(case, answers)
    python = (project / ".python-version").read_text().strip()
    service = "with" if (project / "packages" / "serve").exists() else "without"
    rendered = Rendered(
        digest_files(project, list_files(project)), python, f"{python} {service} service", digest_machinery(project)
    )
    shutil.rmtree(project.parent)
    return rendered


def digest_machinery(project: Path) -> str:
    """Return the SHA-256 of a project's machinery, which does not depend on its name, texts and storage."""
    return digest_files(
        project, {name for name in list_files(project) if not NO_MACHINERY.fullmatch(name)}, generic=True
    )


def digest_files(project: Path, names: set[str], *, generic: bool = False) -> str:
    """Return the SHA-256 of files, by their paths; a generic one does not depend on the project's name and texts."""
    hashes = {}
    package = project.name.replace("-", "_")
    for name in sorted(names):
        data = (project / name).read_bytes()
        if generic:
            for word in (package, package.replace("_", "-"), package.upper()):
                data = data.replace(word.encode(), b"<name>")
            data = b"".join(ANSWERED.sub(b"", data).split())  # a longer name breaks lines elsewhere
            name = name.replace(package, "<name>").replace(package.replace("_", "-"), "<name>")
        hashes[name] = hashlib.sha256(data).hexdigest()
    return hashlib.sha256(json.dumps(hashes, sort_keys=True).encode()).hexdigest()


def main(argv: list[str] | None = None) -> int:
    """Check the cases that are named, or all; return 1 if one fails."""
    parser = argparse.ArgumentParser(prog="projects", description=__doc__)
    parser.add_argument("case", nargs="*", help="names from tests/cases.toml; by default all")
    parser.add_argument("--record", action="store_true", help="keep the results, and leave out what is already proven")
    parser.add_argument("--without-machinery", action="store_true", help="leave out the machinery's own tests")
    arguments = parser.parse_args(argv)
    cases = load_cases()
    if unknown := set(arguments.case) - set(cases):
        parser.error(f"found {', '.join(sorted(unknown))}, expected some of {', '.join(cases)}")
    chosen = list(arguments.case or cases)
    rendered = {case: describe_case(case, cases[case]) for case in (cases if arguments.record else chosen)}
    owners = {made.machinery: case for case, made in reversed(rendered.items()) if case in chosen}
    stored = json.loads(DATA.read_text(encoding="utf-8")) if arguments.record and DATA.exists() else {}
    proof = start_proof(rendered, stored)
    rows = {
        "cases": [Pending(case, case, rendered[case].digest) for case in chosen],
        "machinery": [Pending(name, case, rendered[case].machinery_digest) for name, case in owners.items()],
    }
    if arguments.without_machinery:
        rows["machinery"] = []
    at_a_time = {"cases": os.cpu_count() or 1, "machinery": 1}  # the machinery's tests use all cores themselves
    failed, ran = [], 0
    for kind, sessions in COLUMNS.items():
        pending = [row for row in rows[kind] if not is_current(proof[kind].get(row.name), row.digest, sessions)]
        for number, (name, outcome) in enumerate(prove_all(pending, sessions, at_a_time[kind]), start=1):
            proof[kind].pop(name, None)
            try:
                proof[kind][name] = outcome.result()
            except (FailedHookException, ProofError) as error:
                failed.append(f"{kind}: {name}: {error}")
            print(f"== {kind}: {name} ended ({number} of {len(pending)})", flush=True)
            if arguments.record:
                write_proof(proof, COLUMNS)
        ran += len(pending)
    if arguments.record:
        write_proof(proof, COLUMNS)
    print("\n".join(failed) or f"{ran} proofs ran, and all their sessions passed", flush=True)
    return bool(failed)


def start_proof(rendered: Mapping[str, Rendered], stored: Record) -> Record:
    """Return what is known already of cases and machinery that still exist."""
    cases = {
        case: {"digest": it.digest, "python": it.python, "machinery": it.machinery} for case, it in rendered.items()
    }
    machinery = {it.machinery: {"digest": it.machinery_digest, "python": it.python} for it in rendered.values()}
    now = {"cases": cases, "machinery": machinery}
    known = {
        kind: {name: stored.get(kind, {})[name] for name in now[kind] if name in stored.get(kind, {})} for kind in now
    }
    return {"versions": describe_versions(), "rendered": now, **known}


if __name__ == "__main__":
    raise SystemExit(main())
