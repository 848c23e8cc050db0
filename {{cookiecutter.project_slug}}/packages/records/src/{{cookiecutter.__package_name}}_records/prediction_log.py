"""The prediction log, in SQLite or PostgreSQL: predictions, and their numbers by minute and hour."""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from pydantic_core import to_json
from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Connection,
    DateTime,
    Engine,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    event,
    func,
    insert,
    make_url,
    select,
    true,
)
from sqlalchemy.types import TypeEngine

CONNECT_ARGS = {  # to notice an unresponsive database; https://www.postgresql.org/docs/current/libpq-connect.html
    "connect_timeout": 5,
    "tcp_user_timeout": 10_000,
    "options": "-c statement_timeout=30000",
}

NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")  # escaped, where the backslash before it is not
MOST_VARIABLES = 32_766  # https://www.sqlite.org/limits.html
ADVISORY_LOCK = 7_029_551_840_623_395_104  # any number that no other program takes

METADATA = MetaData()
PREDICTIONS = Table(
    "predictions",
    METADATA,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False, index=True, comment="when the answer was made, UTC"),
    Column("request_id", String(64), nullable=False, index=True),
    Column("row", Integer, nullable=False, comment="which instance of the request, from zero"),
    Column("model_version", String(12), nullable=False),
    Column("milliseconds", Float, nullable=False, comment="from the request's head to its predictions"),
    Column("inputs", JSON, nullable=False),
    Column("label", String, comment="the class predicted"),
    Column("value", Float, comment="the number predicted"),
    Column("probabilities", JSON, comment="of each class"),
    Column("unusual", String, comment="the names of the fields whose values are unusual, as a list in JSON"),
)
PERIODS = Table(
    "prediction_periods",
    METADATA,
    Column("seconds", Integer, primary_key=True, comment="how long the period is: 60 or 3600"),
    Column("start", BigInteger, primary_key=True, comment="when it begins, in seconds since 1970"),
    Column("model_version", String(12), primary_key=True),
    Column("requests", BigInteger, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("milliseconds", Float, nullable=False, comment="the sum over the requests"),
    Column("slowest", Float, nullable=False, comment="the milliseconds of the slowest request"),
    Column("total", Float, nullable=False, comment="the sum of the predicted numbers"),
    Column("lowest", Float, comment="the lowest predicted number"),
    Column("highest", Float, comment="the highest predicted number"),
)
COUNTS = Table(
    "prediction_counts",
    METADATA,
    Column("seconds", Integer, primary_key=True),
    Column("start", BigInteger, primary_key=True),
    Column("model_version", String(12), primary_key=True),
    Column("kind", String(10), primary_key=True, comment="latency, label, decile or unusual"),
    Column("name", String, primary_key=True, comment="the bound, the class, the decile or the field"),
    Column("count", BigInteger, nullable=False, comment="requests by latency, and rows by the rest"),
)


def connect(url: str) -> Engine:
    """Return an engine for SQLite or PostgreSQL, without connecting yet."""
    address = make_url(url)
    dumps = {"json_serializer": _write_json}
    if address.get_backend_name() == "sqlite":
        engine = create_engine(address, **dumps, connect_args={"timeout": 10})
        event.listen(engine, "connect", _share_sqlite)
        return engine
    address = address.set(drivername="postgresql+psycopg")
    return create_engine(address, **dumps, connect_args=CONNECT_ARGS, pool_pre_ping=True)


def _write_json(value: object) -> str:
    """Return JSON without U+0000, which no operator of PostgreSQL can read, not even in another row's search."""
    text = to_json(value).decode()
    return NUL.sub(r"\1\\ufffd", text) if "\\u0000" in text else text


def _share_sqlite(connection: Any, _: object) -> None:  # a connection of any driver
    """Allow several processes to read and write; https://www.sqlite.org/wal.html."""
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")


def prepare_table(engine: Engine) -> tuple[str | None, str] | None:
    """Create the table, or add the columns that it lacks; one process does so, and others wait.

    A table that a newer version of the service has prepared is left as it is: it has all columns that this one knows.

    Returns:
        The version of the table before (None if there was none) and after; None if nothing was to be done.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database does not answer, or refuses.
    """
    sqlite = engine.url.get_backend_name() == "sqlite"
    if sqlite and engine.url.database:
        Path(engine.url.database).parent.mkdir(parents=True, exist_ok=True)
    config = Config(attributes={"connection": None})
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    scripts = ScriptDirectory.from_config(config)
    newest, known = scripts.get_current_head(), {script.revision for script in scripts.walk_revisions()}
    with _locked(engine) as connection:
        before = MigrationContext.configure(connection).get_current_revision()
        if newest is None or before == newest or (before is not None and before not in known):
            return None
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        return before, newest


def insert_predictions(connection: Connection, records: Sequence[Mapping[str, object]]) -> None:
    """Insert rows into the table of predictions, all with the same columns.

    SQLite gets many rows with each statement: while it works, other threads run, and would be asked to stop after each.
    """
    if connection.dialect.name != "sqlite":
        connection.execute(insert(PREDICTIONS), records)
        return
    statement = insert(PREDICTIONS).compile(dialect=connection.dialect, column_keys=list(records[0]))
    names = statement.positiontup or ()
    head, _, row = str(statement).partition(" VALUES ")
    columns = [(name, _prepare(PREDICTIONS.c[name].type, connection)) for name in names]
    for start in range(0, len(records), step := MOST_VARIABLES // len(names)):
        part = records[start : start + step]
        values = [prepare(record[name]) for record in part for name, prepare in columns]
        connection.exec_driver_sql(f"{head} VALUES {', '.join([row] * len(part))}", tuple(values))


def _prepare(kind: TypeEngine[Any], connection: Connection) -> Callable[[object], object]:
    """Return what turns a value of a type into one that the driver accepts."""
    found = kind.dialect_impl(connection.dialect).bind_processor(connection.dialect)
    return found or (lambda value: value)


@contextmanager
def limited_time(connection: Connection, seconds: float) -> Iterator[None]:
    """Have the database end the queries within the context once so many seconds have passed."""
    if connection.dialect.name != "sqlite":
        connection.execute(select(func.set_config("statement_timeout", str(int(seconds * 1000)), true())))
        yield  # the setting ends with the transaction
        return
    deadline = time.monotonic() + seconds
    driver: Any = connection.connection.driver_connection
    driver.set_progress_handler(lambda: time.monotonic() > deadline, 10_000)
    try:
        yield
    finally:
        driver.set_progress_handler(None, 0)


@contextmanager
def _locked(engine: Engine) -> Iterator[Connection]:
    """Connect, and hold a transaction that no other process can begin in the same way."""
    if engine.url.get_backend_name() != "sqlite":
        with engine.begin() as connection:
            connection.execute(select(func.pg_advisory_xact_lock(ADVISORY_LOCK)))
            yield connection
        return
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # the driver's own transactions leave out changes of a table
        try:
            yield connection
            connection.exec_driver_sql("COMMIT")
        except BaseException:
            connection.exec_driver_sql("ROLLBACK")
            raise
