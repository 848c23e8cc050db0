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

from ..databases import Connection, ConnectionLostError, quote, quote_text
from .catalogue import describe, is_unique, require_fit, require_same_columns
from .files import write_table, writing
from .manifest import Counts, Manifest
from .results import plan_rejected
from .settings import Job
from .stores import lock_file, refuse_second, restore_types

PREFIX = f"{(__package__ or '').partition('_batch')[0]}_batch"
LOCK_MILLISECONDS = 5000  # for a reader that holds a view or a table, before a run tries again
LONGEST_NAME = 40  # bytes of a table's name that are part of those of a run's own; PostgreSQL allows 63


class DatabaseStore:
    """The sink of a job in a database (see `Store`)."""

    def __init__(self, job: Job) -> None:
        """Use the sink of a job; nothing is opened yet."""
        if not (job.sink.database and job.sink.table):
            raise TypeError("the sink is no database")
        self._database, self._target, self._keep = job.sink.database, job.sink.table, job.sink.keep
        self._rejected = job.rejected_place
        schema, _ = self._database.split_name(self._target)
        self._runs, self._chunks = (".".join(filter(None, (schema, f"{PREFIX}_{name}"))) for name in ("runs", "chunks"))
        self._opened: Connection | None = None

    @property
    def _connection(self) -> Connection:
        if self._opened is None:
            if self._database.file and not self._database.file.exists():
                with writing(str(self._database.file)):
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

    def _name_own(self, manifest: Manifest) -> str:
        """Return the name of the table that a run has for itself."""
        schema, name = self._database.split_name(manifest.target)
        digest = hashlib.sha256(manifest.run_id.encode()).hexdigest()[:12]
        short = name.encode()[:LONGEST_NAME].decode(errors="ignore")
        return ".".join(filter(None, (schema, f"{short}__{digest}")))

    def _name_own_rejected(self, manifest: Manifest) -> str:
        return f"{self._name_own(manifest)}_rejected"

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
        where, found = f"{self._target} in {self._database.shown}", describe(self._connection, self._target)
        if found and manifest.mode == "replace":
            if not found.is_view:
                raise DataError(
                    f"{where} is a table, but replace creates a view of this name; rename the table, or choose another "
                    "name"
                )
            if not any(run.target == self._target and run.mode == "replace" for run in self.list_runs()):
                raise DataError(f"{where} is a view that no job has made; drop it, or choose another name")
            if not self._database.file:
                require_same_columns(self._connection, self._target, found, manifest.schema)
        elif found:
            if found.is_view:
                raise DataError(
                    f"{where} is a view (perhaps from mode: replace), but {manifest.mode} needs a table; choose "
                    "another name"
                )
            require_fit(self._connection, self._target, found, manifest.schema)
            if manifest.mode == "upsert" and not is_unique(self._connection, self._target, manifest.keys):
                raise DataError(
                    f"{where} has no unique index on {list_names(manifest.keys)}, which upsert needs; create one"
                )
        if self._rejected.table and (found := describe(self._connection, self._rejected.table)):
            require_fit(self._connection, self._rejected.table, found, plan_rejected(manifest.keys))

    def find(self, run_id: str) -> Manifest | None:
        """Return a run."""
        rows = self._connection.execute(f"SELECT manifest FROM {self._table(self._runs)} WHERE run_id = ?", run_id)
        return Manifest.model_validate_json(rows[0][0]) if rows else None

    def list_runs(self, job: str | None = None) -> list[Manifest]:
        """Return the runs of a job, or of all jobs with this sink, newest first."""
        if self._database.file and not self._database.file.exists():
            return []
        if not describe(self._connection, self._runs):
            return []
        rows = self._connection.execute(f"SELECT manifest FROM {self._table(self._runs)}")
        runs = [Manifest.model_validate_json(text) for (text,) in rows]
        return sorted(
            (run for run in runs if job in (None, run.job)), key=lambda run: (run.number, run.started_at), reverse=True
        )

    def begin(self, manifest: Manifest, model: bytes) -> None:
        """Record a run and its model, and create its tables."""
        own, own_rejected = self._name_own(manifest), self._name_own_rejected(manifest)
        with self._connection.transaction():
            for name in (own, own_rejected):
                self._connection.execute(f"DROP TABLE IF EXISTS {self._table(name)}")
            for table in (self._chunks, self._runs):
                self._connection.execute(f"DELETE FROM {self._table(table)} WHERE run_id = ?", manifest.run_id)
            self._connection.execute(self._database.create_table(own, manifest.schema))
            self._connection.execute(self._database.create_table(own_rejected, plan_rejected(manifest.keys)))
            columns = "run_id, job, state, started_at, model_version, manifest, model"
            self._connection.execute(
                f"INSERT INTO {self._table(self._runs)} ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)",
                *(manifest.run_id, manifest.job, manifest.state, manifest.started_at.isoformat()),
                *(manifest.model_version, manifest.model_dump_json(), model),
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
                    self._connection.ingest(self._name_own(manifest), result)
                if rejected.num_rows:
                    self._connection.ingest(self._name_own_rejected(manifest), rejected)
        except ConnectionLostError:
            self.close()
            raise
        return counts

    def publish(self, manifest: Manifest) -> None:
        """Make the rows of a run visible by one transaction, and drop what is no longer needed."""
        with self._connection.transaction():
            if manifest.mode == "replace":
                self._point_view(manifest)
            else:
                self._copy_rows(manifest)
            self._publish_rejected(manifest)
            self._record(manifest)
        if manifest.mode == "replace":
            self._drop_old(manifest)

    def _point_view(self, manifest: Manifest, *, anew: bool = False) -> None:
        """Point the view to the table of a run; PostgreSQL can add columns to a view, and else needs it made anew."""
        columns, view = ", ".join(map(quote, manifest.schema.names)), self._table(manifest.target)
        grants = self._list_grants(manifest.target) if anew else []
        if self._database.file or anew:
            self._connection.execute(f"DROP VIEW IF EXISTS {view}")
        create = "CREATE VIEW" if self._database.file else "CREATE OR REPLACE VIEW"
        own = self._table(self._name_own(manifest))
        self._connection.execute(f"{create} {view} AS SELECT {columns} FROM {own}")
        for grant in grants:
            self._connection.execute(grant)

    def _list_grants(self, name: str) -> list[str]:
        """Return the statements that grant the rights on a view which others have now."""
        if self._database.file:
            return []
        rows = self._connection.execute(
            "SELECT privilege_type, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END "
            "FROM pg_class, aclexplode(relacl) WHERE oid = to_regclass(?) AND grantee <> relowner",
            self._table(name),
        )
        return [f"GRANT {privilege} ON {self._table(name)} TO {grantee}" for privilege, grantee in rows]

    def _copy_rows(self, manifest: Manifest) -> None:
        own, target = self._table(self._name_own(manifest)), self._table(manifest.target)
        names = list(map(quote, manifest.schema.names))
        keys = manifest.keys if manifest.mode == "upsert" else ()
        if not describe(self._connection, manifest.target):
            self._connection.execute(self._database.create_table(manifest.target, manifest.schema, keys))
        conflict = ""
        if keys:
            self._refuse_duplicates(own, keys)
            changes = ", ".join(f"{name} = excluded.{name}" for name in names if name not in map(quote, keys))
            conflict = f" ON CONFLICT ({', '.join(map(quote, keys))}) DO UPDATE SET {changes}"
        columns = ", ".join(names)
        self._connection.execute(f"INSERT INTO {target} ({columns}) SELECT {columns} FROM {own} WHERE true{conflict}")
        self._connection.execute(f"DROP TABLE {own}")

    def _refuse_duplicates(self, own: str, keys: Sequence[str]) -> None:
        columns = ", ".join(map(quote, keys))
        duplicates = f"SELECT {columns}, count(*) FROM {own} GROUP BY {columns} HAVING count(*) > 1 LIMIT 1"
        if found := self._connection.execute(duplicates):
            *values, count = found[0]
            shown = list_names(f"{key} {value!r}" for key, value in zip(keys, values, strict=True))
            raise DataError(
                f"{count} rows of the source share {shown}; upsert needs unique keys; correct the source or `keys`, "
                "then run this again with --restart"
            )

    def _publish_rejected(self, manifest: Manifest) -> None:
        own, schema = self._name_own_rejected(manifest), plan_rejected(manifest.keys)
        columns = ", ".join(map(quote, schema.names))
        if not describe(self._connection, own):  # somebody has dropped it
            return
        if self._rejected.table:
            table = self._table(self._rejected.table)
            if not describe(self._connection, self._rejected.table):
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
        ended = [run for run in self.list_runs() if run.target == manifest.target and run.mode == "replace"]
        visible = [run for run in ended if run.state == "finished" and run.run_id != manifest.run_id]
        for run in (*visible[self._keep :], *(run for run in ended if run.state == "undone")):
            with suppress(DataError):
                self._connection.execute(f"DROP TABLE IF EXISTS {self._table(self._name_own(run))}")

    def fail(self, manifest: Manifest) -> None:
        """Publish the rejected rows of a run, and drop its other ones."""
        with self._connection.transaction():
            self._publish_rejected(manifest)
            self._connection.execute(f"DROP TABLE IF EXISTS {self._table(self._name_own(manifest))}")
            self._record(manifest)

    def undo(self, manifest: Manifest) -> str:
        """Point the view to the run before, or delete the rows that a run has appended."""
        if manifest.mode == "upsert":
            raise DataError(
                f"{manifest.run_id} has updated rows of {manifest.target}, whose earlier values are not kept; score "
                "the earlier source again, or use replace, which keeps earlier results"
            )
        ended = manifest.model_copy(update={"state": "undone"})
        if manifest.mode == "append":
            with self._connection.transaction():
                self._connection.execute(
                    f"DELETE FROM {self._table(manifest.target)} WHERE run_id = ?", manifest.run_id
                )
                self._record(ended)
            return f"its rows in {manifest.target} are deleted"
        before = self._find_before(manifest)
        with self._connection.transaction():
            self._point_view(before, anew=True)
            self._record(ended)
        return f"{manifest.target} shows {before.run_id}"

    def _find_before(self, manifest: Manifest) -> Manifest:
        for run in self.list_runs():
            earlier = run.number < manifest.number and run.state == "finished" and run.mode == "replace"
            if earlier and run.target == manifest.target and describe(self._connection, self._name_own(run)):
                return run
        raise DataError(f"there is no earlier result than {manifest.run_id} to roll back to; sink.keep is {self._keep}")

    def read_published(self, manifest: Manifest, most: int) -> pa.Table:
        """Return at most `most` rows of a finished run, drawn at random."""
        columns = ", ".join(map(quote, manifest.schema.names))
        own = self._name_own(manifest) if manifest.mode == "replace" else manifest.target
        where = f"WHERE run_id = {quote_text(manifest.run_id)} ORDER BY random() LIMIT {most}"
        table = self._connection.read(f"SELECT {columns} FROM {self._table(own)} {where}", mixed=False)
        return restore_types(table, manifest.schema)
