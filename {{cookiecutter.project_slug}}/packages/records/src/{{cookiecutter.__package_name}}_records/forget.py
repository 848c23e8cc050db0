"""Delete from the prediction log what belongs to a person."""

import time
from collections.abc import Callable

from sqlalchemy import Engine, delete, func, select

from {{ cookiecutter.__package_name }}_predict.errors import DataError

from .log_reader import using_log
from .prediction_log import PREDICTIONS
from .pseudonyms import list_forms
from .settings import PredictionLogSettings

ROWS_READ, ROWS_DELETED = 100_000, 5000  # at a time, so that the service can write between
PATIENCE, PAUSE_SECONDS = 10.0, 0.05


def forget(
    settings: PredictionLogSettings | None,
    name: str,
    value: str,
    progress: Callable[[float], None] = lambda _: None,
) -> int:
    """Delete the predictions whose input of this name has this value, or its pseudonym; return how many there were.

    SQLite overwrites what it deletes, and its write-ahead log is emptied. The counts by minute and hour stay; they name
    nobody.

    Args:
        settings: of the prediction log.
        name: the name of a feature or a key.
        value: the value as text: 42 also matches "42" and 42.0.
        progress: called with the share of the log that is done.

    Raises:
        ConfigError: no prediction log is configured.
        DataError: the database cannot be used, no service has written into it, or a reader keeps the deleted bytes.
    """
    if set(name) & set('"\\'):
        raise DataError(f"found the name {name!r}, expected one without quotes and backslashes")
    matches = PREDICTIONS.c.inputs[name].as_string().in_(list_forms(value, settings.hash_key if settings else None))
    column, deleted = PREDICTIONS.c.id, 0
    with using_log(settings) as engine:
        with engine.connect() as connection:
            first, highest = connection.execute(select(func.min(column), func.max(column))).one()
        last = (first or 1) - 1
        while last < (highest or 0):
            part = column > last, column <= last + ROWS_READ
            with engine.connect() as connection:  # reading locks nothing
                found = connection.execute(select(column).where(*part, matches)).scalars().all()
            for start in range(0, len(found), ROWS_DELETED):
                with engine.begin() as connection:
                    if connection.dialect.name == "sqlite":
                        connection.exec_driver_sql("PRAGMA secure_delete=ON")
                    some = found[start : start + ROWS_DELETED]
                    deleted += connection.execute(delete(PREDICTIONS).where(column.in_(some))).rowcount
                time.sleep(PAUSE_SECONDS)
            last += ROWS_READ
            progress(min(1.0, last / highest))
        if engine.dialect.name == "sqlite":
            _empty_log(engine)
    return deleted


def _empty_log(engine: Engine) -> None:
    """Empty SQLite's write-ahead log, in which the deleted rows still are (https://www.sqlite.org/wal.html)."""
    deadline = time.monotonic() + PATIENCE
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout=100")  # waiting longer would keep the service from writing
        while connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()[0]:
            if time.monotonic() > deadline:
                raise DataError(
                    "the predictions are deleted, but their bytes stay in the file until those who read the log are "
                    "done; end drift, outcomes or a backup that is running, and run forget again"
                )
            time.sleep(PAUSE_SECONDS)
