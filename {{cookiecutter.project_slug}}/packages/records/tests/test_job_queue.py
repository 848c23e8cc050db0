"""The queue of jobs, without a service or a worker; with SQLite, which needs no server."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from {{ cookiecutter.__package_name }}_records import job_queue
from {{ cookiecutter.__package_name }}_records.job_queue import Job, JsonSerializer, Queue, QueueError


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


def test_queue_that_cannot_be_reached_is_named_without_its_password(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(QueueError, match="file/queue.db cannot be reached .*; start it, or correct jobs.queue"):
        Queue(f"sqlite:///{tmp_path}/file/queue.db").request("id", "")
    with pytest.raises(QueueError) as refused:
        Queue("redis://:a-secret@127.0.0.1:9/0").request("id", "")
    assert "a-secret" not in str(refused.value)


def test_job_whose_worker_is_gone_has_failed_and_one_that_waits_says_what_to_do(queue: Queue) -> None:
    job = queue.request("id", "because")
    assert queue.find(job.id) == job.model_copy(update={"detail": "no worker is running; start one"})
    queue.save(job.model_copy(update={"state": "running"}))
    found = queue.find(job.id)
    assert found is not None
    assert (found.state, found.detail) == ("failed", job_queue.LEFT)
    assert queue.find("unknown") is None


def test_jobs_that_a_worker_left_behind_are_failed_by_the_next(queue: Queue) -> None:
    waiting = queue.request("id", "")
    left = waiting.model_copy(update={"id": "left", "state": "running"})
    queue.save(left)
    assert queue.claim("worker")
    assert not queue.claim("another")
    queue.tidy()
    states = [found.state for found in (queue.find(left.id), queue.find(waiting.id)) if found]
    assert states == ["failed", "queued"]
