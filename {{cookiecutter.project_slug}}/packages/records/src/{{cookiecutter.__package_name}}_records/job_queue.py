"""The job queue: retraining requests, which a worker runs one at a time.

The queue is huey's, in a SQLite file or on a Redis server (https://huey.readthedocs.io), which also stores the record
of each job. The service adds jobs and reads their state; it never runs one.
"""

import json
import re
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from huey import Huey, RedisHuey, SqliteHuey
from huey.registry import Message
from huey.serializer import Serializer
from pydantic import BaseModel, Field
from redis import ConnectionPool
from redis.exceptions import RedisError

from {{ cookiecutter.__package_name }}_predict.errors import ProjectError

NAME = "retraining"
SILENT_SECONDS = 8.0  # after this long without a heartbeat, a worker counts as gone
ASKING_SECONDS = 5.0
MOST_JOBS = 100
LEFT = "the worker that ran it is gone; start one, then request retraining again"


class QueueError(ProjectError):
    """The queue cannot be reached."""


class Job(BaseModel):
    """A retraining request and its result."""

    id: str
    state: Literal["queued", "running", "succeeded", "failed"]
    request_id: str = Field(description="The id of the request that created the job.")
    reason: str = Field("", description="The reason given in the request.")
    requested: datetime
    started: datetime | None = None
    finished: datetime | None = None
    seconds: float | None = Field(None, description="How long the job has run.")
    exit_code: int | None = Field(None, description="The exit code of the command; 0 on success.")
    output: str = Field("", description="The end of what the command printed.")
    detail: str = Field("", description="An explanation of the state.")


class JsonSerializer(Serializer):  # type: ignore[misc]  # huey has no types
    """Stores huey's data as JSON: with pickle, anyone who can write to the queue could run code."""

    def _serialize(self, data: object) -> bytes:
        return json.dumps({"message": list(data)} if isinstance(data, Message) else {"value": data}).encode()

    def _deserialize(self, data: bytes) -> Any:
        content = json.loads(data)
        return Message(*content["message"]) if "message" in content else content["value"]


class Queue:
    """The job queue, and the record of each job. All methods raise QueueError if the queue cannot be reached."""

    def __init__(self, url: str) -> None:
        """Prepare the queue at an address; it is opened on first use."""
        self._url, self._where = url, re.sub(r"//.*@|\?.*", "", url)  # without a password
        self._opening = threading.Lock()
        self._opened: Huey | None = None
        self._run: Callable[[Job], None] | None = None

    @property
    def huey(self) -> Huey:
        """Huey's own queue, opened."""
        with self._opening:
            if self._opened is None:
                with self._reached():
                    self._opened = _open(self._url)
                self._task = self._opened.task(name=NAME)(self._take)
            return self._opened

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._opened is not None:
            self._opened.storage.close()

    def run_with(self, run: Callable[[Job], None]) -> None:
        """Set the function that runs the jobs that this process takes from the queue."""
        self._run = run

    def request(self, request_id: str, reason: str) -> Job:
        """Return the job that is already waiting in the queue, or a new one."""
        with self._reached(), self._locked():
            for task in self.huey.pending():
                if waiting := self._find(task.id):
                    return waiting
            job = Job(
                id=uuid.uuid4().hex, state="queued", request_id=request_id, reason=reason, requested=datetime.now(UTC)
            )
            self.save(job)
            self.huey.enqueue(self._task.s(job.id, id=job.id))
            return job

    def find(self, identity: str) -> Job | None:
        """Return a job in its current state, or None if there is no job with this id."""
        with self._reached():
            return self._find(identity)

    def save(self, job: Job) -> None:
        """Store the record of a job."""
        with self._reached():
            self.huey.put(f"job.{job.id}", job.model_dump(mode="json"))

    def claim(self, worker: str) -> bool:
        """Make a worker the owner of this queue, if it has no live owner; return whether that worked."""
        with self._reached():
            if not self._worker_is_there():
                self.huey.delete("owner")
            return self.huey.put_if_empty("owner", worker) and self.beat(worker)

    def beat(self, worker: str) -> bool:
        """Record a worker's heartbeat; return whether it still owns this queue."""
        with self._reached():
            if self.huey.get("owner", peek=True) != worker:
                return False
            self.huey.put("worker", time.time())
            return True

    def leave(self) -> None:
        """Record that the worker is gone."""
        with self._reached():
            self.huey.delete("worker")
            self.huey.delete("owner")

    def tidy(self) -> None:
        """Mark the jobs of a killed worker as failed, and delete all but the newest records.

        Only the worker of this queue may call this, while it runs no job.
        """
        with self._reached():
            stored = [(_text(key), value) for key, value in self.huey.all_results().items()]
            records = [self.huey.serializer.deserialize(value) for key, value in stored if key.startswith("job.")]
            jobs = sorted(map(Job.model_validate, records), key=lambda job: job.requested)
            waiting = {task.id for task in self.huey.pending()}
            over = [job for job in jobs if job.id not in waiting]
            for job in over:
                if job.state in ("queued", "running"):
                    self.save(job.model_copy(update={"state": "failed", "detail": LEFT}))
            for job in over[:-MOST_JOBS]:
                self.huey.delete(f"job.{job.id}")

    def _take(self, identity: str) -> None:
        job = self.find(identity)
        if job and self._run:
            self._run(job)

    def _find(self, identity: str) -> Job | None:
        record = self.huey.get(f"job.{identity}", peek=True)
        if record is None:
            return None
        job = Job.model_validate(record)
        if job.state in ("queued", "running") and not self._worker_is_there():
            if job.state == "queued":
                return job.model_copy(update={"detail": "no worker is running; start one"})
            return job.model_copy(update={"state": "failed", "detail": LEFT})
        return job

    def _worker_is_there(self) -> bool:
        """Return whether there was a recent heartbeat of a worker."""
        return time.time() - (self.huey.get("worker", peek=True) or 0) < SILENT_SECONDS

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Lock the queue against other requests, so that two simultaneous requests create only one job."""
        deadline = time.monotonic() + 2 * ASKING_SECONDS
        while not self.huey.put_if_empty("asking", time.time()):
            if time.time() - (self.huey.get("asking", peek=True) or time.time()) > ASKING_SECONDS:
                self.huey.delete("asking")  # the process that held the lock was killed
            if time.monotonic() > deadline:
                raise QueueError(f"the queue {self._where} is busy with other requests; try again")
            time.sleep(0.01)
        try:
            yield
        finally:
            self.huey.delete("asking")

    @contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, RedisError, OSError) as error:
            raise QueueError(
                f"the queue {self._where} cannot be reached ({error}); start it, or correct jobs.queue"
            ) from error


def _open(url: str) -> Huey:
    """Return a huey queue that stores no results itself."""
    options = {"results": False, "serializer": JsonSerializer()}
    if urlsplit(url).scheme == "sqlite":
        path = Path(url.removeprefix("sqlite:///"))
        path.parent.mkdir(parents=True, exist_ok=True)
        return SqliteHuey(NAME, filename=str(path), **options)
    pool = ConnectionPool.from_url(url, socket_timeout=10, socket_connect_timeout=5)
    return RedisHuey(NAME, connection_pool=pool, **options)


def _text(key: str | bytes) -> str:
    return key.decode() if isinstance(key, bytes) else key
