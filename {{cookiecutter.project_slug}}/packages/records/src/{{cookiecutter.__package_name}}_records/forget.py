"""Delete from the prediction log what belongs to a person."""

import time
from collections.abc import Callable

from sqlalchemy import delete, select

from {{ cookiecutter.__package_name }}_predict.errors import DataError

from .log_reader import using_log
from .prediction_log import PREDICTIONS
from .pseudonyms import make_pseudonym
from .settings import PredictionLogSettings

ROWS_AT_ONCE = 5000  # so that the service can write between
PAUSE_SECONDS = 0.05


def forget(
    settings: PredictionLogSettings | None, name: str, value: str, deleted: Callable[[int], None] = lambda _: None
) -> int:
    """Delete the predictions whose input of this name has this value, or its pseudonym; return how many there were.

    SQLite overwrites what it deletes, and its write-ahead log is emptied. The counts by minute and hour stay; they name
    nobody.

    Args:
        settings: of the prediction log.
        name: the name of a feature or a key.
        value: the value as text: 42 also matches "42".
        deleted: called with the number of deleted predictions so far.

    Raises:
        ConfigError: no prediction log is configured.
        DataError: the database cannot be used, or no service has written into it.
    """
    if '"' in name:
        raise DataError(f"found the name {name!r}, expected one without quotes, which databases cannot look for")
    total = 0
    key = settings.hash_key if settings else None
    forms = [value] if key is None else [value, make_pseudonym(value, key)]
    with using_log(settings) as engine, engine.connect() as connection:
        found = PREDICTIONS.c.inputs[name].as_string().in_(forms)
        some = select(PREDICTIONS.c.id).where(found).limit(ROWS_AT_ONCE)
        sqlite = connection.dialect.name == "sqlite"
        if sqlite:
            connection.exec_driver_sql("PRAGMA secure_delete=ON")
        while count := connection.execute(delete(PREDICTIONS).where(PREDICTIONS.c.id.in_(some))).rowcount:
            connection.commit()
            total += count
            deleted(total)
            time.sleep(PAUSE_SECONDS)
        connection.commit()
        if sqlite:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    return total
