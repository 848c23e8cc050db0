"""Tables in SQLite and PostgreSQL, read and written as Arrow through ADBC.

A process must not open one SQLite file through ADBC and through Python's `sqlite3`: each has its own copy of SQLite,
and one would release the locks of the other.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import adbc_driver_manager as adbc
import adbc_driver_postgresql.dbapi
import adbc_driver_sqlite.dbapi
import pyarrow as pa
import pyarrow.compute as pc

from {{ cookiecutter.__package_name }}_predict.errors import DataError

from .addresses import find_secrets, hide_secrets

SCHEMES = ("sqlite", "postgresql")
BUSY_MILLISECONDS = 60_000
ROWS_AT_ONCE = 100_000
BYTES_AT_ONCE = 16 << 20
INGEST_ROWS = 20_000
MOMENT = pa.timestamp("us", "UTC")
# the types of the columns that this package writes; SQLite has no dates, so they are text in ISO 8601
TYPES: dict[pa.DataType, tuple[str, str]] = {
    pa.int64(): ("BIGINT", "INTEGER"),
    pa.float64(): ("DOUBLE PRECISION", "REAL"),
    pa.string(): ("TEXT", "TEXT"),
    pa.bool_(): ("BOOLEAN", "BOOLEAN"),
    pa.date32(): ("DATE", "TEXT"),
    MOMENT: ("TIMESTAMP WITH TIME ZONE", "TEXT"),
}
# what PostgreSQL's COPY gives as Arrow without loss; all other types are converted by the server
NUMBERS = ("int2", "int4", "int8", "float4", "float8")
PLAIN = (*NUMBERS, "bool", "text", "varchar", "name", "date", "timestamp", "timestamptz")
# https://www.postgresql.org/docs/current/errcodes-appendix.html: connections that end, a server that starts or stops,
# too many connections, deadlocks, locks that others hold; 08P01 is no lost connection, but data that it cannot read
TRANSIENT = re.compile(r"08(?!P01)|57P0[1-5]|53300|40001|40P01|55P03")
SQLITE_BUSY = (5, 6)  # https://www.sqlite.org/rescode.html
MARK = re.compile(r"""\"[^\"]*\"|'[^']*'|\?""")  # that stands for a value, where it is not part of a name or a string
Rows = list[tuple[Any, ...]]


class ConnectionLostError(DataError):
    """The database did not answer, or ended the connection; retrying may succeed."""


@dataclass(frozen=True)
class Database:
    """A database, by its address: `sqlite:///path` or `postgresql://user@host/database`."""

    address: str

    @property
    def shown(self) -> str:
        """The address without its password."""
        return hide_secrets(self.address)

    @property
    def file(self) -> Path | None:
        """The file of a SQLite database."""
        return Path(self.address.partition("://")[2][1:]) if self.address.startswith("sqlite:") else None

    def split_name(self, name: str) -> tuple[str, str]:
        """Return the schema of a table, or an empty one, and its name; in PostgreSQL, it may be `schema.table`."""
        schema, point, bare = name.partition(".")
        return (schema, bare) if point and not self.file else ("", name)

    def quote_table(self, name: str) -> str:
        """Return a quoted table name."""
        return ".".join(map(quote, filter(None, self.split_name(name))))

    def create_table(self, name: str, schema: pa.Schema, keys: Sequence[str] = ()) -> str:
        """Return the statement that creates a table."""
        columns = [
            f"{quote(field.name)} {TYPES[field.type][self.file is not None]}{' NOT NULL' if field.name in keys else ''}"
            for field in schema
        ]
        primary = [f"PRIMARY KEY ({', '.join(map(quote, keys))})"] if keys else []
        return f"CREATE TABLE {self.quote_table(name)} ({', '.join([*columns, *primary])})"

    @contextmanager
    def connect(self) -> "Iterator[Connection]":
        """Yield a connection, which is closed at the end (see `Connection.open` for errors)."""
        connection = Connection.open(self)
        try:
            yield connection
        finally:
            connection.close()


