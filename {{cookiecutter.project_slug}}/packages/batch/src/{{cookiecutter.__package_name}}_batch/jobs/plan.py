"""Plan a run: what it reads, in which parts, and what it writes."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from {{ cookiecutter.__package_name }}_predict.contract import Contract
from {{ cookiecutter.__package_name }}_predict.errors import ConfigError, DataError, list_names
from {{ cookiecutter.__package_name }}_predict.model import Model

from ..databases import Connection, Database, quote, select_columns
from ..readers import LINES, table_suffix
from .catalogue import is_unique
from .chunks import Chunk, FilePart, split_files, split_table
from .database_store import PREFIX
from .manifest import Manifest
from .results import plan_result
from .settings import Job, Source


@dataclass(frozen=True)
class Request:
    """Which run of a job is wanted.

    Attributes:
        name: of the job.
        run_id: of the run.
        model: the file of the model for a new run.
        contract: what the model must have been trained under; None for any.
        restart: whether to abandon unfinished runs.
    """

    name: str
    run_id: str
    model: Path
    contract: Contract | None
    restart: bool = False


@dataclass(frozen=True)
class Reading:
    """What a run reads, and what it writes for that.

    Attributes:
        chunks: the parts of the source.
        columns: what it reads of each column: a name, or an expression of a database.
        result: the columns that it writes, and their types.
        table: what it reads from in a database, for a statement.
        key: the column that divides a table.
    """

    chunks: list[Chunk]
    columns: dict[str, str]
    result: dict[str, pa.DataType]
    table: str = ""
    key: str | None = None


def plan(job: Job, request: Request, model: Model, number: int = 1) -> Manifest:
    """Return the manifest of a run that begins now: its chunks are those of the source as it is now.

    Args:
        job: the job.
        request: the run that is wanted.
        model: what the run predicts with.
        number: one more than that of the run before in the same sink.

    Raises:
        ConfigError: a setting of the job does not fit the source or the model.
        DataError: the source cannot be read.
    """
    id_key = model.contract.keys.id
    keys = job.keys if job.keys is not None else (id_key,) if id_key else ()
    if job.mode == "upsert" and not keys:
        raise ConfigError("mode: upsert needs `keys` of the job, or an id in the contract; name the columns")
    if job.source.database:
        reading = _plan_table(job, job.source.database, model, keys, request.run_id)
    else:
        reading = _plan_files(job, model, keys)
    return Manifest(
        run_id=request.run_id,
        job=request.name,
        number=number,
        started_at=datetime.now(UTC).replace(microsecond=0),
        source=job.source.shown,
        target=job.sink.table or job.sink.address,
        mode=job.mode,
        keys=tuple(keys),
        inputs=job.inputs,
        on_error=job.on_error,
        max_rejected=job.max_rejected,
        model_version=model.version,
        table=reading.table,
        key=reading.key,
        columns=reading.columns,
        result={name: str(kind) for name, kind in reading.result.items()},
        chunks=reading.chunks,
    )


def _plan_files(job: Job, model: Model, keys: Sequence[str]) -> Reading:
    chunks, found = split_files(job.source.address, job.source.dialect)
    schema = _complete(found, chunks, model.contract)
    result = plan_result(model, schema, keys, job.source.shown, inputs=job.inputs)
    return Reading(chunks, {name: name for name in (*keys, *model.contract.features)}, result)


def _plan_table(job: Job, database: Database, model: Model, keys: Sequence[str], run_id: str) -> Reading:
    source, wanted = job.source, [*dict.fromkeys((*keys, *model.contract.features))]
    with database.connect() as connection:
        key, table, schema = describe_source(connection, source, keys)
        result = plan_result(model, schema, keys, source.shown, inputs=job.inputs)
        numbers = [name for name in model.contract.features if name not in (*keys, key)]
        if not source.copied:
            columns = choose_columns(database, schema, wanted, numbers)
            unique = bool(source.table) and is_unique(connection, source.table or "", [key])
            return Reading(split_table(connection, table, key, unique=unique), columns, result, table, key)
        copied = choose_columns(database, schema, [*wanted, key], numbers)
        table = copy_table(connection, table, copied, run_id)
        chunks = split_table(connection, table, key, unique=False)
        name = name_copy(run_id)
        connection.execute(f"CREATE UNIQUE INDEX {quote(f'{name}_key')} ON {quote(name)} ({quote(key)})")
        return Reading(chunks, {name: quote(name) for name in wanted}, result, table, key)


def describe_source(connection: Connection, source: Source, keys: Sequence[str]) -> tuple[str, str, pa.Schema]:
    """Return the key that divides a source, what to read from, for a statement, and its columns.

    Raises:
        ConfigError: it has no such key, or two columns of one name.
    """
    query = f"({(source.query or '').rstrip().rstrip(';')}\n)"  # its last line may be a comment
    table = f"{connection.database.quote_table(source.table) if source.table else query} AS source"
    schema, key = connection.describe(table), source.key or next(iter(keys), None)
    if twice := [name for name, count in Counter(schema.names).items() if count > 1]:
        raise ConfigError(
            f"{source.shown} has {twice[0]!r} twice among its columns; name each column once in the query"
        )
    if key is None or key not in schema.names:
        raise ConfigError(
            f"{source.shown} has {'no column ' + repr(key) if key else 'no key'}; set source.key to a column that is "
            f"unique and never null; the columns are {list_names(schema.names)}"
        )
    return key, table, _settle_keys(connection, table, schema, [name for name in keys if name in schema.names])


def _settle_keys(connection: Connection, table: str, schema: pa.Schema, keys: Sequence[str]) -> pa.Schema:
    """Return the columns of a source with the types of keys in SQLite, where each value has one of its own."""
    if not connection.database.file or not keys:
        return schema
    tests = ", ".join(f"max(typeof({quote(name)}) NOT IN ('integer', 'null'))" for name in keys)
    (mixed,) = connection.execute(f"SELECT {tests} FROM {table}")
    for name, is_text in zip(keys, mixed, strict=True):
        kind = pa.string() if is_text else pa.int64()
        schema = schema.set(schema.get_field_index(name), pa.field(name, kind))
    return schema


def choose_columns(
    database: Database, schema: pa.Schema, names: Sequence[str], numbers: Sequence[str]
) -> dict[str, str]:
    """Return the expression to read each of these columns with; decimals become doubles where they are numbers."""
    present = pa.schema([schema.field(name) for name in dict.fromkeys(names)])
    return dict(zip(present.names, select_columns(database, present, numbers), strict=True))


def copy_table(connection: Connection, table: str, columns: Mapping[str, str], run_id: str) -> str:
    """Copy the rows of a source into a table of the run's own, and return its name for a statement."""
    own = quote(name_copy(run_id))
    with connection.transaction():
        connection.execute(f"DROP TABLE IF EXISTS {own}")
        connection.execute(f"CREATE TABLE {own} AS SELECT {', '.join(columns.values())} FROM {table}")
    return f"{own} AS source"


def drop_copy(source: Source, run_id: str) -> None:
    """Drop the table into which a run has copied its source."""
    if source.copied and source.database:
        with suppress(DataError), source.database.connect() as connection:  # it only takes room
            connection.execute(f"DROP TABLE IF EXISTS {quote(name_copy(run_id))}")


def name_copy(run_id: str) -> str:
    """Return the name of the table into which a run copies its source."""
    return f"{PREFIX}_source_{hashlib.sha256(run_id.encode()).hexdigest()[:12]}"


def _complete(schema: pa.Schema, chunks: Sequence[Chunk], contract: Contract) -> pa.Schema:
    """Return the columns of files, with those that JSON leaves out because they are null in the first rows."""
    if not any(isinstance(chunk, FilePart) and table_suffix(chunk.name) in LINES for chunk in chunks[:1]):
        return schema
    absent = [name for name, field in contract.features.items() if field.missing and name not in schema.names]
    return pa.schema([*schema, *((name, pa.null()) for name in absent)])
