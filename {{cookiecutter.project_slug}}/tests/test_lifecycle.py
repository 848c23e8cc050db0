"""The life of a model from the outside: the page, schedules and workflows, whose commands run; runs that are killed."""

import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from {{ cookiecutter.__package_name }}_predict import Contract, Model

from .sandbox import ENVIRONMENT, ROOT, TRAIN, make_rows, retrain_weakly, run_in
from .test_documents import read_commands

KILLS = int(os.environ.get("KILLS", "1"))
LIVE = Path("var/live/model.onnx")
SOURCE = Path("data/made/rows.csv")


@pytest.fixture
def trained(reproduced: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a project whose model is committed, and which has a git remote; return its folder."""
    project = tmp_path / "project"
    shutil.copytree(reproduced, project)
    run_in(project, "git", "add", ".")
    run_in(project, "git", "commit", "--quiet", "--no-verify", "--message", "Train")
    run_in(tmp_path, "git", "init", "--quiet", "--bare", "--initial-branch=main", "origin.git")
    run_in(project, "git", "remote", "add", "origin", str(tmp_path / "origin.git"))
    run_in(project, "git", "push", "--quiet", "origin", "main")
    monkeypatch.chdir(project)
    return project


def add_data(contract: Contract, seed: int) -> None:
    """Commit other rows at the source."""
    make_rows(contract, seed=seed).to_csv(SOURCE, index=False)
    run_in(Path(), "git", "commit", "--quiet", "--no-verify", "--all", "--message", f"Data {seed}")


def configure(**keys: object) -> None:
    """Set and commit keys of the section on retraining."""
    path = Path("config/default.yaml")
    content = yaml.safe_load(path.read_text())
    content["lifecycle"]["retraining"] |= keys
    path.write_text(yaml.safe_dump(content))
    run_in(Path(), "git", "commit", "--quiet", "--no-verify", "--all", "--message", "Configure")


def read_tags() -> list[str]:
    """Return the names of the tags."""
    return run_in(Path(), "git", "tag").split()


def test_commands_of_the_page_run_in_their_order(trained: Path) -> None:
    first = [command for command in read_commands("README.md") if command[0] == TRAIN]
    for command in (*first, *read_commands("docs/models.md")):
        if "rollback" in command:
            retrain_weakly(trained)
            run_in(trained, TRAIN, "register", "--reason", "x")
            run_in(trained, TRAIN, "promote", "v0.2.0", "--reason", "x", "--force")
        printed = run_in(trained, *command, code=None if "drift" in command else 0)  # the sample is not what was made
        assert ("rolled back to v0.1.0" in printed) == ("rollback" in command)
    assert LIVE.exists()


def test_schedules_run_the_commands_that_exist(trained: Path) -> None:
    name = TRAIN.removesuffix("-train")
    run_in(trained, TRAIN, "register", "--reason", "x")
    run_in(trained, TRAIN, "promote", "v0.1.0", "--reason", "x")
    run_in(trained, TRAIN, "release")
    lines = [line for line in Path("deploy/crontab").read_text().splitlines() if re.match(r"[\d*]", line)]
    commands = [line.split(maxsplit=5)[5].replace(f"/srv/{name}", str(trained)) for line in lines]
    for timer in Path("deploy").glob("*.timer"):
        service, _, instance = timer.stem.partition("@")
        unit = Path(f"deploy/{service}{'@' if instance else ''}.service").read_text()
        (start,) = re.findall("^ExecStart=(.*)$", unit, flags=re.MULTILINE)
        settings = re.findall("^Environment=(?!PATH)(.*)$", unit, flags=re.MULTILINE)
        commands.append(" ".join([*settings, start.replace(f"/srv/{name}/.venv/bin/", "").replace("%i", instance)]))
    assert len(commands) >= 5
    for command in commands:
        done = subprocess.run(command, shell=True, env=ENVIRONMENT, capture_output=True, text=True, check=False)  # noqa: S602
        assert done.returncode in (0, 3) or "no prediction log" in done.stderr, done.stderr
    assert Path("build/scored.parquet").exists()


def read_steps(workflow: str) -> list[dict[str, object]]:
    """Return the steps of a workflow that run something."""
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / workflow).read_text())["jobs"]
    return [step for job in jobs.values() for step in job["steps"] if "run" in step]


def run_step(step: dict[str, object], **variables: str) -> str:
    """Run the command of a step; a session `train` passes it on as it is."""
    text = re.sub(r"\$(\w+)", lambda found: variables[found[1]], str(step["run"]))
    program, script, session, dashes, *arguments = shlex.split(text)
    assert [program, script, session, dashes] == ["python", "bootstrap.py", "train", "--"]
    return run_in(Path(), TRAIN, *arguments)


def test_workflows_retrain_in_a_clone_and_release_what_was_promoted(
    trained: Path, contract: Contract, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_data(contract, seed=1)
    run_in(trained, "git", "push", "--quiet", "origin", "main")
    for name in ("runner", "releaser"):
        run_in(tmp_path, "git", "clone", "--quiet", "origin.git", name)
        shutil.copy(trained / ".dvc" / "config.local", tmp_path / name / ".dvc")
    monkeypatch.chdir(tmp_path / "runner")
    output = tmp_path / "output"
    for variable in ("AUTHOR", "COMMITTER"):
        monkeypatch.setitem(ENVIRONMENT, f"GIT_{variable}_NAME", "somebody")
        monkeypatch.setitem(ENVIRONMENT, f"GIT_{variable}_EMAIL", "1+somebody@users.noreply.github.com")
    monkeypatch.setitem(ENVIRONMENT, "GITHUB_OUTPUT", str(output))
    retrain, pull, issue, other = read_steps("retrain.yml")
    run_step(retrain, REASON="on schedule")
    assert output.read_text() == "branch=retraining/v0.1.0\nversion=v0.1.0\n"
    assert "refs/heads/retraining/v0.1.0" in run_in(trained, "git", "ls-remote", "origin")
    for step in (pull, issue):
        program, *arguments = shlex.split(str(step["run"]))
        assert (program, Path(arguments[-1]).exists()) == ("gh", True)
    assert str(other["if"]) == str(issue["if"]).replace("failure() && ", "failure() && !(", 1) + ")"
    monkeypatch.chdir(trained)
    run_in(trained, "git", "pull", "--quiet", "--tags", "origin", "retraining/v0.1.0")
    run_in(trained, TRAIN, "promote", "v0.1.0", "--reason", "the pull request was merged", "--push")
    monkeypatch.chdir(tmp_path / "releaser")
    run_in(Path(), "git", "fetch", "--quiet", "--tags")
    (release,) = read_steps("release.yml")
    run_step(release)
    run_in(trained, "dvc", "pull")
    assert Model.load(LIVE).version == Model.load(trained / "models" / "model.onnx").version


@pytest.mark.skipif(os.name == "nt", reason="there are no process groups to kill")
def test_retraining_that_is_killed_leaves_all_sound_and_the_next_one_ends_well(
    trained: Path, contract: Contract
) -> None:
    rng = random.Random(0)  # noqa: S311  # no secret
    configure(stage="production", release=True)
    began = time.monotonic()
    add_data(contract, seed=100)
    run_in(trained, TRAIN, "retrain", "--push")
    whole = time.monotonic() - began
    landed = 0
    for turn in range(KILLS):
        add_data(contract, seed=turn)
        live = LIVE.read_bytes()
        head = run_in(trained, "git", "rev-parse", "HEAD").strip()
        process = subprocess.Popen(
            [sys.executable, "-m", TRAIN.replace("-", "_"), "retrain", "--push"],
            env=ENVIRONMENT,
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
        run_in(trained, TRAIN, "retrain", "--push")
        assert run_in(trained, "git", "status", "--porcelain") == ""
        assert run_in(trained, "git", "for-each-ref", "refs/retraining") == ""
        assert f"{run_in(trained, 'git', 'rev-parse', 'HEAD').strip()}\trefs/heads/main" in run_in(
            trained, "git", "ls-remote"
        )
        assert "up to date" in run_in(trained, "dvc", "status")
        assert LIVE.read_bytes() == Path("models/model.onnx").read_bytes() != live
        assert list(Path(".git/retraining").glob("scratch-*")) == []
    print(f"{KILLS} killed, {landed} of them after the new version had gone live")  # noqa: T201


def assert_sound(live: bytes, head: str) -> bool:
    """Make sure that production is as it was or wholly new, and git and DVC agree; return whether it is new."""
    run_in(Path(), "git", "fsck", "--no-dangling")
    assert run_in(Path(), "git", "status", "--porcelain") == ""
    now = run_in(Path(), "git", "rev-parse", "HEAD").strip()
    assert now == head or run_in(Path(), "git", "rev-parse", "HEAD~1").strip() == head
    Model.load(LIVE)
    for tag in read_tags():
        run_in(Path(), TRAIN, "lineage", tag.partition("@")[2] or tag, "--json")
    found = LIVE.read_bytes()
    if found == live:
        return False
    assert Model.load(LIVE).version in run_in(Path(), TRAIN, "lineage", "HEAD", "--json")
    return True