def is_database(address: str) -> bool:
    """Return whether an address is that of a database."""
    return urlsplit(address).scheme in SCHEMES


def quote(name: str) -> str:
    """Return a quoted name for a statement."""
    return '"' + name.replace('"', '""') + '"'


def quote_text(text: str) -> str:
    """Return a quoted string for a statement."""
    return "'" + text.replace("'", "''") + "'"


class Connection:
    """A connection to a database in autocommit mode."""

    def __init__(self, database: Database, connection: Any) -> None:
        """Use an open connection of ADBC."""
        self.database = database
        self._connection = connection
        self._in_transaction = False

    @classmethod
    def open(cls, database: Database) -> Self:
        """Connect.

        Raises:
            ConnectionLostError: the database does not answer.
            DataError: it cannot be opened.
        """
        if database.file and not database.file.exists():  # SQLite would create it
            raise DataError(f"there is no database {database.file}; correct the address, or create it first")
        with _converted(database):
            if database.file:
                connection = cls(database, adbc_driver_sqlite.dbapi.connect(str(database.file), autocommit=True))
                connection.execute(f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}")
                return connection
            connection = cls(database, adbc_driver_postgresql.dbapi.connect(database.address, autocommit=True))
            for setting in ("TIME ZONE 'UTC'", "datestyle TO 'ISO'", "extra_float_digits TO 1"):
                connection.execute(f"SET {setting}")
            return connection

    def execute(self, statement: str, *values: object) -> Rows:
        """Run one statement, and return its rows; each value stands for a `?`."""
        if values and not self.database.file:
            numbers = count(1)
            statement = MARK.sub(lambda found: f"${next(numbers)}" if found[0] == "?" else found[0], statement)
        with _converted(self.database), self._cursor() as cursor:
            cursor.execute(statement, values or None)
            return list(cursor.fetchall()) if cursor.description else []

    def describe(self, query: str) -> pa.Schema:
        """Return the columns of a query as the driver gives them; in SQLite, with the types of the first row."""
        with _converted(self.database), self._cursor() as cursor:
            cursor.execute(f"SELECT * FROM {query} LIMIT {1 if self.database.file else 0}")
            return cursor.fetch_arrow_table().schema

    def read(self, statement: str, *, mixed: bool = True) -> pa.Table:
        """Return the rows of a query that fit into memory.

        Args:
            statement: the query; in SQLite, it is read several times if it has columns that mix text and numbers.
            mixed: whether there may be such columns.
        """
        if not self.database.file or not mixed:
            return self._read(statement)
        if self._in_transaction:
            return self._read_exactly(self._read(statement), statement)
        self.execute("BEGIN")  # so that all of its readings see the same rows
        try:
            return self._read_exactly(self._read(statement), statement)
        finally:
            self.execute("COMMIT")

    def _read(self, statement: str) -> pa.Table:
        with _converted(self.database), self._cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetch_arrow_table()

    def stream(self, statement: str) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a query in PostgreSQL."""
        with _converted(self.database), self._cursor() as cursor:
            cursor.execute(statement)
            yield from cursor.fetch_record_batch()

    def ingest(self, name: str, table: pa.Table) -> None:
        """Append rows to a table that `create_table` has made for their columns: types are not compared here."""
        schema, last = self.database.split_name(name)
        if self.database.file:
            table = _write_moments(table)
        with _converted(self.database), self._cursor() as cursor:
            batches = table.to_batches(max_chunksize=INGEST_ROWS)
            reader = pa.RecordBatchReader.from_batches(table.schema, batches)
            cursor.adbc_ingest(last, reader, mode="append", db_schema_name=schema or None)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what happens within the context, or nothing if there is an error; in SQLite, other writers wait."""
        self.execute("BEGIN IMMEDIATE" if self.database.file else "BEGIN")
        self._in_transaction = True
        try:
            yield
            self.execute("COMMIT")
        except BaseException:
            with suppress(DataError):  # the connection may be gone, and the transaction with it
                self.execute("ROLLBACK")
            raise
        finally:
            self._in_transaction = False

    def close(self) -> None:
        """Close the connection, whatever state it is in."""
        with suppress(adbc.Error, RuntimeError):
            self._connection.close()

    @contextmanager
    def _cursor(self) -> Iterator[Any]:
        options = {"adbc.sqlite.query.batch_rows": str(ROWS_AT_ONCE)}  # the driver infers types from this many rows
        if not self.database.file:
            options = {"adbc.postgresql.batch_size_hint_bytes": str(BYTES_AT_ONCE)}
        cursor = self._connection.cursor(adbc_stmt_kwargs=options)
        try:
            yield cursor
        finally:
            cursor.close()

    def _read_exactly(self, table: pa.Table, statement: str) -> pa.Table:
        """Return a table with exact numbers: the driver cuts those beside text in a column to six digits."""
        texts = [name for name, kind in zip(table.column_names, table.schema.types, strict=True) if kind == pa.string()]
        if not texts:
            return table
        reals = ", ".join(f"max(typeof({quote(name)}) = 'real')" for name in texts)
        found = self.execute(f"SELECT {reals} FROM ({statement})")[0]
        for name, has_reals in zip(texts, found, strict=True):
            if has_reals:
                column = quote(name)
                parts = (f"CASE WHEN typeof({column}) {sign} 'real' THEN {column} END" for sign in ("=", "<>"))
                split = self._read(f"SELECT {', '.join(parts)} FROM ({statement})")
                numbers, others = (part.cast(pa.string()) for part in split.columns)
                exact = pc.coalesce(numbers, others)
                table = table.set_column(table.column_names.index(name), name, exact)
        return table


