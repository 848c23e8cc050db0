"""Processes on this machine that score the chunks of a run."""

import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection, get_context, parent_process

from {{ cookiecutter.__package_name }}_predict.errors import DataError

from ..score import WORKERS
from .manifest import Counts
from .work import Work, Worker

_WORKERS = list[Worker]()  # that of this process, if it is one of a pool


def score_locally(work: Work, numbers: Sequence[int]) -> Iterator[Counts]:
    """Yield the counts of chunks as they are written.

    Raises:
        DataError: a chunk cannot be scored, or a process ended.
    """
    workers = min(work.job.workers or WORKERS, len(numbers) // 2)  # starting a process takes as long as scoring a chunk
    if workers <= 1:
        worker = Worker(work)
        try:
            yield from map(worker.score, numbers)
        finally:
            worker.close()
        return
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _start, (work,))
    try:
        for done in as_completed([pool.submit(_score, number) for number in numbers]):
            yield done.result()
    except BrokenProcessPool as error:
        raise DataError(
            "a process of this run ended unexpectedly, perhaps out of memory; run this again to resume; lower "
            "`workers` to use less memory"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _start(work: Work) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _WORKERS.append(Worker(work))


def _score(number: int) -> Counts:
    return _WORKERS[0].score(number)


def _end_with_parent() -> None:
    """End this process when the one that started it is killed: nobody would read its results."""
    parent = parent_process()
    if parent:
        connection.wait([parent.sentinel])
        os._exit(1)
