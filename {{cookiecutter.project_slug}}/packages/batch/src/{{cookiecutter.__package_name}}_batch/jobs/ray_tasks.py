"""A Ray cluster that scores the chunks of a run; it needs `requirements/batch-ray.txt`."""

import logging
import os
import socket
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from {{ cookiecutter.__package_name }}_predict.errors import ConfigError

from .manifest import Counts
from .work import Work, Worker

PORT = 10001  # of Ray's clients, by default
PENDING = 2  # tasks for each core, so that none waits for its next one
_WORKERS = dict[str, Worker]()  # those of this process, by their runs


def score_on_ray(work: Work, numbers: Sequence[int]) -> Iterator[Counts]:
    """Yield the counts of chunks as they are written; tasks whose node is lost run again elsewhere.

    Raises:
        ConfigError: Ray is not installed, or the cluster does not answer.
        DataError: a chunk cannot be scored.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # otherwise Ray sends usage statistics
    try:
        import ray
    except ImportError as error:
        raise ConfigError("engine: ray needs Ray; install requirements/batch-ray.txt, or use engine: local") from error
    address = None if work.job.engine == "ray" else work.job.engine
    local: dict[str, Any] = {"num_cpus": work.job.workers, "include_dashboard": False}
    try:
        if address:
            parts = urlsplit(address)
            socket.create_connection((parts.hostname or "", parts.port or PORT), timeout=10).close()
        quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.WARNING}
        ray.init(address or "local", **quiet, **({} if address else local))
    except Exception as error:  # Ray raises a dozen types without a common base class
        raise ConfigError(f"the Ray cluster {address or 'on this machine'} does not answer ({error})") from error
    try:
        yield from _score_all(ray, replace(work, job=work.job.make_absolute()), numbers)
    finally:
        ray.shutdown()


def _score_all(ray: Any, work: Work, numbers: Sequence[int]) -> Iterator[Counts]:
    task = ray.remote(num_cpus=1, max_retries=-1)(_score)
    shared, waiting, pending = ray.put(work), list(reversed(numbers)), list[Any]()
    while waiting or pending:
        most = PENDING * max(int(ray.cluster_resources().get("CPU", 1)), 1)
        while waiting and len(pending) < most:
            pending.append(task.remote(shared, waiting.pop()))
        done, pending = ray.wait(pending)
        for found in done:
            try:
                yield ray.get(found)
            except ray.exceptions.RayTaskError as error:
                raise error.cause from error


def _score(work: Work, number: int) -> Counts:
    """Score a chunk in a process of the cluster, which keeps its model and its connections for the next one."""
    run_id = work.run_id
    if run_id not in _WORKERS:
        _WORKERS.clear()
        _WORKERS[run_id] = Worker(work)
    return _WORKERS[run_id].score(number)
