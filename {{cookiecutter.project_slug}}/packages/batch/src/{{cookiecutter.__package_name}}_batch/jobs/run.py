"""Run a job: start it or go on with it, score its chunks, and publish the rows."""

import hashlib
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from {{ cookiecutter.__package_name }}_predict.contract import Contract
from {{ cookiecutter.__package_name }}_predict.errors import (
    ConfigError,
    DataError,
    ModelError,
    list_names,
)
from {{ cookiecutter.__package_name }}_predict.model import Model

from ..databases import Connection, ConnectionLostError, quote, select_columns
from ..readers import LINES, table_suffix
from .chunks import Chunk, FilePart, split_files, split_table
from .database_store import PREFIX
from .local_pool import score_locally
from .manifest import Counts, Manifest, State
from .ray_tasks import score_on_ray
from .results import plan_result
from .settings import Job, Source
from .stores import Store
from .work import FIRST_WAIT, LONGEST_WAIT, PATIENCE, Work, open_store


class Report(Protocol):
    """Who is told how a run goes."""

    def event(self, name: str, **values: object) -> None:
        """Take note of something."""

    def start(self, manifest: Manifest, done: int) -> None:
        """Take note of a run that begins or goes on, of which so many rows are done."""

    def advance(self, rows: int) -> None:
        """Take note of further rows."""


@dataclass(frozen=True)
class Request:
    """Which run of a job is wanted.

    Attributes:
        name: of the job.
        run_id: of the run.
        model: the file of the model for a new run.
        contract: what the model must have been trained under; None for any.
        restart: whether to give up a run that is not finished.
    """

    name: str
    run_id: str
    model: Path
    contract: Contract | None
    restart: bool = False


def run_job(job: Job, request: Request, report: Report) -> Manifest | None:
    """Bring a run of a job to its end; one of the same job that is not finished comes first.

    Returns:
        The run; None if it was finished before.

    Raises:
        ConfigError: a setting of the job does not fit the source or the model.
        DataError: the source cannot be read, the sink cannot be written, or too many rows are rejected.
        ModelError: the model is not valid.
    """
    with closing(open_store(job)) as store, store.lock(request.name):
        found = store.find(request.run_id)
        if found and found.state == "finished":
            report.event("finished before", run=found.run_id, rows=found.counts.scored)
            return None
        for other in [run for run in store.list_runs(request.name) if run.state == "running"]:
            if request.restart:
                report.event("given up", run=other.run_id)
                store.fail(other.end("failed", Counts()))
            else:
                report.event("goes on" if other.run_id == request.run_id else "goes on first", run=other.run_id)
                ended = _go_on(job, store, other, report)
                if ended.run_id == request.run_id:
                    return ended
        return _start(job, store, request, report)


def _start(job: Job, store: Store, request: Request, report: Report) -> Manifest:
    try:
        content = request.model.read_bytes()
    except OSError as error:
        raise ModelError(
            f"{request.model} cannot be read ({error.strerror}); train a model or correct the path"
        ) from error
    model = Model.parse(content, request.model, contract=request.contract)
    id_key = model.contract.keys.id
    keys = job.keys if job.keys is not None else (id_key,) if id_key else ()
    manifest = plan(job, request, model, keys)
    store.check(manifest)
    store.begin(manifest, content)
    return _score(Work(job, manifest, content), store, {}, report)


def plan(job: Job, request: Request, model: Model, keys: Sequence[str]) -> Manifest:
    """Return the manifest of a run that begins now: its chunks are those of the source as it is now."""
    if job.mode == "upsert" and not keys:
        raise ConfigError("mode: upsert needs `keys` of the job, or an id in the contract; name the columns")
    source, key, table, expressions = job.source, None, "", dict[str, str]()
    wanted = [*dict.fromkeys((*keys, *model.contract.features))]
    if source.database:
        key = source.key or next(iter(keys), None)
        table, schema, expressions, chunks = _plan_table(source, key, wanted, request.run_id)
    else:
        chunks, schema = split_files(source.address, source.dialect)
        if any(isinstance(chunk, FilePart) and table_suffix(chunk.name) in LINES for chunk in chunks[:1]):
            features = model.contract.features.items()
            absent = [name for name, field in features if field.missing and name not in schema.names]
            schema = pa.schema([*schema, *((name, pa.null()) for name in absent)])  # JSON may leave out what is null
    result = plan_result(model, schema, keys, source.shown, inputs=job.inputs)
    return Manifest(
        run_id=request.run_id,
        job=request.name,
        started_at=datetime.now(UTC).replace(microsecond=0),
        source=source.shown,
        mode=job.mode,
        keys=tuple(keys),
        inputs=job.inputs,
        on_error=job.on_error,
        max_rejected=job.max_rejected,
        model_version=model.version,
        table=table,
        key=key,
        columns=expressions or {name: name for name in wanted},
        result={name: str(kind) for name, kind in result.items()},
        chunks=chunks,
    )


