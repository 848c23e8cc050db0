"""A prediction log with rows of any age, in the current folder; and what holds for its migrations on any database."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, Executable, insert, inspect, select, text

from {{ cookiecutter.__package_name }}_records.prediction_log import (
    METADATA,
    PREDICTIONS,
    connect,
    prepare_table,
)

from .small_config import SERVICE

URL = SERVICE["prediction_log"]["url"]
Write = Callable[..., None]


@pytest.fixture
def write() -> Write:
    """Return a function that writes a prediction into the log, so many hours ago."""
    engine = connect(URL)
    prepare_table(engine)
    engine.dispose()

    def write_row(request_id: str, hours: float = 0, **inputs: object) -> None:
        at = datetime.now(UTC) - timedelta(hours=hours)
        record = {"at": at, "request_id": request_id, "row": 0, "model_version": "abc", "milliseconds": 1.0}
        change(insert(PREDICTIONS).values({**record, "inputs": inputs, "value": 1.5}))

    return write_row


def change(*statements: Executable) -> None:
    """Execute statements on the database of the log."""
    engine = connect(URL)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(statement)
    engine.dispose()


def check_migrations(engine: Engine) -> None:
    """Check that a table of the first version gets the columns of this one, and keeps its rows, while others write."""
    old = [column for column in PREDICTIONS.c if column.name != "unusual"]
    row = {"at": datetime.now(UTC), "request_id": "old", "row": 0, "model_version": "abc", "milliseconds": 1.0}
    insert_old = insert(PREDICTIONS).values({**row, "inputs": {"a": 1}})
    with engine.begin() as connection:  # as a service without migrations has made it
        PREDICTIONS.create(connection)
        connection.execute(text("ALTER TABLE predictions DROP COLUMN unusual"))
        connection.execute(insert_old)
    with ThreadPoolExecutor(4) as pool:  # several workers start
        assert [done for done in pool.map(lambda _: prepare_table(engine), range(4)) if done] == [(None, "3")]
    assert prepare_table(engine) is None
    with engine.begin() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
        connection.execute(insert_old)  # a service of the version before, beside this one
        rows = connection.execute(select(*old, PREDICTIONS.c.unusual)).mappings().all()
        assert [(found["request_id"], found["inputs"], found["unusual"]) for found in rows] == [
            ("old", {"a": 1}, None)
        ] * 2
        connection.execute(text("UPDATE alembic_version SET version_num = '3000'"))
    assert prepare_table(engine) is None, "a newer service has been here"


def check_new_table(engine: Engine) -> None:
    """Check that the migrations make the table that this version knows, and that several workers may do so at once."""
    with ThreadPoolExecutor(4) as pool:
        assert [done for done in pool.map(lambda _: prepare_table(engine), range(4)) if done] == [(None, "3")]
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
        assert {"predictions", "alembic_version"} <= set(inspect(connection).get_table_names())
