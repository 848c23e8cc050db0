"""The queue of jobs: requests to train again, which a worker takes one at a time.

The queue is huey's, in a SQLite file or on a Redis server (https://huey.readthedocs.io); what becomes of a job is kept
beside it. The service puts jobs there and reads how they are; it never runs one.
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
SILENT_SECONDS = 8.0  # a worker that was not heard of for so long is gone
ASKING_SECONDS = 5.0
MOST_JOBS = 100
LEFT = "the worker that ran it is gone; start one, and ask again"


class QueueError(ProjectError):
    """The queue cannot be reached."""


class Job(BaseModel):
    """A request to train again, and what became of it."""

    id: str
    state: Literal["queued", "running", "succeeded", "failed"]
    request_id: str = Field(description="Of the request that asked for it.")
    reason: str = Field("", description="Why, as whoever asked said.")
    requested: datetime
    started: datetime | None = None
    finished: datetime | None = None
    seconds: float | None = Field(None, description="How long it has run.")
    exit_code: int | None = Field(None, description="Of the command; 0 where all went well.")
    output: str = Field("", description="The end of what the command printed.")
    detail: str = Field("", description="What there is to say about its state.")


class JsonSerializer(Serializer):  # type: ignore[misc]  # huey has no types
    """Keeps what huey stores as JSON: with pickle, whoever can write to the queue could run code."""

    def _serialize(self, data: object) -> bytes:
        return json.dumps({"message": list(data)} if isinstance(data, Message) else {"value": data}).encode()

    def _deserialize(self, data: bytes) -> Any:
        content = json.loads(data)
        return Message(*content["message"]) if "message" in content else content["value"]


class Queue:
    """The queue of jobs, and the record of each. All methods raise QueueError where the queue cannot be reached."""

    def __init__(self, url: str) -> None:
        """Prepare the queue at an address; nothing is opened before it is needed."""
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
        """Have a function run the jobs that are taken from the queue in this process."""
        self._run = run

    def request(self, request_id: str, reason: str) -> Job:
        """Return the job that waits in the queue already, or a new one."""
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
        """Return a job as it is now, or None if there is none of this id."""
        with self._reached():
            return self._find(identity)

    def save(self, job: Job) -> None:
        """Keep what has become of a job."""
        with self._reached():
            self.huey.put(f"job.{job.id}", job.model_dump(mode="json"))

    def claim(self, worker: str) -> bool:
        """Return whether a worker is the one of this queue: because nobody is, or the last one is silent."""
        with self._reached():
            if not self._worker_is_there():
                self.huey.delete("owner")
            return self.huey.put_if_empty("owner", worker) and self.beat(worker)

    def beat(self, worker: str) -> bool:
        """Let it be known that a worker is there; return whether it is still the one of this queue."""
        with self._reached():
            if self.huey.get("owner", peek=True) != worker:
                return False
            self.huey.put("worker", time.time())
            return True

    def leave(self) -> None:
        """Let it be known that the worker is gone."""
        with self._reached():
            self.huey.delete("worker")
            self.huey.delete("owner")

    def worker_is_there(self) -> bool:
        """Return whether a worker was heard of lately."""
        with self._reached():
            return self._worker_is_there()

    def tidy(self) -> None:
        """Fail the jobs that a worker has left behind, and keep the records of the latest jobs alone.

        To be called by the worker of this queue, while it runs no job.
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
                return job.model_copy(update={"detail": "no worker is there to take it; start one"})
            return job.model_copy(update={"state": "failed", "detail": LEFT})
        return job

    def _worker_is_there(self) -> bool:
        return time.time() - (self.huey.get("worker", peek=True) or 0) < SILENT_SECONDS

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Let nobody else put a job onto the queue in the meantime, so that two requests make one job."""
        deadline = time.monotonic() + 2 * ASKING_SECONDS
        while not self.huey.put_if_empty("asking", time.time()):
            if time.time() - (self.huey.get("asking", peek=True) or time.time()) > ASKING_SECONDS:
                self.huey.delete("asking")  # whoever asked was killed over it
            if time.monotonic() > deadline:
                raise QueueError(f"the queue {self._where} is kept busy by others; ask again")
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
    """Return a queue that keeps no results of its own."""
    options = {"results": False, "serializer": JsonSerializer()}
    if urlsplit(url).scheme == "sqlite":
        path = Path(url.removeprefix("sqlite:///"))
        path.parent.mkdir(parents=True, exist_ok=True)
        return SqliteHuey(NAME, filename=str(path), **options)
    pool = ConnectionPool.from_url(url, socket_timeout=10, socket_connect_timeout=5)
    return RedisHuey(NAME, connection_pool=pool, **options)


def _text(key: str | bytes) -> str:
    return key.decode() if isinstance(key, bytes) else key