def _plan_table(
    source: Source, key: str | None, wanted: Sequence[str], run_id: str
) -> tuple[str, pa.Schema, dict[str, str], list[Chunk]]:
    """Return what to read from a database: a table or a query, its columns, expressions for them, and its chunks."""
    if source.database is None:
        raise TypeError("the source is no database")
    database = source.database
    table = (
        f"{database.quote_table(source.table)} AS source"
        if source.table
        else f"({(source.query or '').rstrip().rstrip(';')}) AS source"
    )
    with database.connect() as connection:
        schema = connection.describe(table)
        if key is None or key not in schema.names:
            raise ConfigError(
                f"{source.shown} has {'no column ' + repr(key) if key else 'no key'}; name a column that is unique and "
                f"never null (source.key); the columns are {list_names(schema.names)}"
            )
        columns = [name for name in dict.fromkeys((*wanted, key)) if name in schema.names]
        present = pa.schema([schema.field(name) for name in columns])
        numbers = [name for name in wanted if name != key]
        expressions = dict(zip(columns, select_columns(database, present, numbers), strict=True))
        if source.copied:
            table, expressions = (
                copy_table(connection, table, expressions, key, run_id),
                dict(zip(columns, map(quote, columns), strict=True)),
            )
        unique = source.copied or bool(source.table and connection.is_unique(source.table, [key]))
        chunks = split_table(connection, table, key, unique=unique)
    return table, schema, {name: text for name, text in expressions.items() if name in wanted}, chunks


def copy_table(connection: Connection, table: str, expressions: Mapping[str, str], key: str, run_id: str) -> str:
    """Copy the rows of a source into a table of the run's own, and return its name for a statement."""
    own = quote(name_copy(run_id))
    with connection.transaction():
        connection.execute(f"DROP TABLE IF EXISTS {own}")
        connection.execute(f"CREATE TABLE {own} AS SELECT {', '.join(expressions.values())} FROM {table}")
        connection.execute(f"CREATE UNIQUE INDEX {quote(f'{name_copy(run_id)}_key')} ON {own} ({quote(key)})")
    return f"{own} AS source"


def name_copy(run_id: str) -> str:
    """Return the name of the table into which a run copies its source."""
    return f"{PREFIX}_source_{hashlib.sha256(run_id.encode()).hexdigest()[:12]}"


def _go_on(job: Job, store: Store, manifest: Manifest, report: Report) -> Manifest:
    """Bring a run to its end with the model, the chunks and the settings with which it began."""
    if manifest.source != job.source.shown:
        raise ConfigError(
            f"{manifest.run_id} is not finished, and reads {manifest.source}; the job now reads {job.source.shown}: "
            "restore its source, or give up the run with --restart"
        )
    work = Work(job, manifest, store.read_model(manifest.run_id))
    return _score(work, store, store.list_done(manifest.run_id), report)


def _score(work: Work, store: Store, done: Mapping[int, Counts], report: Report) -> Manifest:
    """Score the chunks that are not done, and publish the rows.

    Raises:
        DataError: too many rows are rejected; then the rejected ones alone are published.
    """
    manifest, counts = work.manifest, Counts()
    for found in done.values():
        counts.add(found)
    numbers = [number for number in range(len(manifest.chunks)) if number not in done]
    report.start(manifest, counts.scored + counts.rejected)
    engine = score_locally if work.job.engine == "local" else score_on_ray
    if numbers and not _is_lost(manifest, counts):
        for found in engine(work, numbers):
            counts.add(found)
            report.advance(found.scored + found.rejected)
            if _is_lost(manifest, counts):
                break  # the generator closes the engine
    state: State = "failed" if _is_lost(manifest, counts) or not counts.scored else "finished"
    ended = manifest.end(state, counts)
    _end(store, ended)
    _drop_copy(work.job, manifest)
    if state == "failed":
        raise DataError(_explain(work.job, ended))
    if counts.changed:
        report.event("source changed", run=manifest.run_id, rows=counts.changed)
    return ended


def _is_lost(manifest: Manifest, counts: Counts) -> bool:
    """Return whether a run fails, whatever becomes of the rows that are left."""
    stops = manifest.on_error == "stop" and counts.rejected > 0
    return stops or counts.rejected > manifest.max_rejected * max(manifest.rows, 1)


def _end(store: Store, ended: Manifest) -> None:
    """Publish a run; while a database does not answer, try again for `PATIENCE`."""
    deadline, wait = time.monotonic() + PATIENCE, FIRST_WAIT
    while True:
        try:
            store.publish(ended) if ended.state == "finished" else store.fail(ended)
        except ConnectionLostError:
            store.close()
            if time.monotonic() + wait > deadline:
                raise
            time.sleep(wait)
            wait = min(2 * wait, LONGEST_WAIT)
        else:
            return


def _drop_copy(job: Job, manifest: Manifest) -> None:
    if job.source.copied and job.source.database:
        with job.source.database.connect() as connection:
            connection.execute(f"DROP TABLE IF EXISTS {quote(name_copy(manifest.run_id))}")


def _explain(job: Job, ended: Manifest) -> str:
    """Return why a run failed."""
    counts = ended.counts
    total = counts.scored + counts.rejected
    reasons = f"the first: {counts.first}; {job.rejected_place.shown} has the reasons, {job.sink.shown} is unchanged"
    if ended.on_error == "stop":
        return f"a row is rejected, and on_error is stop; {reasons}; correct the rows, then run this again"
    fields = "".join(f"; {name}: {count}" for name, count in sorted(counts.fields.items(), key=lambda item: -item[1]))
    so_far = " so far" if total < ended.rows else ""
    return (
        f"{counts.rejected} of {ended.rows} rows of {ended.source} are rejected{so_far}, "
        f"{counts.rejected / max(ended.rows, 1):.2%}; the share allowed is {ended.max_rejected:.2%}{fields}; {reasons}"
    )
