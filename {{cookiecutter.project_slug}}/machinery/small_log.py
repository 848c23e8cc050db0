"""A prediction log with rows of any age, in the current folder."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Executable, insert

from {{ cookiecutter.__package_name }}_records.prediction_log import PREDICTIONS, connect, create_table

from .small_config import SERVICE

URL = SERVICE["prediction_log"]["url"]
Write = Callable[..., None]


@pytest.fixture
def write() -> Write:
    """Return a function that writes a prediction into the log, so many hours ago."""
    engine = connect(URL)
    create_table(engine)
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