def select_columns(database: Database, schema: pa.Schema, numbers: Sequence[str] = ()) -> list[str]:
    """Return an expression for each column that `describe` found; the server converts what Arrow would change.

    Decimals become doubles where they are among `numbers`, and all other types become text.
    """
    if database.file:
        return [quote(name) for name in schema.names]
    kinds = [(field.metadata or {}).get(b"POSTGRESQL:type", b"").decode() for field in schema]
    return [
        column
        if kind in PLAIN
        else f"{column}::{'float8' if kind == 'numeric' and name in numbers else 'text'} AS {column}"
        for name, column, kind in zip(schema.names, map(quote, schema.names), kinds, strict=True)
    ]


def _write_moments(table: pa.Table) -> pa.Table:
    """Return a table with times as text in ISO 8601, in UTC: the driver would leave out the zone."""
    for index, field in enumerate(table.schema):
        if field.type == MOMENT:
            texts = pc.strftime(table.column(index), "%Y-%m-%dT%H:%M:%SZ")
            table = table.set_column(index, field.name, texts)
    return table


@contextmanager
def _converted(database: Database) -> Iterator[None]:
    """Convert the errors of the driver into one that names the database.

    Raises:
        ConnectionLostError: retrying may succeed.
        DataError: it would not.
    """
    try:
        yield
    except (adbc.Error, OSError) as error:
        message = re.split(r"\n+query(?: was)?:|SQLSTATE:", str(error), flags=re.IGNORECASE)[0]
        for secret in find_secrets(database.address):
            message = message.replace(secret, "***")
        for mark in ("[libpq] ", "[SQLite] ", "ERROR: ", "FATAL: "):  # what the driver says before
            message = message.rpartition(mark)[2]
        reason = " ".join(message.split()).rstrip(" .")
        if _is_transient(error, database):
            what, check = (
                ("is locked", "no other process holds it") if database.file else ("does not answer", "it is running")
            )
            raise ConnectionLostError(
                f"{database.shown} {what} ({reason}); check that {check}, then run this again"
            ) from error
        raise DataError(
            f"{database.shown} reported: {reason}; check the query, the permissions and the table"
        ) from error


def _is_transient(error: adbc.Error | OSError, database: Database) -> bool:
    if database.file:
        return getattr(error, "vendor_code", None) in SQLITE_BUSY
    if state := getattr(error, "sqlstate", None):
        return TRANSIENT.match(state) is not None
    return isinstance(error, OSError) or error.status_code == adbc.AdbcStatusCode.IO
