"""Render a case, and run its project's own sessions as its user would; nothing is fixed in between."""

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

from tests.conftest import ROOT, bake

from .page import Result

FOLDER = ROOT / ".nox" / "projects"
HAVE_TESTS = ("tests", "machinery", "engines")
LINUX_ONLY = ("engines",)  # its servers are installed easily there alone
FOREIGN = ("NOX_CURRENT_SESSION", "UV_PROJECT_ENVIRONMENT", "UV_PYTHON", "VIRTUAL_ENV")
RENDERING = threading.Lock()  # cookiecutter changes the working folder of the whole process


class ProofError(Exception):
    """A session of a project has failed, or has not run all its tests."""


def runs_here(session: str) -> bool:
    """Return whether this system can run a session."""
    return sys.platform == "linux" or session not in LINUX_ONLY


def render(case: str, answers: Mapping[str, str]) -> Path:
    """Render a case anew, and return its project."""
    shutil.rmtree(FOLDER / case, ignore_errors=True)
    with RENDERING:
        return bake(FOLDER / case, **answers)


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
