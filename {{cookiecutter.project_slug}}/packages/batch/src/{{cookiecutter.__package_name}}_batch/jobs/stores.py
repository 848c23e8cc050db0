"""Where a run keeps its rows and its progress until it publishes them."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc
from filelock import FileLock, Timeout

from {{ cookiecutter.__package_name }}_predict.errors import DataError

from .manifest import Counts, Manifest


class Store(Protocol):
    """The sink of a job: each part of a run is written once, and all become visible together."""

    def lock(self, job: str) -> AbstractContextManager[None]:
        """Keep other runs of a job out; raise a DataError if one is in progress."""

    def check(self, manifest: Manifest) -> None:
        """Raise a DataError if the sink cannot take the rows of a run."""

    def find(self, run_id: str) -> Manifest | None:
        """Return a run."""

    def list_runs(self, job: str | None = None) -> list[Manifest]:
        """Return the runs of a job, or of all jobs with this sink, newest first."""

    def begin(self, manifest: Manifest, model: bytes) -> None:
        """Record a run and its model, and remove what an earlier run of this name left."""

    def read_model(self, run_id: str) -> bytes:
        """Return the model of a run that is not finished."""

    def list_done(self, run_id: str) -> dict[int, Counts]:
        """Return the chunks that are written."""

    def write(self, manifest: Manifest, number: int, result: pa.Table, rejected: pa.Table, counts: Counts) -> Counts:
        """Write a chunk and its counts atomically; if it exists already, return the existing counts."""

    def publish(self, manifest: Manifest) -> None:
        """Make the rows of a run visible at once, and record that it is finished."""

    def fail(self, manifest: Manifest) -> None:
        """Publish the rejected rows of a run, remove its other rows, and record that it failed."""

    def undo(self, manifest: Manifest) -> str:
        """Roll a finished run back, and return what readers see now, in words."""

    def read_published(self, manifest: Manifest, most: int) -> pa.Table:
        """Return at most `most` rows of a finished run, drawn at random."""

    def close(self) -> None:
        """Close what is open."""


def restore_types(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return rows with their numbers and booleans, which CSV files hold as texts, and SQLite without their types."""
    plain = (pa.int64(), pa.float64(), pa.bool_())
    columns = list[pa.ChunkedArray]()
    for column, field in zip(table.columns, schema, strict=True):
        present = pc.if_else(pc.equal(column, ""), None, column) if column.type == pa.string() else column
        columns.append(present.cast(field.type) if field.type in plain else column)
    return pa.table(columns, names=schema.names)


@contextmanager
def lock_file(path: Path, job: str) -> Iterator[None]:
    """Hold a lock on this machine.

    Raises:
        DataError: another process holds it.
    """
    lock = FileLock(path, timeout=0)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise refuse_second(job) from error
    except OSError as error:
        raise DataError(
            f"{path.parent} cannot be used ({error}); correct the address of the sink, or its rights"
        ) from error
    try:
        yield
    finally:
        lock.release()


def refuse_second(job: str) -> DataError:
    """Return the error for a second run of a job at the same time."""
    return DataError(f"another run of {job} is in progress; wait for it to finish, then run this again")
