"""Retraining that is killed at any moment leaves everything sound, and the next run ends well."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from {{ cookiecutter.__package_name }}_predict import Model
from {{ cookiecutter.__package_name }}_predict.cli import main

from machinery.sandbox import PROGRAM, commit, environment, run_in, write_source

KILLS = 30
LIVE = Path("var/live/model.onnx")


def configure_release(project: Path) -> None:
    """Have retraining promote and release."""
    path = project / "config" / "default.yaml"
    content = yaml.safe_load(path.read_text())
    content["lifecycle"]["retraining"] = {"stage": "production", "release": True}
    path.write_text(yaml.safe_dump(content))
    commit(project, "Configure")


def add_data(project: Path, seed: int) -> None:
    """Commit other rows at the source."""
    write_source(project, seed=seed)
    commit(project, f"Data {seed}")


@pytest.mark.skipif(os.name == "nt", reason="there are no process groups to kill")
def test_retraining_that_is_killed_leaves_all_sound_and_the_next_one_ends_well(trained: Path) -> None:
    rng = random.Random(0)  # noqa: S311  # no secret
    configure_release(trained)
    began = time.monotonic()
    add_data(trained, seed=100)
    run_in(trained, PROGRAM, "retrain", "--push")
    whole = time.monotonic() - began
    landed = 0
    for turn in range(KILLS):
        add_data(trained, seed=200 + turn)
        live = LIVE.read_bytes()
        head = run_in(trained, "git", "rev-parse", "HEAD").strip()
        process = subprocess.Popen(
            [sys.executable, "-m", main.__module__.partition(".")[0], "retrain", "--push"],
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(rng.uniform(0, whole))
        if turn % 2:
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        landed += assert_sound(live, head)
        run_in(trained, PROGRAM, "retrain", "--push")
        assert run_in(trained, "git", "status", "--porcelain") == ""
        assert run_in(trained, "git", "for-each-ref", "refs/retraining") == ""
        pushed = f"{run_in(trained, 'git', 'rev-parse', 'HEAD').strip()}\trefs/heads/main"
        assert pushed in run_in(trained, "git", "ls-remote")
        assert "up to date" in run_in(trained, "dvc", "status")
        assert LIVE.read_bytes() == Path("models/model.onnx").read_bytes() != live
        assert list(Path(".git/retraining").glob("clone-*")) == []
    print(f"{KILLS} killed, {landed} of them after the new version had gone live")  # noqa: T201


def assert_sound(live: bytes, head: str) -> bool:
    """Make sure that production is as it was or wholly new, and git and DVC agree; return whether it is new."""
    run_in(Path(), "git", "fsck", "--no-dangling")
    assert run_in(Path(), "git", "status", "--porcelain") == ""
    now = run_in(Path(), "git", "rev-parse", "HEAD").strip()
    assert now == head or run_in(Path(), "git", "rev-parse", "HEAD~1").strip() == head
    Model.load(LIVE)
    tag = run_in(Path(), "git", "tag", "--sort=-creatordate").split()[0]
    run_in(Path(), PROGRAM, "lineage", tag.partition("@")[2] or "HEAD", "--json")
    found = LIVE.read_bytes()
    if found == live:
        return False
    assert Model.load(LIVE).version in run_in(Path(), PROGRAM, "lineage", "HEAD", "--json")
    return True
