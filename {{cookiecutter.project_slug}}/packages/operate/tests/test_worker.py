"""The worker runs the configured command for a job, and records its exit code and the end of its output."""

import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from {{ cookiecutter.__package_name }}_operate.retraining.worker import Worker
from {{ cookiecutter.__package_name }}_predict.settings import PREFIX
from {{ cookiecutter.__package_name }}_records.job_queue import Job, Queue
from {{ cookiecutter.__package_name }}_records.settings import Jobs

RunJob = Callable[..., Job]


@pytest.fixture
def run_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunJob:
    """Return a function that has a worker run one job, and returns what became of it."""
    monkeypatch.chdir(tmp_path)

    def run(*command: str, seconds: float = 60) -> Job:
        url = f"sqlite:///{tmp_path}/queue.db"
        worker, queue = Worker(Jobs(queue=url, command=list(command), seconds=seconds)), Queue(url)
        worker.run_job(queue.request("request", "a test"))
        worker.close()
        (identity,) = [task.id for task in queue.huey.pending()]
        found = queue.find(identity)
        queue.close()
        assert found is not None
        return found

    return run


@pytest.mark.parametrize(
    ("program", "code", "output", "detail"),
    [
        ("import sys; print('no data'); sys.exit(3)", 3, "no data\n", "the command failed; see the end of its output"),
        ("for i in range(1000): print(i)", 0, "800\n", ""),
        ("print('x' * 5000)", 0, "x" * 500, ""),
        (r"import sys; sys.stdout.buffer.write(b'\xff\n')", 0, "�\n", ""),
        ("import os; print([n for n in os.environ if os.environ[n] == 'a-secret'])", 0, "[]\n", ""),
    ],
)
def test_job_keeps_code_and_end_of_the_output(
    program: str, code: int, output: str, detail: str, run_job: RunJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SERVICE__RETRAIN_TOKEN", "PREDICTION_LOG__URL", "JOBS__QUEUE"):
        monkeypatch.setenv(PREFIX + name, "a-secret")
    job = run_job("python", "-c", program)
    assert job.state == ("failed" if code else "succeeded")
    assert job.exit_code == code
    assert job.output.startswith(output)
    assert job.detail.startswith(detail)
    assert len(job.output) < 110_000


def test_programs_beside_the_workers_own_are_found(
    run_job: RunJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    job = run_job(Path(sys.executable).name, "-c", "print('found')")
    assert (job.state, job.output) == ("succeeded", "found\n")


def test_reason_of_the_request_is_passed_to_the_command(run_job: RunJob) -> None:
    job = run_job("python", "-c", "import sys; print(sys.argv[1:])", "--reason", "{reason}")
    assert job.output == "['--reason', 'a test (request request)']\n"


def test_command_that_is_not_there_fails_the_job(run_job: RunJob) -> None:
    job = run_job("no-such-program")
    assert (job.state, job.exit_code) == ("failed", None)
    assert job.detail == "the command cannot be run (No such file or directory); correct jobs.command"


def test_command_that_takes_too_long_is_ended_with_all_that_it_started(run_job: RunJob, tmp_path: Path) -> None:
    program = (
        "import pathlib, subprocess, sys, time;"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
        "pathlib.Path('child').write_text(str(child.pid)); time.sleep(600)"
    )
    job = run_job("python", "-c", program, seconds=2)
    assert job.state == "failed"
    assert job.detail == "the command was stopped after 2 seconds (jobs.seconds)"
    assert not psutil.pid_exists(int((tmp_path / "child").read_text()))
