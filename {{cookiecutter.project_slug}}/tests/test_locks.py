"""The locks: complete, with hashes, without an address, and one version of each package."""

import re
import tomllib
from pathlib import Path

import pytest

from .sandbox import ROOT

LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
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


@pytest.mark.parametrize(
    ("package", "extra", "lock"),
    [("predict", "", "predict"), ("predict", "batch", "batch"), ("train", "", "train"), ("train", "", "dev")],
)
def test_lock_holds_what_the_package_declares(package: str, extra: str, lock: str) -> None:
    project = tomllib.loads((ROOT / "packages" / package / "pyproject.toml").read_text())["project"]
    declared = project["dependencies"] + project.get("optional-dependencies", {}).get(extra, [])
    names = {re.split(r"[^a-z0-9._-]", line.lower())[0] for line in declared}
    ours = {f"{{ cookiecutter.__distribution }}-{name}" for name in ("predict", "train")}
    assert names - ours <= set(read_pins(ROOT / "requirements" / f"{lock}.txt"))
