"""The worker: takes jobs from the queue and runs the configured command, one at a time."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import psutil
import structlog

from {{ cookiecutter.__package_name }}_predict.errors import ConfigError
from {{ cookiecutter.__package_name }}_predict.settings import PREFIX
from {{ cookiecutter.__package_name }}_records.job_queue import SILENT_SECONDS, Job, Queue, QueueError
from {{ cookiecutter.__package_name }}_records.settings import Jobs

log = structlog.get_logger()
REASON = "{reason}"  # in jobs.command, what the reason of the request takes the place of
FOREIGN = tuple(f"{PREFIX}{section}" for section in ("SERVICE", "PREDICTION_LOG", "JOBS"))  # may be secret
BEAT_SECONDS = 1.0
LOOK_SECONDS = 0.1
STOP_SECONDS = 10.0
MOST_LINES, MOST_CHARACTERS = 200, 500


class Worker:
    """Runs jobs, and records their results."""

    def __init__(self, settings: Jobs) -> None:
        """Prepare a worker, without opening a connection."""
        self._settings = settings
        self._queue = Queue(settings.queue)
        self._queue.run_with(self.run_job)
        self._id = uuid.uuid4().hex
        self._stop = threading.Event()

    def run(self) -> None:
        """Take jobs until SIGINT, which lets the running job finish, or SIGTERM, which stops it.

        Raises:
            ConfigError: another worker takes jobs from this queue.
            QueueError: the queue cannot be reached at the start; later, the worker waits for it.
        """
        self._wait_for_others()
        self._queue.tidy()
        heart = threading.Thread(target=self._beat, name="heart", daemon=True)
        heart.start()
        log.info("worker ready", command=self._settings.command)
        consumer = self._queue.huey.create_consumer(workers=1, periodic=False, max_delay=1)
        consumer.run()
        self._stop.set()
        for _, thread in consumer.worker_threads:
            thread.join(2 * STOP_SECONDS)
        heart.join()
        self._queue.leave()
        self.close()

    def close(self) -> None:
        """Close the connection to the queue."""
        self._queue.close()

    def _wait_for_others(self) -> None:
        """Wait just long enough to know whether another worker has been killed."""
        deadline = time.monotonic() + SILENT_SECONDS + BEAT_SECONDS
        while not self._queue.claim(self._id):
            if time.monotonic() > deadline:
                raise ConfigError("another worker takes jobs from this queue, expected only one; stop it first")
            time.sleep(BEAT_SECONDS)

    def _beat(self) -> None:
        while not self._stop.wait(BEAT_SECONDS):
            try:
                if not self._queue.beat(self._id) and not self._queue.claim(self._id):
                    log.error("another worker has taken over the queue; this one ends")
                    signal.raise_signal(signal.SIGTERM)
                    return
            except QueueError as error:
                log.warning("queue unreachable", reason=str(error))

    def run_job(self, job: Job) -> None:
        """Run the command for a job, and record the result."""
        began = time.monotonic()
        lines: deque[str] = deque(maxlen=MOST_LINES)

        def keep(**changes: object) -> bool:
            nonlocal job
            seconds = round(time.monotonic() - began, 3)
            job = job.model_copy(update={"seconds": seconds, "output": "".join(lines), **changes})
            try:
                self._queue.save(job)
            except QueueError as error:
                log.warning("job not kept", job=job.id, reason=str(error))
                return False
            return True

        log.info("retraining", job=job.id, request_id=job.request_id, reason=job.reason)
        keep(state="running", started=datetime.now(UTC), detail="")
        try:
            detail, code = self._command(describe(job), lines, keep)
        except (OSError, ValueError) as error:  # ValueError: a NUL in the command
            reason = getattr(error, "strerror", None) or error
            detail, code = f"the command cannot be run ({reason}); correct jobs.command", None
        detail = detail or ("the command failed; see the end of its output" if code else "")
        end = {"state": "failed" if detail else "succeeded", "finished": datetime.now(UTC), "exit_code": code}
        while not keep(**end, detail=detail) and not self._stop.wait(BEAT_SECONDS):
            pass  # a finished job must not look as if it were still running
        log.info("retraining ended", job=job.id, state=job.state, seconds=job.seconds, detail=job.detail)

    def _command(self, reason: str, lines: "deque[str]", keep: Callable[[], object]) -> tuple[str, int | None]:
        """Run the command for a reason; return why it was stopped, if it was, and its exit code."""
        environment = _environment()
        program, *arguments = [reason if part == REASON else part for part in self._settings.command]
        found = shutil.which(program, path=environment["PATH"]) or program  # Windows would search elsewhere
        process = subprocess.Popen(  # noqa: S603  # the command is configuration
            [found, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            env=environment,
            start_new_session=True,  # Ctrl-C must reach only the worker, which stops the job or waits for it
        )
        assert process.stdout is not None  # noqa: S101  # it is a pipe
        reader = threading.Thread(target=_read, args=(process.stdout, lines), name="output", daemon=True)
        reader.start()
        detail = self._watch(process, keep)
        reader.join(1)  # no longer: a process that the command left behind may hold the pipe
        if not reader.is_alive():
            process.stdout.close()
        return detail, None if detail else process.returncode

    def _watch(self, process: "subprocess.Popen[str]", keep: Callable[[], object]) -> str:
        deadline = time.monotonic() + self._settings.seconds
        kept = time.monotonic()
        while process.poll() is None:
            now = time.monotonic()
            if now > deadline:
                _end(process)
                return f"the command was stopped after {self._settings.seconds:g} seconds (jobs.seconds)"
            if self._stop.wait(LOOK_SECONDS):
                _end(process)
                return "the worker was stopped; start it, then request retraining again"
            if now - kept > BEAT_SECONDS:
                keep()
                kept = now
        return ""


def describe(job: Job) -> str:
    """Return why a job runs, for the history: the reason in the request, and its id."""
    return f"{job.reason or 'on request'} (request {job.request_id})"


def _environment() -> dict[str, str]:
    """Return the command's environment: this environment's programs first, and none of the service's settings."""
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(FOREIGN)}
    programs = Path(sys.executable).parent
    return {**kept, "PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}", "PYTHONUNBUFFERED": "1"}


def _read(output: IO[str], lines: "deque[str]") -> None:
    while line := output.readline(MOST_CHARACTERS):
        lines.append(line)


def _end(process: "subprocess.Popen[str]") -> None:
    """Stop a process and all processes that it has started."""
    try:
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for member in family:
        with suppress(psutil.NoSuchProcess):
            member.terminate()
    _, left = psutil.wait_procs(family, STOP_SECONDS)
    for member in left:
        with suppress(psutil.NoSuchProcess):
            member.kill()
    process.wait()
