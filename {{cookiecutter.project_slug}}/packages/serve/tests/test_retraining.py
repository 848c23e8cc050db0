"""Retraining on request: jobs on a queue, a worker that runs them; with SQLite, which needs no server."""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from {{ cookiecutter.__package_name }}_predict.settings import PREFIX
from {{ cookiecutter.__package_name }}_records import job_queue

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
        (b'{"reason": "a\\u0001b"}', 422, "#/body/reason"),
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


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_worker_that_is_stopped_or_killed_fails_its_job_and_another_goes_on(
    serve: Serve, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_queue, "SILENT_SECONDS", 5.0)  # in the service, here
    service = serve(jobs={"command": command_of(tmp_path)})
    details = {
        signal.SIGTERM: "the worker was stopped; start it, then request retraining again",
        signal.SIGKILL: "the worker that ran it is gone; start one, then request retraining again",
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
