"""The bootstrap: the same file in the template and in what it renders; it says what it needs."""

import os
import subprocess
import sys
from pathlib import Path

from .conftest import ROOT

TEMPLATE = ROOT / "{{cookiecutter.project_slug}}"


def test_bootstrap_of_an_old_python_says_what_it_needs() -> None:
    program = "import sys, runpy; sys.version_info = (3, 9); runpy.run_path('bootstrap.py', run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "expected 3.11 or newer" in done.stderr


def test_bootstrap_is_the_same_in_the_template_and_in_what_it_renders() -> None:
    assert (ROOT / "bootstrap.py").read_bytes() == (TEMPLATE / "bootstrap.py").read_bytes()
    for name in ("nox.in", "nox.txt"):
        assert (ROOT / "requirements" / name).read_bytes() == (TEMPLATE / "requirements" / name).read_bytes()


def test_bootstrap_without_the_network_says_so_and_tries_again(tmp_path: Path) -> None:
    (tmp_path / "requirements").mkdir()
    (tmp_path / "bootstrap.py").write_bytes((ROOT / "bootstrap.py").read_bytes())
    (tmp_path / "requirements" / "nox.txt").write_text("nox==1 --hash=sha256:" + "0" * 64 + "\n")
    environment = {**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path)}
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "bootstrap.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 1
        assert "nox.txt could not be installed; check the network" in done.stderr


def test_session_new_renders_where_it_is_told(tmp_path: Path) -> None:
    given = ("--no-input", "--default-config", "--output-dir", str(tmp_path), "project_name=Mine")
    command = [sys.executable, "-m", "nox", "--sessions", "new", "--", *given]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "mine" / "dvc.yaml").exists()
    assert "made mine; next: cd mine, then python3 bootstrap.py repro" in done.stdout + done.stderr
