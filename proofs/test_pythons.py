"""Each supported Python, in a folder of its own, makes the same model files: the sample, and all kinds of fields."""

import hashlib
import json
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

from .sessions import find_programs, render, run

PYTHONS = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))["_choices"]["python_version"]


@pytest.fixture(scope="module")
def hashes() -> dict[str, tuple[str, str]]:
    """Return the hashes of two models for each Python: the sample's, and one of a date and 1,000 shops."""
    found: dict[str, tuple[str, str]] = {}
    for threads, version in enumerate(PYTHONS, start=1):
        project = render(f"python-{version}", {})
        environment = {"UV_PYTHON": version, "OMP_NUM_THREADS": str(threads)}
        run(project, sys.executable, "bootstrap.py", "repro", environment=environment)
        python, orders = str(find_programs(project) / "python"), project.parent / "orders.onnx"
        assert version in run(project, python, "--version")
        run(project, python, str(ROOT / "benchmarks" / "orders.py"), str(orders), environment=environment)
        sample = project / "models" / "model.onnx"
        found[version] = (digest(sample), digest(orders))
    return found


def digest(path: Path) -> str:
    """Return the hash of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("model", [0, 1], ids=["sample", "orders"])
def test_each_python_makes_the_same_model(hashes: dict[str, tuple[str, str]], model: int) -> None:
    assert len(hashes) == 3
    assert len({found[model] for found in hashes.values()}) == 1, hashes
