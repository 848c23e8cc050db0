"""The prediction log: a SQL table of predictions, in SQLite or PostgreSQL."""

from pathlib import Path
from typing import Any

from pydantic_core import to_json
from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    DateTime,
    Engine,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    event,
    inspect,
    make_url,
)
from sqlalchemy.exc import SQLAlchemyError

CONNECT_ARGS = {  # to notice an unresponsive database; https://www.postgresql.org/docs/current/libpq-connect.html
    "connect_timeout": 5,
    "tcp_user_timeout": 10_000,
    "options": "-c statement_timeout=30000",
}

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
)


def connect(url: str) -> Engine:
    """Return an engine for SQLite or PostgreSQL, without connecting yet."""
    address = make_url(url)
    dumps = {"json_serializer": lambda value: to_json(value).decode()}
    if address.get_backend_name() == "sqlite":
        engine = create_engine(address, **dumps, connect_args={"timeout": 10})
        event.listen(engine, "connect", _share_sqlite)
        return engine
    address = address.set(drivername="postgresql+psycopg")
    return create_engine(address, **dumps, connect_args=CONNECT_ARGS, pool_pre_ping=True)


def _share_sqlite(connection: Any, _: object) -> None:  # a connection of any driver
    """Allow several processes to read and write; https://www.sqlite.org/wal.html."""
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")


def create_table(engine: Engine) -> None:
    """Create the table, and for SQLite the folder of its file, unless they exist."""
    if engine.url.get_backend_name() == "sqlite" and engine.url.database:
        Path(engine.url.database).parent.mkdir(parents=True, exist_ok=True)
    try:
        METADATA.create_all(engine)
    except SQLAlchemyError:
        if not inspect(engine).has_table(PREDICTIONS.name):  # unless another worker has just created it
            raise
