"""The locks: complete, with hashes, without an address, and one version of each package."""

import re
import runpy
import shutil
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
APART = ("extra", "notebooks", "update")  # in environments of their own, or only where they are asked for
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
