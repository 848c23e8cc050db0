"""What jobs have written, for those who compare it with the training data and with outcomes."""

from contextlib import closing

import pyarrow as pa

from {{ cookiecutter.__package_name }}_predict.errors import DataError

from .manifest import Manifest
from .settings import load_job
from .work import open_store


def read_last_run(name: str, most: int, environment: str | None = None) -> tuple[Manifest, pa.Table]:
    """Return the last finished run of a job, and at most `most` of its rows, drawn at random.

    Raises:
        ConfigError: there is no such job.
        DataError: it has no finished run, or the sink cannot be read.
    """
    job, _ = load_job(name, environment=environment)
    with closing(open_store(job)) as store:
        last = next((run for run in store.list_runs(name) if run.state == "finished"), None)
        if last is None:
            raise DataError(f"{name} has no finished run in {job.sink.shown}; start it with: score {name}")
        return last, store.read_published(last, most)
