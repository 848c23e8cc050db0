"""The locks: complete, with hashes, without an address, and one version of each package."""

import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from .sandbox import run_in
from .small_config import ROOT

LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
SCRIPT = runpy.run_path(str(ROOT / "requirements" / "lock.py"))
APART = (
    "audit",
    "batch-ray",
    "extra",
    "notebooks",
    "update",
)  # in environments of their own, or only where they are asked for
INSTALLED = [lock for lock in LOCKS if not lock.stem.startswith(APART)]
PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)==(\S+)", flags=re.MULTILINE)


def read_pins(lock: Path) -> dict[str, str]:
    """Return the version of each package in a lock."""
    return dict(PIN.findall(lock.read_text()))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_lock_pins_every_package_with_hashes_and_names_no_address(lock: Path) -> None:
    entries = re.sub(r"\\\n\s*", " ", lock.read_text()).splitlines()
    entries = [entry for entry in entries if not entry.startswith("#")]
    assert entries
    for entry in entries:
        assert PIN.match(entry)
        assert "--hash=sha256:" in entry
    assert "://" not in lock.read_text()


def test_locks_agree_on_one_version() -> None:
    versions: dict[str, set[str]] = {}
    for lock in LOCKS:
        if lock.stem != "nox":
            for name, version in read_pins(lock).items():
                versions.setdefault(name, set()).add(version)
    assert {name: found for name, found in versions.items() if len(found) > 1} == {}


def read_source(role: str) -> list[str]:
    """Return what is asked for in the sources of a lock."""
    found: list[str] = SCRIPT["list_requirements"](SCRIPT["list_roles"]()[role])
    return found


def find_needed(requirements: list[str]) -> set[str]:
    """Return the names of all packages that requirements lead to on this machine, by what is installed."""
    needed: set[tuple[str, str]] = set()
    left = [Requirement(line) for line in requirements]
    while left:
        requirement = left.pop()
        for wanted in {(canonicalize_name(requirement.name), extra) for extra in ("", *requirement.extras)} - needed:
            needed.add(wanted)
            try:
                further = map(Requirement, metadata.requires(wanted[0]) or [])
            except metadata.PackageNotFoundError:
                continue  # for another platform, or not a part of this environment
            left += [line for line in further if line.marker is None or line.marker.evaluate({"extra": wanted[1]})]
    return {name for name, _ in needed}


def test_each_lock_has_its_source() -> None:
    assert {lock.stem for lock in LOCKS} == set(SCRIPT["list_roles"]())


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_lock_holds_what_its_source_asks_for(lock: Path) -> None:
    pins = read_pins(lock)
    for requirement in map(Requirement, read_source(lock.stem)):
        name = canonicalize_name(requirement.name)
        assert name in pins, f"{lock.name} lacks {name}; run python3 bootstrap.py lock"
        assert pins[name] in requirement.specifier, f"{lock.name} is not {requirement}; run python3 bootstrap.py lock"


@pytest.mark.parametrize("lock", INSTALLED, ids=lambda lock: lock.stem)
def test_lock_holds_nothing_else(lock: Path) -> None:
    everywhere = re.findall(rf"{PIN.pattern} \\$", lock.read_text(), flags=re.MULTILINE)  # whatever the platform
    assert everywhere
    needed = find_needed(read_source(lock.stem))
    assert {name for name, _ in everywhere} - needed == set(), "run python3 bootstrap.py lock"


def test_lock_without_a_hash_is_not_installed(tmp_path: Path) -> None:
    shutil.copy(ROOT / "noxfile.py", tmp_path)
    shutil.copy(ROOT / ".python-version", tmp_path)
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "dev.txt").write_text("packaging==26.0\n")
    refused = run_in(tmp_path, "nox", "--sessions", "types", code=1)
    assert "all requirements must have a hash" in refused


def test_versions_that_results_depend_on_are_those_of_the_locks() -> None:
    versions = yaml.safe_load((ROOT / "requirements" / "versions.yaml").read_text())
    pins = {**read_pins(ROOT / "requirements" / "extra-xgboost.txt"), **read_pins(ROOT / "requirements" / "train.txt")}
    assert versions == {name: pins[name] for name in SCRIPT["MATTERS"]}, "run python3 bootstrap.py lock"


@pytest.fixture
def audit(tmp_path: Path) -> Callable[..., tuple[int, str]]:
    """Return a function that audits the locks by what a stand-in for pip-audit prints, and gives what is written."""

    def run(answer: str) -> tuple[int, str]:
        (tmp_path / "pip_audit.py").write_text(f"print({answer!r})")
        environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
        command = [sys.executable, str(ROOT / "requirements" / "audit.py"), str(tmp_path / "audit.md")]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.stdout in (tmp_path / "audit.md").read_text()
        return done.returncode, done.stdout

    return run


def test_audit_names_vulnerabilities_and_fails(audit: Callable[..., tuple[int, str]]) -> None:
    vulnerability = {"id": "PYSEC-1", "fix_versions": ["2.0.1"]}
    package = {"name": "numpy", "version": "2.0.0", "vulns": [vulnerability]}
    code, said = audit(json.dumps({"dependencies": [package]}))
    assert code == 1
    assert "- numpy 2.0.0: PYSEC-1, fixed in 2.0.1" in said


def test_audit_that_could_look_nothing_up_does_not_say_that_there_is_nothing(
    audit: Callable[..., tuple[int, str]],
) -> None:
    skipped = {"name": "numpy", "skip_reason": "no such page"}
    for answer, reason in ((json.dumps({"dependencies": [skipped]}), "no such page"), ("", "pip-audit gave no result")):
        code, said = audit(answer)
        assert code == 0
        assert said.startswith("- **not checked**: ")
        assert reason in said
        assert "none" not in said


def test_audit_says_that_there_is_nothing_if_all_was_looked_up(audit: Callable[..., tuple[int, str]]) -> None:
    names = {name for lock in LOCKS for name in read_pins(lock)}
    code, said = audit(json.dumps({"dependencies": [{"name": name, "vulns": []} for name in names]}))
    assert code == 0
    assert re.match(r"- none in \d+ packages", said)


def test_source_of_one_line_is_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "remote-s3.in").write_text("dvc[s3]\n# a comment\n\n")
    monkeypatch.setitem(SCRIPT["list_requirements"].__globals__, "LOCKS", tmp_path)
    assert SCRIPT["list_requirements"](["remote-s3.in"]) == ["dvc[s3]"]
