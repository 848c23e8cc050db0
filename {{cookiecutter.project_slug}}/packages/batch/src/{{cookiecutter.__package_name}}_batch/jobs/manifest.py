"""The record of a run, fixed when it starts, so that a resumed run does the same."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from {{ cookiecutter.__package_name }}_predict.errors import ConfigError

from ..databases import TYPES
from .chunks import Chunk
from .settings import Mode

RUN_ID = re.compile("[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
NAMES = {str(kind): kind for kind in TYPES}
State = Literal["running", "finished", "failed", "undone"]


@dataclass
class Counts:
    """How many rows of a chunk, or of several, were predicted and rejected.

    Attributes:
        scored: how many were predicted.
        rejected: how many were rejected.
        changed: how many were added or removed since the run started.
        first: the place and the reason of the first rejected one.
        fields: how many values of each field were invalid.
    """

    scored: int = 0
    rejected: int = 0
    changed: int = 0
    first: str = ""
    fields: dict[str, int] = field(default_factory=dict)

    def add(self, other: "Counts") -> None:
        """Add the counts of further rows."""
        self.scored += other.scored
        self.rejected += other.rejected
        self.changed += other.changed
        self.first = self.first or other.first
        for name, count in other.fields.items():
            self.fields[name] = self.fields.get(name, 0) + count


class Manifest(BaseModel):
    """A run.

    Attributes:
        run_id: its name, unique in the sink.
        job: the name of its job.
        number: one more than that of the run before in the same sink.
        state: `failed` if too many rows were rejected, `undone` after a rollback.
        started_at: when it started, which is the `scored_at` of its rows.
        source: what it reads, without passwords.
        target: the table, file or folder of its sink.
        mode: how its rows get into the sink.
        keys: the columns that identify a row.
        inputs: whether the features are written, too.
        on_error: whether a rejected row stops it.
        max_rejected: the share of rejected rows that it allows.
        model_version: of the model that it uses to its end.
        table: what it reads from in a database, for a statement.
        key: the column that divides a table.
        columns: what it reads of each column: a name, or an expression of a database.
        result: the columns that it writes, and their types.
        chunks: the parts of the source, until the run has ended.
        finished_at: when it ended.
        counts: how many of its rows were predicted and rejected.
    """

    model_config = ConfigDict(extra="forbid")

    run_id: str
    job: str
    number: int = 1
    state: State = "running"
    started_at: datetime
    source: str
    target: str
    mode: Mode
    keys: tuple[str, ...]
    inputs: bool
    on_error: Literal["reject", "stop"]
    max_rejected: float
    model_version: str
    table: str
    key: str | None
    columns: dict[str, str]
    result: dict[str, str]
    chunks: list[Chunk]
    finished_at: datetime | None = None
    counts: Counts = Counts()

    @property
    def schema(self) -> pa.Schema:
        """The columns that the run writes."""
        return pa.schema([(name, NAMES[kind]) for name, kind in self.result.items()])

    @property
    def rows(self) -> int:
        """How many rows the source of an unfinished run had when it started."""
        return sum(chunk.rows for chunk in self.chunks)

    def end(self, state: State, counts: Counts) -> "Manifest":
        """Return the manifest of a run at its end, without its chunks, which nobody needs any more."""
        changes: dict[str, object] = {"state": state, "counts": counts, "finished_at": datetime.now(UTC), "chunks": []}
        return self.model_copy(update=changes)


def check_run_id(run_id: str) -> str:
    """Return the name of a run, which is that of files, too.

    Raises:
        ConfigError: it has other signs than letters, digits, `-` and `_`, or is too long.
    """
    if not RUN_ID.fullmatch(run_id):
        raise ConfigError(
            f"found --run-id {run_id!r:.80}, expected up to 100 letters, digits, dashes and underscores, the first of "
            "them a letter or a digit"
        )
    return run_id


def name_run(job: str, moment: str | None) -> str:
    """Return the name of a job's run at a scheduled time, by default at the beginning of this hour, in UTC.

    Raises:
        ConfigError: the time is not in ISO 8601.
    """
    try:
        found = datetime.fromisoformat(moment) if moment else datetime.now(UTC).replace(minute=0)
    except ValueError as error:
        raise ConfigError(f"found --for {moment}, expected a time such as 2026-11-24T05:00") from error
    at = found.astimezone(UTC) if found.tzinfo else found
    return f"{job}-{at:%Y-%m-%dT%H%M}Z"
