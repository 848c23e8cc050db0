"""The lineage's hashes are those that DVC records, of files and of folders."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from {{ cookiecutter.__package_name }}_pipeline.lineage import hash_path


def test_hashes_are_those_of_dvc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("code/b.py", "code/a/c.py", "code/__pycache__/b.pyc", "code/ä.txt", "file.csv"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(name)
    Path(".dvcignore").write_text("__pycache__\n")
    stage = {"cmd": "echo done", "deps": ["code", "file.csv"]}
    Path("dvc.yaml").write_text(yaml.safe_dump({"stages": {"stage": stage}}))
    for command in (["init", "--no-scm", "--quiet"], ["repro", "--quiet"]):
        subprocess.run([sys.executable, "-m", "dvc", *command], check=True)
    recorded = yaml.safe_load(Path("dvc.lock").read_text())["stages"]["stage"]["deps"]
    assert {dep["path"]: dep["md5"] for dep in recorded} == {name: hash_path(Path(name)) for name in stage["deps"]}
    with pytest.raises(FileNotFoundError, match="nothing does not exist"):
        hash_path(Path("nothing"))
