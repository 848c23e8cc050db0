"""Operation from the outside: the page, schedules and workflows, whose commands run on the real pipeline."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from {{ cookiecutter.__package_name }}_predict import Model

from .sandbox import PROGRAM, commit, environment, run_in, train_weakly, write_source
from .small_config import PATHS, ROOT
from .test_documents import OPERATION, read_commands

LIVE = Path("var/live/model.onnx")


def test_commands_of_the_page_run_in_their_order(trained: Path) -> None:
    first = [command for command in read_commands("README.md") if command[:2] in OPERATION]
    assert len(first) == len(OPERATION)
    for command in (*first, *read_commands("docs/models.md")):
        if "rollback" in command:
            train_weakly(trained)
            run_in(trained, PROGRAM, "register", "--reason", "x")
            run_in(trained, PROGRAM, "promote", "v0.2.0", "--reason", "x", "--force")
        printed = run_in(trained, *command, code=None if "drift" in command else 0)
        assert ("rolled back to v0.1.0" in printed) == ("rollback" in command)
    assert LIVE.exists()


def test_schedules_run_the_commands_that_exist(trained: Path) -> None:
    run_in(trained, PROGRAM, "register", "--reason", "x")
    run_in(trained, PROGRAM, "promote", "v0.1.0", "--reason", "x")
    run_in(trained, PROGRAM, "release")
    Path("var").mkdir(exist_ok=True)
    shutil.copy(PATHS["holdout"], "var/incoming.parquet")
    lines = [line for line in Path("deploy/crontab").read_text().splitlines() if re.match(r"[\d*]", line)]
    commands = [line.split(maxsplit=5)[5].replace(f"/srv/{PROGRAM}", str(trained)) for line in lines]
    for timer in Path("deploy").glob("*.timer"):
        service, _, instance = timer.stem.partition("@")
        unit = Path(f"deploy/{service}{'@' if instance else ''}.service").read_text()
        (start,) = re.findall("^ExecStart=(.*)$", unit, flags=re.MULTILINE)
        settings = re.findall("^Environment=(?!PATH)(.*)$", unit, flags=re.MULTILINE)
        commands.append(" ".join([*settings, start.replace(f"/srv/{PROGRAM}/.venv/bin/", "").replace("%i", instance)]))
    assert commands
    names = [command.partition(f"{PROGRAM} ")[2].split()[0] for command in commands]
    for command in dict(zip(names, commands, strict=True)).values():
        done = subprocess.run(  # noqa: S602  # as cron does
            command, shell=True, env=environment(), capture_output=True, text=True, check=False
        )
        assert done.returncode in (0, 3) or "no prediction log" in done.stderr, done.stderr
    assert Path("var/scored.parquet").exists()
    assert "drift" in run_in(trained, PROGRAM, "drift", "--job", "nightly", code=None).lower()


def test_units_start_commands_that_exist_and_may_write_where_they_must() -> None:
    units = [path.read_text() for path in (ROOT / "deploy").glob("*.service")]
    commands = {
        command for unit in units for command in re.findall(r"^ExecStart=\S+ ([a-z-]+)", unit, flags=re.MULTILINE)
    }
    assert "score" in commands
    for command in commands:
        assert "Usage" in run_in(ROOT, PROGRAM, command, "--help")
    assert all(f"ReadWritePaths=/srv/{PROGRAM}" in unit and "ProtectSystem=strict" in unit for unit in units)


def test_no_schedule_uses_the_data_of_training() -> None:
    texts = [path.read_text() for path in (ROOT / "deploy").iterdir()]
    assert not [text for text in texts if re.search(r"(score|--table) data/", text)]


def read_steps(workflow: str) -> list[dict[str, object]]:
    """Return the steps of a workflow that run something."""
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / workflow).read_text())["jobs"]
    return [step for job in jobs.values() for step in job["steps"] if "run" in step]


def find_step(workflow: str, text: str) -> dict[str, object]:
    """Return the step of a workflow whose command has a text."""
    (step,) = [step for step in read_steps(workflow) if text in str(step["run"])]
    return step


def run_step(step: dict[str, object], **variables: str) -> str:
    """Run the command of a step; the session `run` passes it on as it is."""
    text = re.sub(r"\$(\w+)", lambda found: variables[found[1]], str(step["run"]))
    program, script, session, dashes, *arguments = shlex.split(text)
    assert [program, script, session, dashes] == ["python", "bootstrap.py", "run", "--"]
    return run_in(Path(), PROGRAM, *arguments)


def test_workflows_retrain_in_a_clone_and_release_what_was_promoted(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_source(trained, seed=2)
    commit(trained, "New data")
    run_in(trained, "git", "push", "--quiet", "origin", "main")
    for name in ("runner", "releaser"):
        run_in(tmp_path, "git", "clone", "--quiet", "origin.git", name)
        shutil.copy(trained / ".dvc" / "config.local", tmp_path / name / ".dvc")
    monkeypatch.chdir(tmp_path / "runner")
    output = tmp_path / "output"
    for variable in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{variable}_NAME", "somebody")
        monkeypatch.setenv(f"GIT_{variable}_EMAIL", "1+somebody@users.noreply.github.com")
    monkeypatch.setenv("GITHUB_OUTPUT", str(output))
    run_step(find_step("retrain.yml", "bootstrap.py"), REASON="on schedule")
    assert output.read_text() == "branch=retraining/v0.1.0\nversion=v0.1.0\n"
    assert "refs/heads/retraining/v0.1.0" in run_in(trained, "git", "ls-remote", "origin")
    report = find_step("retrain.yml", "gh pr create"), find_step("retrain.yml", "Retraining failed")
    for step in report:
        assert Path(shlex.split(str(step["run"]))[-1]).exists()
    other = find_step("retrain.yml", "The workflow Retrain failed")
    assert str(other["if"]) == str(report[1]["if"]).replace("failure() && ", "failure() && !(", 1) + ")"
    monkeypatch.chdir(trained)
    run_in(trained, "git", "pull", "--quiet", "--tags", "origin", "retraining/v0.1.0")
    run_in(trained, PROGRAM, "promote", "v0.1.0", "--reason", "the pull request was merged", "--push")
    monkeypatch.chdir(tmp_path / "releaser")
    run_in(Path(), "git", "fetch", "--quiet", "--tags")
    run_step(find_step("release.yml", "run -- release"))
    run_in(trained, "dvc", "pull")
    assert Model.load(LIVE).version == Model.load(trained / "models" / "model.onnx").version
