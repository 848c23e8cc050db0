"""Retraining on request: jobs on a queue, a worker that runs them; with SQLite, which needs no server."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from {{ cookiecutter.__package_name }}_predict.settings import PREFIX
from {{ cookiecutter.__package_name }}_records import job_queue
from {{ cookiecutter.__package_name }}_records.job_queue import Job, JsonSerializer, Queue

from .conftest import Serve, Start
from .queue_checks import check_jobs, command_of, state_of
from .running import ROW, TOKEN, Client, Process, wait_until

SECRET = f"{PREFIX}SERVICE__RETRAIN_TOKEN"


def test_jobs_are_queued_once_and_run_one_at_a_time(serve: Serve, start: Start, tmp_path: Path) -> None:
    service = serve(jobs={"command": command_of(tmp_path)})
    check_jobs(service, lambda: start("worker"), tmp_path)


def test_request_needs_the_token(serve: Serve) -> None:
    service = serve(secrets={"retrain_token": "the-token"})
    for headers, status in (
        ({}, 401),
        ({"Authorization": "Basic the-token"}, 401),
        ({"Authorization": "Bearer"}, 401),
        ({"Authorization": "Bearer development"}, 403),
        ({"Authorization": "Bearer the-toke"}, 403),
        ({"Authorization": "Bearer the-token"}, 202),
    ):
        assert service.post("/retrain", headers=headers).status_code == status
        assert service.get("/retrain/unknown", headers=headers).status_code == (404 if status == 202 else status)
    assert service.post("/retrain").headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        (b'{"reason": 1}', 422, "#/body/reason"),
        (b'{"reason": "' + b"x" * 201 + b'"}', 422, "#/body/reason"),
        (b'{"why": "x"}', 422, "#/body/why"),
        (b"[]", 422, "#/body"),
        (b"{", 400, "#/body/1"),
    ],
)
def test_request_of_another_shape_is_refused(body: bytes, status: int, pointer: str, service: Client) -> None:
    answer = service.post("/retrain", content=body, headers={**TOKEN, "Content-Type": "application/json"})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"][0]["pointer"] == pointer


def run_job(service: Client, worker: Process) -> dict[str, Any]:
    """Ask for a job, and return it when it has ended."""
    worker.wait_for("worker ready")
    job = service.post("/retrain", headers=TOKEN).json()["id"]
    wait_until(lambda: state_of(service, job) in ("succeeded", "failed"))
    found: dict[str, Any] = service.get(f"/retrain/{job}", headers=TOKEN).json()
    return found


@pytest.mark.parametrize(
    ("program", "code", "output", "detail"),
    [
        ("import sys; print('no data'); sys.exit(3)", 3, "no data\n", "the command failed; the end of its output says"),
        ("for i in range(1000): print(i)", 0, "800\n", ""),
        ("print('x' * 5000)", 0, "x" * 500, ""),
        (r"import sys; sys.stdout.buffer.write(b'\xff\n')", 0, "�\n", ""),
        ("import os; print(sorted(n for n in os.environ if 'TOKEN' in n))", 0, "[]\n", ""),
    ],
)
def test_job_keeps_code_and_end_of_the_output(
    program: str, code: int, output: str, detail: str, serve: Serve, start: Start
) -> None:
    service = serve(jobs={"command": ["python", "-c", program]})
    job = run_job(service, start("worker", environment={SECRET: "development"}))
    assert job["state"] == ("failed" if code else "succeeded")
    assert job["exit_code"] == code
    assert job["output"].startswith(output)
    assert job["detail"].startswith(detail)
    assert len(job["output"]) < 110_000


def test_programs_beside_the_workers_own_are_found(serve: Serve, start: Start, tmp_path: Path) -> None:
    service = serve(jobs={"command": [Path(sys.executable).name, "-c", "print('found')"]})
    job = run_job(service, start("worker", environment={"PATH": str(tmp_path)}))
    assert (job["state"], job["output"]) == ("succeeded", "found\n")


def test_command_that_is_not_there_fails_the_job(serve: Serve, start: Start) -> None:
    service = serve(jobs={"command": ["no-such-program"]})
    job = run_job(service, start("worker"))
    assert (job["state"], job["exit_code"]) == ("failed", None)
    assert job["detail"] == "the command cannot be run (No such file or directory); correct jobs.command"


def test_command_that_takes_too_long_is_ended_with_all_that_it_started(
    serve: Serve, start: Start, tmp_path: Path
) -> None:
    program = (
        "import pathlib, subprocess, sys, time;"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
        "pathlib.Path('child').write_text(str(child.pid)); time.sleep(600)"
    )
    service = serve(jobs={"command": ["python", "-c", program], "seconds": 5})
    job = run_job(service, start("worker"))
    assert job["state"] == "failed"
    assert job["detail"] == "the command was ended after 5 seconds (jobs.seconds)"
    assert not psutil.pid_exists(int((tmp_path / "child").read_text()))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_worker_that_is_stopped_or_killed_fails_its_job_and_another_goes_on(
    serve: Serve, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_queue, "SILENT_SECONDS", 5.0)  # in the service, here
    service = serve(jobs={"command": command_of(tmp_path)})
    details = {
        signal.SIGTERM: "the worker was stopped; start it, and ask again",
        signal.SIGKILL: "the worker that ran it is gone; start one, and ask again",
    }
    for number, detail in details.items():
        worker = start("worker")
        worker.wait_for("worker ready")
        job = service.post("/retrain", headers=TOKEN).json()["id"]
        wait_until(lambda: state_of(service, job) == "running")  # noqa: B023  # it waits here
        os.kill(worker.process.pid, number)
        wait_until(lambda: state_of(service, job) == "failed")  # noqa: B023
        assert service.get(f"/retrain/{job}", headers=TOKEN).json()["detail"] == detail
    (tmp_path / "go").touch()
    assert run_job(service, start("worker"))["state"] == "succeeded"
    assert state_of(service, job) == "failed"  # and not as if it ran again


def test_second_worker_is_refused(serve: Serve, start: Start) -> None:
    serve()
    start("worker").wait_for("worker ready")
    second = start("worker")
    assert second.wait() == 1
    assert "error: another worker takes jobs from this queue" in second.text


def test_queue_away_is_no_error_of_the_client(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    service = serve(jobs={"queue": "sqlite:///file/queue.db"})
    for answer in (service.post("/retrain", headers=TOKEN), service.get("/retrain/x", headers=TOKEN)):
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "10"
        assert "file" not in answer.text
    assert service.predict(ROW).is_success


def test_worker_without_a_queue_says_where_it_looked(start: Start, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    worker = start("worker", jobs={"queue": "sqlite:///file/queue.db"})
    assert worker.wait() == 1
    assert "error: the queue sqlite:///file/queue.db cannot be reached" in worker.text


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    """Return a queue without a service."""
    queue = Queue(f"sqlite:///{tmp_path}/queue.db")
    yield queue
    queue.close()


def test_lock_of_a_request_that_was_killed_is_broken(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_queue, "ASKING_SECONDS", 0.2)
    queue.huey.put("asking", time.time())
    assert queue.request("id", "").state == "queued"


def test_requests_at_once_make_one_job(queue: Queue) -> None:
    together = threading.Barrier(8)

    def ask() -> str:
        together.wait()
        return queue.request("id", "").id

    with ThreadPoolExecutor(8) as pool:
        jobs = {task.result() for task in [pool.submit(ask) for _ in range(8)]}
    assert len(jobs) == len(queue.huey.pending()) == 1


def test_of_workers_at_once_one_takes_the_queue(queue: Queue) -> None:
    assert [queue.claim(worker) for worker in ("first", "second")] == [True, False]
    assert not queue.beat("second")
    queue.leave()
    assert queue.claim("second")


def test_records_of_old_jobs_are_forgotten(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_queue, "MOST_JOBS", 2)
    for number in range(4):
        requested = f"2026-01-0{4 - number}T00:00:00Z"
        queue.save(Job.model_validate({"id": str(number), "state": "failed", "request_id": "", "requested": requested}))
    queue.tidy()
    assert [number for number in range(4) if queue.find(str(number))] == [0, 1]


def test_queue_holds_nothing_that_python_would_run(queue: Queue) -> None:
    job = queue.request("id", "because")
    stored = [queue.huey.serializer.serialize({"a": [1]}), *queue.huey.storage.enqueued_items()]
    assert all(item.startswith(b"{") for item in map(bytes, stored))
    assert job.id.encode() in bytes(stored[1])
    with pytest.raises(ValueError, match="utf-8|Expecting value"):
        JsonSerializer().deserialize(b"\x80\x04\x95")
