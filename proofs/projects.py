"""Render cases, and run their projects' own sessions on them; nothing is fixed in between.

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
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from cookiecutter.exceptions import FailedHookException

from tests.cases import load_cases
from tests.conftest import ROOT, bake, list_files

from .page import DATA, Record, Result, describe_versions, write_proof

FOLDER = ROOT / ".nox" / "projects"
COLUMNS = {
    "cases": ("lint", "types", "tests", "repro", "predict", "notebooks", "compare"),
    "machinery": ("machinery", "engines", "pre-commit"),
}
HAVE_TESTS = ("tests", "machinery", "engines")
LINUX_ONLY = ("engines",)  # its servers are installed easily there alone
RENDERING = threading.Lock()  # cookiecutter keeps state of its own
FOREIGN = ("NOX_CURRENT_SESSION", "UV_PROJECT_ENVIRONMENT", "UV_PYTHON", "VIRTUAL_ENV")
# what answers change without a difference to the machinery: texts, the team's own files, the kind of storage
NO_MACHINERY = re.compile(
    r"README.md|LICENSE|AGENTS.md|\.dvc/config|\.python-version|requirements/remote-.*"
    r"|config/.*|data/.*|notebooks/.*|packages/train/.*|params.yaml|schema.yaml|tests/.*"
)
ANSWERED = re.compile(rb"^(description|license|authors) = .*$", re.MULTILINE)  # in a pyproject.toml


class ProofError(Exception):
    """A session of a project has failed, or has not run all its tests."""


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


def is_current(record: Record | None, digest: str, sessions: tuple[str, ...]) -> bool:
    """Return whether a record speaks of files as they are rendered now, and of every session that runs here."""
    wanted = {name for name in sessions if runs_here(name)}
    return record is not None and record["digest"] == digest and wanted <= set(record["sessions"])


def runs_here(session: str) -> bool:
    """Return whether this system can run a session."""
    return sys.platform == "linux" or session not in LINUX_ONLY


def render(case: str, answers: Mapping[str, str]) -> Path:
    """Render a case anew, and return its project."""
    shutil.rmtree(FOLDER / case, ignore_errors=True)
    with RENDERING:
        return bake(FOLDER / case, **answers)


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


def run_session(project: Path, name: str) -> Result:
    """Run a session as the project's user would, through its bootstrap; see that none of its tests was skipped."""
    if name == "pre-commit":
        return run_hooks(project)
    has_tests = name in HAVE_TESTS and (name != "engines" or bool(list(project.glob("packages/*/tests/engines"))))
    report = project.parent / "junit.xml"
    report.unlink(missing_ok=True)
    arguments = ["--", "HEAD"] if name == "compare" else []
    if name == "compare":
        commit(project, "Train")
    began = time.perf_counter()
    environment = {"PYTEST_ADDOPTS": f"--junitxml={report}"} if has_tests else {}
    run(project, sys.executable, "bootstrap.py", name, *arguments, environment=environment)
    seconds = time.perf_counter() - began
    return Result(round(seconds, 1), count_tests(report, name) if has_tests else 0)


def count_tests(report: Path, name: str) -> int:
    """Return the number of tests that a report of JUnit's format counts, all of which have passed.

    Raises:
        ProofError: there is no report, there are no tests, or some were skipped.
    """
    if not report.exists():
        raise ProofError(f"{name}: found no report, expected one of its tests")
    (suite,) = ElementTree.parse(report).getroot().iter("testsuite")  # noqa: S314  # pytest has just written it
    counts = {kind: int(suite.attrib[kind]) for kind in ("tests", "skipped", "errors", "failures")}
    if not counts["tests"] or counts["skipped"] + counts["errors"] + counts["failures"]:
        raise ProofError(f"{name}: found {counts}, expected tests that all run")
    return counts["tests"]


def run_hooks(project: Path) -> Result:
    """Run the hooks that a commit would; see that none is skipped, as all are where git knows no file."""
    run(project, "git", "add", "--all")
    began = time.perf_counter()
    if "Skipped" in run(project, str(find_programs(project) / "pre-commit"), "run", "--all-files"):
        raise ProofError("pre-commit: a hook was skipped, expected all to run")
    return Result(round(time.perf_counter() - began, 1), 0)


def commit(project: Path, message: str) -> None:
    """Commit all that is in a folder."""
    run(project, "git", "add", "--all")
    run(project, "git", "-c", "user.name=T", "-c", "user.email=t@example.com", "commit", "-qm", message)


def find_programs(project: Path, environment: str = ".venv") -> Path:
    """Return the folder of the programs in an environment of a project."""
    return project / environment / ("Scripts" if os.name == "nt" else "bin")


def run(project: Path, *command: str, environment: Mapping[str, str] | None = None) -> str:
    """Run a command in a project, in a clean environment, show what it prints, and return its output.

    Raises:
        ProofError: it has failed.
    """
    printed = []
    environment = {**clean_environment(), **(environment or {})}
    with subprocess.Popen(
        command, cwd=project, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(f"{project.parent.name} | {line}", end="", flush=True)
            printed.append(line)
    if process.returncode:
        raise ProofError(f"{' '.join(command)} ended with exit code {process.returncode}")
    return "".join(printed)


def clean_environment() -> dict[str, str]:
    """Return the environment without what belongs to the session that runs here."""
    return {name: value for name, value in os.environ.items() if name not in FOREIGN}


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
    pending = [("cases", case, case, rendered[case].digest) for case in chosen]
    if not arguments.without_machinery:
        pending += [("machinery", name, case, rendered[case].machinery_digest) for name, case in owners.items()]
    pending = [item for item in pending if not is_current(proof[item[0]].get(item[1]), item[3], COLUMNS[item[0]])]
    failed = []
    for kind, at_a_time in (("cases", os.cpu_count() or 1), ("machinery", 1)):  # the latter uses all cores itself
        pool = ThreadPoolExecutor(at_a_time)
        try:
            runs = {
                pool.submit(prove, case, cases[case], COLUMNS[kind], digest): name
                for of_kind, name, case, digest in pending
                if of_kind == kind
            }
            for number, finished in enumerate(as_completed(runs), start=1):
                name = runs[finished]
                try:
                    proof[kind][name] = finished.result()
                except (FailedHookException, ProofError) as error:
                    failed.append(f"{kind}: {name}: {error}")
                    proof[kind].pop(name, None)
                print(f"== {kind}: {name} ended ({number} of {len(runs)})", flush=True)
                if arguments.record:
                    write_proof(proof, COLUMNS)
        finally:
            pool.shutdown(cancel_futures=True)
    if arguments.record:
        write_proof(proof, COLUMNS)
    print("\n".join(failed) or f"{len(pending)} proofs ran, and all their sessions passed", flush=True)
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
