"""A sink in a database: rows and progress in one transaction, and all rows visible by one more.

A run writes into a table of its own. `replace` then points a view to this table, so that readers see the old rows or
the new ones; `append` and `upsert` copy the rows into the sink's table, which lets the database check their types.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict

import pyarrow as pa

from {{ cookiecutter.__package_name }}_predict.errors import DataError, list_names

from ..databases import TYPES, Connection, ConnectionLostError, quote, quote_text
from .files import write_table
from .manifest import Counts, Manifest
from .results import plan_rejected
from .settings import Job, Place
from .stores import lock_file, refuse_second, restore_types

PREFIX = f"{(__package__ or '').partition('_batch')[0]}_batch"
LOCK_MILLISECONDS = 5000  # for a reader that holds a view or a table, before a run gives up for the moment
# the types of an existing table that take a column: of PostgreSQL, and the affinities of SQLite
# (https://www.sqlite.org/datatype3.html)
TAKES = {
    "int64": (("bigint", "integer", "smallint", "numeric"), ("INTEGER", "NUMERIC", "BLOB")),
    "double": (("double precision", "numeric"), ("REAL", "NUMERIC", "BLOB")),
    "string": (("text", "character varying"), ("TEXT", "BLOB")),
    "bool": (("boolean",), ("NUMERIC", "INTEGER", "BLOB")),
    "date32[day]": (("date",), ("TEXT", "NUMERIC", "BLOB")),
    "timestamp[us, tz=UTC]": (("timestamp with time zone",), ("TEXT", "NUMERIC", "BLOB")),
}
AFFINITIES = {
    "INT": "INTEGER",
    "CHAR": "TEXT",
    "CLOB": "TEXT",
    "TEXT": "TEXT",
    "BLOB": "BLOB",
    "REAL": "REAL",
    "FLOA": "REAL",
    "DOUBLE": "REAL",
}


class DatabaseStore:
    """The sink of a job in a database (see `Store`)."""

    def __init__(self, job: Job) -> None:
        """Use the sink of a job; nothing is opened yet."""
        if not (job.sink.database and job.sink.table):
            raise TypeError("the sink is no database")
        self._database, self._target, self._keep = job.sink.database, job.sink.table, job.sink.keep
        self._rejected: Place = job.rejected_place
        schema, point, _ = self._target.rpartition(".") if not self._database.file else ("", "", "")
        self._runs, self._chunks = (f"{schema}{point}{PREFIX}_{name}" for name in ("runs", "chunks"))
        self._opened: Connection | None = None

    @property
    def _connection(self) -> Connection:
        if self._opened is None:
            if self._database.file and not self._database.file.exists():
                self._database.file.parent.mkdir(parents=True, exist_ok=True)
                self._database.file.touch()
            self._opened = Connection.open(self._database)
            if self._database.file:
                self._opened.execute("PRAGMA journal_mode = WAL")  # readers and the writer do not wait for each other
            else:
                self._opened.execute(f"SET lock_timeout = {LOCK_MILLISECONDS}")
        return self._opened

    def close(self) -> None:
        """Close the connection."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def _table(self, name: str) -> str:
        return self._database.quote_table(name)

    def _own(self, run_id: str) -> str:
        """Return the name of a run's own table, which fits into the 63 bytes of PostgreSQL."""
        schema, point, name = self._target.rpartition(".") if not self._database.file else ("", "", self._target)
        digest = hashlib.sha256(run_id.encode()).hexdigest()[:12]
        short = name.encode()[:40].decode(errors="ignore")
        return f"{schema}{point}{short}__{digest}"

    def _own_rejected(self, run_id: str) -> str:
        return f"{self._own(run_id)}_rejected"

    @contextmanager
    def lock(self, job: str) -> Iterator[None]:
        """Keep other runs of a job out: by an advisory lock of PostgreSQL, or a file beside that of SQLite."""
        if file := self._database.file:
            with lock_file(file.with_name(f".{file.name}.{job}.lock"), job):
                self._prepare()
                yield
            return
        name = quote_text(f"{PREFIX} {self._target} {job}")
        with self._database.connect() as connection:  # it ends with its connection, however that ends
            if not connection.execute(f"SELECT pg_try_advisory_lock(hashtextextended({name}, 0))")[0][0]:
                raise refuse_second(job)
            self._prepare()
            yield

    def _prepare(self) -> None:
        """Create the tables of runs and of their progress."""
        blob = "BLOB" if self._database.file else "BYTEA"
        runs = (
            "run_id TEXT PRIMARY KEY, job TEXT NOT NULL, state TEXT NOT NULL, started_at TEXT NOT NULL, "
            f"finished_at TEXT, scored BIGINT, rejected BIGINT, model_version TEXT NOT NULL, manifest TEXT NOT NULL, "
            f"model {blob}"
        )
        chunks = "run_id TEXT, chunk BIGINT, counts TEXT NOT NULL, PRIMARY KEY (run_id, chunk)"
        with self._connection.transaction():
            if not self._database.file:
                self._connection.execute(f"SELECT pg_advisory_xact_lock(hashtextextended({quote_text(PREFIX)}, 0))")
            self._connection.execute(f"CREATE TABLE IF NOT EXISTS {self._table(self._runs)} ({runs})")
            self._connection.execute(f"CREATE TABLE IF NOT EXISTS {self._table(self._chunks)} ({chunks})")

    def check(self, manifest: Manifest) -> None:
        """Raise a DataError if the sink's table, or that of rejected rows, cannot take the rows of a run."""
        kind, columns = self._describe(self._target)
        if manifest.mode == "replace":
            if kind == "table":
                raise DataError(
                    f"{self._target} in {self._database.shown} is a table; replace makes a view of this name over a "
                    "table for each run, so that readers never see half of the rows; name another table, or rename "
                    "this one"
                )
            if kind == "view" and not self._database.file:
                self._compare_view(manifest.schema, columns)
        elif kind == "view":
            raise DataError(
                f"{self._target} in {self._database.shown} is a view, made by replace perhaps; {manifest.mode} needs a "
                "table: name another one"
            )
        elif kind:
            self._compare(self._target, manifest.schema, columns)
            if manifest.mode == "upsert" and not self._connection.is_unique(self._target, manifest.keys):
                raise DataError(
                    f"{self._target} in {self._database.shown} has no unique index on {list_names(manifest.keys)}, "
                    "which upsert needs; create one"
                )
        if self._rejected.table:
            kind, columns = self._describe(self._rejected.table)
            if kind:
                self._compare(self._rejected.table, plan_rejected(manifest.keys), columns)

    def _describe(self, name: str) -> tuple[str | None, dict[str, tuple[str, bool]]]:
        """Return whether a name is that of a table or a view, and its columns: type, and whether it needs a value."""
        if self._database.file:
            kinds = self._connection.execute("SELECT type FROM sqlite_master WHERE name = ?", name)
            rows = self._connection.execute(
                'SELECT name, type, "notnull" AND dflt_value IS NULL AND NOT pk FROM pragma_table_info(?)', name
            )
            found = {column: (_find_affinity(kind), bool(needed)) for column, kind, needed in rows}
            return (kinds[0][0] if kinds else None), found
        place = self._table(name)
        kinds = self._connection.execute("SELECT relkind::text FROM pg_class WHERE oid = to_regclass(?)", place)
        rows = self._connection.execute(
            "SELECT attname::text, format_type(atttypid, atttypmod), attnotnull AND NOT atthasdef AND attidentity = '' "
            "FROM pg_attribute WHERE attrelid = to_regclass(?) AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
            place,
        )
        kind = None if not kinds else "view" if kinds[0][0] in "vm" else "table"
        return kind, {column: (text, needed) for column, text, needed in rows}

    def _compare(self, name: str, schema: pa.Schema, columns: dict[str, tuple[str, bool]]) -> None:
        differences = list[str]()
        for field in schema:
            found = columns.get(field.name)
            wanted, takes = TYPES[field.type][self._database.file is not None], TAKES[str(field.type)]
            if found is None:
                differences.append(f"it has no column {field.name} ({wanted.lower()})")
            elif found[0].partition("(")[0] not in takes[self._database.file is not None]:
                differences.append(f"{field.name} is {found[0].lower()}, expected {wanted.lower()}")
        needed = [column for column, (_, needs) in columns.items() if needs and column not in schema.names]
        differences += [f"{column} needs a value, but a run writes none" for column in needed]
        if differences:
            raise DataError(
                f"{name} in {self._database.shown} does not fit: {list_names(differences)}; nothing was written: alter "
                "the table, or name another one"
            )

    def _compare_view(self, schema: pa.Schema, columns: dict[str, tuple[str, bool]]) -> None:
        wanted = [(field.name, TYPES[field.type][0].lower()) for field in schema]
        found = [(name, kind) for name, (kind, _) in columns.items()]
        if wanted[: len(found)] != found:
            raise DataError(
                f"the view {self._target} in {self._database.shown} does not fit: its columns are "
                f"{list_names(f'{name} {kind}' for name, kind in found)}; a run writes "
                f"{list_names(f'{name} {kind}' for name, kind in wanted)}; nothing was written: drop the view, or name "
                "another table"
            )

    def find(self, run_id: str) -> Manifest | None:
        """Return a run."""
        rows = self._connection.execute(f"SELECT manifest FROM {self._table(self._runs)} WHERE run_id = ?", run_id)
        return Manifest.model_validate_json(rows[0][0]) if rows else None

    def list_runs(self, job: str) -> list[Manifest]:
        """Return the runs of a job, newest first."""
        if not self._describe(self._runs)[0]:
            return []
        order = "ORDER BY started_at DESC, run_id DESC"
        statement = f"SELECT manifest FROM {self._table(self._runs)} WHERE job = ? {order}"
        return [Manifest.model_validate_json(text) for (text,) in self._connection.execute(statement, job)]

    def begin(self, manifest: Manifest, model: bytes) -> None:
        """Record a run and its model, and create its tables."""
        run_id = manifest.run_id
        own, own_rejected = self._own(run_id), self._own_rejected(run_id)
        with self._connection.transaction():
            for name in (own, own_rejected):
                self._connection.execute(f"DROP TABLE IF EXISTS {self._table(name)}")
            for table in (self._chunks, self._runs):
                self._connection.execute(f"DELETE FROM {self._table(table)} WHERE run_id = ?", run_id)
            self._connection.execute(self._database.create_table(own, manifest.schema))
            self._connection.execute(self._database.create_table(own_rejected, plan_rejected(manifest.keys)))
            values = (run_id, manifest.job, manifest.state, manifest.started_at.isoformat(), manifest.model_version)
            columns = "run_id, job, state, started_at, model_version, manifest, model"
            self._connection.execute(
                f"INSERT INTO {self._table(self._runs)} ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)",
                *values,
                manifest.model_dump_json(),
                model,
            )

    def read_model(self, run_id: str) -> bytes:
        """Return the model of a run that is not finished."""
        rows = self._connection.execute(f"SELECT model FROM {self._table(self._runs)} WHERE run_id = ?", run_id)
        return bytes(rows[0][0])

    def list_done(self, run_id: str) -> dict[int, Counts]:
        """Return the chunks that are written."""
        statement = f"SELECT chunk, counts FROM {self._table(self._chunks)} WHERE run_id = ?"
        return {int(chunk): Counts(**json.loads(text)) for chunk, text in self._connection.execute(statement, run_id)}

    def write(self, manifest: Manifest, number: int, result: pa.Table, rejected: pa.Table, counts: Counts) -> Counts:
        """Write a chunk with its counts in one transaction; if another process has done so, nothing."""
        run_id = manifest.run_id
        try:
            with self._connection.transaction():
                first = self._connection.execute(
                    f"INSERT INTO {self._table(self._chunks)} VALUES (?, ?, ?) ON CONFLICT DO NOTHING RETURNING chunk",
                    *(run_id, number, json.dumps(asdict(counts))),
                )
                if not first:
                    return self.list_done(run_id)[number]
                if result.num_rows:
                    self._connection.ingest(self._own(run_id), result)
                if rejected.num_rows:
                    self._connection.ingest(self._own_rejected(run_id), rejected)
        except ConnectionLostError:
            self.close()
            raise
        return counts

    def publish(self, manifest: Manifest) -> None:
        """Make the rows of a run visible by one transaction, and drop what is no longer needed."""
        with self._connection.transaction():
            if manifest.mode == "replace":
                self._point_view(self._own(manifest.run_id), manifest.schema)
            else:
                self._copy_rows(manifest)
            self._publish_rejected(manifest)
            self._record(manifest)
        self._drop_old(manifest)

    def _point_view(self, own: str, schema: pa.Schema) -> None:
        columns = ", ".join(map(quote, schema.names))
        view, table = self._table(self._target), self._table(own)
        if self._database.file:
            self._connection.execute(f"DROP VIEW IF EXISTS {view}")
        create = "CREATE VIEW" if self._database.file else "CREATE OR REPLACE VIEW"
        self._connection.execute(f"{create} {view} AS SELECT {columns} FROM {table}")

    def _copy_rows(self, manifest: Manifest) -> None:
        own, target = self._table(self._own(manifest.run_id)), self._table(self._target)
        names = list(map(quote, manifest.schema.names))
        keys = manifest.keys if manifest.mode == "upsert" else ()
        if not self._describe(self._target)[0]:
            self._connection.execute(self._database.create_table(self._target, manifest.schema, keys))
        conflict = ""
        if keys:
            self._refuse_twins(own, keys)
            changes = ", ".join(f"{name} = excluded.{name}" for name in names if name not in map(quote, keys))
            conflict = f" ON CONFLICT ({', '.join(map(quote, keys))}) DO UPDATE SET {changes}"
        columns = ", ".join(names)
        self._connection.execute(f"INSERT INTO {target} ({columns}) SELECT {columns} FROM {own} WHERE true{conflict}")
        self._connection.execute(f"DROP TABLE {own}")

    def _refuse_twins(self, own: str, keys: Sequence[str]) -> None:
        columns = ", ".join(map(quote, keys))
        twins = f"SELECT {columns}, count(*) FROM {own} GROUP BY {columns} HAVING count(*) > 1 LIMIT 1"
        if found := self._connection.execute(twins):
            *values, count = found[0]
            shown = list_names(f"{key} {value!r}" for key, value in zip(keys, values, strict=True))
            raise DataError(
                f"{count} rows of the source have {shown}; upsert needs keys that differ in each row: correct the "
                "source or the job's keys, then start this run anew with --restart"
            )

    def _publish_rejected(self, manifest: Manifest) -> None:
        own, schema = self._own_rejected(manifest.run_id), plan_rejected(manifest.keys)
        columns = ", ".join(map(quote, schema.names))
        if self._rejected.table:
            table = self._table(self._rejected.table)
            if not self._describe(self._rejected.table)[0]:
                self._connection.execute(self._database.create_table(self._rejected.table, schema))
            self._connection.execute(f"DELETE FROM {table} WHERE run_id = ?", manifest.run_id)
            self._connection.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {self._table(own)}")
        else:
            rows = self._connection.read(f"SELECT {columns} FROM {self._table(own)}")
            write_table(self._rejected.address, [rows.cast(schema)], schema)
        self._connection.execute(f"DROP TABLE {self._table(own)}")

    def _record(self, manifest: Manifest) -> None:
        """Record the end of a run, and forget its progress and its model."""
        counts = manifest.counts
        self._connection.execute(
            f"UPDATE {self._table(self._runs)} SET state = ?, finished_at = ?, scored = ?, rejected = ?, manifest = ?, "
            "model = NULL WHERE run_id = ?",
            *(manifest.state, manifest.finished_at.isoformat() if manifest.finished_at else None),
            *(counts.scored, counts.rejected, manifest.model_dump_json(), manifest.run_id),
        )
        self._connection.execute(f"DELETE FROM {self._table(self._chunks)} WHERE run_id = ?", manifest.run_id)

    def _drop_old(self, manifest: Manifest) -> None:
        """Drop the tables of runs before the last few; a reader that holds one keeps it until the next run."""
        if manifest.mode != "replace":
            return
        others = [run for run in self.list_runs(manifest.job) if run.mode == "replace" and run.state != "running"]
        visible = [run for run in others if run.state == "finished"]
        for run in (*visible[self._keep + 1 :], *(run for run in others if run.state == "undone")):
            with suppress(DataError):
                self._connection.execute(f"DROP TABLE IF EXISTS {self._table(self._own(run.run_id))}")

    def fail(self, manifest: Manifest) -> None:
        """Publish the rejected rows of a run, and drop its other ones."""
        with self._connection.transaction():
            self._publish_rejected(manifest)
            self._connection.execute(f"DROP TABLE {self._table(self._own(manifest.run_id))}")
            self._record(manifest)

    def undo(self, manifest: Manifest) -> str:
        """Point the view to the run before, or delete the rows that a run has appended."""
        if manifest.mode == "upsert":
            raise DataError(
                f"{manifest.run_id} has replaced rows of {self._target}, which are not kept; score the earlier source "
                "again, or use replace, which keeps earlier results"
            )
        ended = manifest.model_copy(update={"state": "undone"})
        if manifest.mode == "append":
            with self._connection.transaction():
                self._connection.execute(f"DELETE FROM {self._table(self._target)} WHERE run_id = ?", manifest.run_id)
                self._record(ended)
            return f"the rows of {manifest.run_id} are deleted"
        before = self._find_before(manifest)
        with self._connection.transaction():
            self._point_view(self._own(before.run_id), before.schema)
            self._record(ended)
        return f"{self._target} shows {before.run_id}"

    def _find_before(self, manifest: Manifest) -> Manifest:
        runs = self.list_runs(manifest.job)
        earlier = runs[[run.run_id for run in runs].index(manifest.run_id) + 1 :]
        for run in earlier:
            if run.state == "finished" and run.mode == "replace" and self._describe(self._own(run.run_id))[0]:
                return run
        raise DataError(f"there is no result before {manifest.run_id} to go back to; {self._keep} are kept (sink.keep)")

    def read_published(self, manifest: Manifest, most: int) -> pa.Table:
        """Return at most so many rows of a finished run, drawn at random."""
        columns = ", ".join(map(quote, manifest.schema.names))
        own = self._own(manifest.run_id) if manifest.mode == "replace" else self._target
        where = f"WHERE run_id = {quote_text(manifest.run_id)} ORDER BY random() LIMIT {most}"
        table = self._connection.read(f"SELECT {columns} FROM {self._table(own)} {where}")
        return restore_types(table, manifest.schema)


def _find_affinity(kind: str) -> str:
    found = (affinity for part, affinity in AFFINITIES.items() if part in kind.upper())
    return next(found, "NUMERIC") if kind else "BLOB"
