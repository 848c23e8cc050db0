"""The template's own locks hold what their sources ask for, with hashes and without an address."""

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from .conftest import ROOT

LOCKS = sorted((ROOT / "requirements").glob("*.txt"))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_lock_holds_what_its_source_asks_for(lock: Path) -> None:
    pins = dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", lock.read_text(), flags=re.MULTILINE))
    wanted = [Requirement(line) for line in lock.with_suffix(".in").read_text().splitlines() if line[0] != "#"]
    assert wanted
    for requirement in wanted:
        name = canonicalize_name(requirement.name)
        assert name in pins, f"{lock.name} lacks {name}; run python3 bootstrap.py lock"
        assert pins[name] in requirement.specifier


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_every_line_of_a_lock_has_a_hash_and_no_address(lock: Path) -> None:
    entries = re.sub(r"\\\n\s*", " ", lock.read_text()).splitlines()
    assert all("--hash=sha256:" in entry for entry in entries if entry[0] != "#")
    assert "://" not in lock.read_text()
