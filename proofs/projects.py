"""Render cases, and run their projects' own sessions on them; nothing is mended in between.

`--record` keeps what came out in `docs/proof.json` and, as a table, in `docs/proof.md`. A case whose project has not
changed by a byte since it passed is not run again, and one that has changed is marked until it passes anew; where a
case fails, the others still run.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

from cookiecutter.exceptions import FailedHookException

from tests.cases import load_cases
from tests.conftest import ROOT, bake, list_files

from .page import DATA, Record, Result, describe_versions, write_proof

FOLDER = ROOT / ".nox" / "projects"
# sessions, and where they have tests
SESSIONS = {
    "lint": False,
    "types": False,
    "tests": True,
    "e2e": True,
    "engines": True,
    "repro": False,
    "predict": False,
    "notebooks": False,
    "compare": False,
}
LINUX_ONLY = {"engines"}  # its servers are installed easily there alone
COLUMNS = [*SESSIONS, "pre-commit"]
FOREIGN = ("NOX_CURRENT_SESSION", "UV_PROJECT_ENVIRONMENT", "UV_PYTHON", "VIRTUAL_ENV")


class ProofError(Exception):
    """A session of a project has failed, or has not run all its tests."""


def prove(case: str, answers: Mapping[str, str]) -> Record:
    """Render a case, run its sessions, and return what came out.

    Raises:
        ProofError: a session has failed.
    """
    digest = digest_files(project := render(case, answers))
    results = {name: run_session(project, name) for name in SESSIONS if runs_here(name)}
    results["pre-commit"] = run_hooks(project)
    python = run(project, str(find_programs(project) / "python"), "--version").split()[-1]
    shutil.rmtree(project.parent)
    return {"digest": digest, "python": python, "sessions": {name: list(result) for name, result in results.items()}}


def is_current(record: Record | None, digest: str) -> bool:
    """Return whether a record speaks of a case as it is rendered now, and of every session that runs here."""
    wanted = {name for name in COLUMNS if runs_here(name)}
    return record is not None and record["digest"] == digest and wanted <= set(record["sessions"])


def runs_here(session: str) -> bool:
    """Return whether this system can run a session."""
    return sys.platform == "linux" or session not in LINUX_ONLY


def render(case: str, answers: Mapping[str, str]) -> Path:
    """Render a case anew, and return its project."""
    shutil.rmtree(FOLDER / case, ignore_errors=True)
    return bake(FOLDER / case, **answers)


def digest_case(case: str, answers: Mapping[str, str]) -> str:
    """Return the digest of a case as it is rendered now."""
    digest = digest_files(project := render(case, answers))
    shutil.rmtree(project.parent)
    return digest


def digest_files(project: Path) -> str:
    """Return the SHA-256 of all files that were rendered, by their paths."""
    hashes = {name: hashlib.sha256((project / name).read_bytes()).hexdigest() for name in sorted(list_files(project))}
    return hashlib.sha256(json.dumps(hashes).encode()).hexdigest()


def run_session(project: Path, name: str) -> Result:
    """Run a session as the project's user would, through its bootstrap; see that none of its tests was skipped."""
    engines = list(project.glob("packages/predict/tests/service/engines"))
    has_tests = bool(engines) if name == "engines" else SESSIONS[name]
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
    """Run the hooks that a commit would."""
    began = time.perf_counter()
    run(project, str(find_programs(project) / "pre-commit"), "run", "--all-files")
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
    with subprocess.Popen(command, cwd=project, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
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
    arguments = parser.parse_args(argv)
    cases = load_cases()
    if unknown := set(arguments.case) - set(cases):
        parser.error(f"found {', '.join(sorted(unknown))}, expected some of {', '.join(cases)}")
    pending = list(arguments.case or cases)
    proof: Record = {"cases": {}}
    if arguments.record:
        stored = json.loads(DATA.read_text(encoding="utf-8"))["cases"] if DATA.exists() else {}
        rendered = {case: digest_case(case, answers) for case, answers in cases.items()}
        known = {case: stored[case] for case in cases if case in stored}
        proof = {"versions": describe_versions(), "rendered": rendered, "cases": known}
        pending = [case for case in pending if not is_current(known.get(case), rendered[case])]
        write_proof(proof, cases, COLUMNS)
    failed = []
    for number, case in enumerate(pending, start=1):
        print(f"== {case} ({number} of {len(pending)})", flush=True)
        try:
            proof["cases"][case] = prove(case, cases[case])
        except (FailedHookException, ProofError) as error:
            failed.append(f"{case}: {error}")
            proof["cases"].pop(case, None)
        if arguments.record:
            write_proof(proof, cases, COLUMNS)
    print("\n".join(failed) or f"{len(pending)} cases ran, and all their sessions passed", flush=True)
    return bool(failed)


if __name__ == "__main__":
    raise SystemExit(main())
