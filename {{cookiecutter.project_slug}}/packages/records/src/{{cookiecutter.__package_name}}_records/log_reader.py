"""Read the prediction log."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Engine, MetaData, Select, Table, inspect, select
from sqlalchemy.exc import SQLAlchemyError

from {{ cookiecutter.__package_name }}_predict.errors import ConfigError, DataError

from .prediction_log import PREDICTIONS, connect
from .settings import PredictionLogSettings

Row = dict[str, Any]


def read_window(settings: PredictionLogSettings | None, hours: float, most: int) -> list[Row]:
    """Return the predictions of the last hours, newest first, and at most this many.

    Raises:
        ConfigError: no prediction log is configured.
        DataError: the database cannot be read, or no service has written into it.
    """
    oldest = datetime.now(UTC) - timedelta(hours=hours)
    where, newest = PREDICTIONS.c.at >= oldest, PREDICTIONS.c.at.desc()
    return _read(settings, lambda columns: select(*columns).where(where).order_by(newest).limit(most))


def read_request(settings: PredictionLogSettings | None, request_id: str) -> list[dict[str, object]]:
    """Return the predictions of a request, ready for JSON (see `read_window` for errors)."""
    where, order = PREDICTIONS.c.request_id == request_id, PREDICTIONS.c.row
    rows = _read(settings, lambda columns: select(*columns).where(where).order_by(order))
    told = [{name: value for name, value in row.items() if name not in ("id", "request_id")} for row in rows]
    return [{**row, "at": _utc(row["at"]).isoformat(timespec="seconds")} for row in told]


def read_table(settings: PredictionLogSettings | None, name: str) -> list[Row]:
    """Return the rows of a table in the database of the prediction log (see `read_window` for errors)."""
    engine = _open(settings)
    try:
        return _execute(engine, select(Table(name, MetaData(), autoload_with=engine)))
    except SQLAlchemyError as error:
        raise DataError(
            f"the database of the prediction log has no table {name!r}; expected a file or a table"
        ) from error
    finally:
        engine.dispose()


def _read(
    settings: PredictionLogSettings | None, make_query: "Callable[[list[Column[Any]]], Select[Any]]"
) -> list[Row]:
    """Return what a query finds; it is made for the columns that the table has: an older service may have made it."""
    with using_log(settings) as engine:
        present = {column["name"] for column in inspect(engine).get_columns(PREDICTIONS.name)}
        return _execute(engine, make_query([column for column in PREDICTIONS.c if column.name in present]))


def _execute(engine: Engine, query: "Select[Any]") -> list[Row]:
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


def _utc(at: datetime) -> datetime:
    """Return a time in UTC; SQLite stores it without a time zone."""
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


@contextmanager
def using_log(settings: PredictionLogSettings | None) -> Iterator[Engine]:
    """Connect to the prediction log, which has been written to, and convert the errors of the database.

    Raises:
        ConfigError: no prediction log is configured.
        DataError: the database cannot be used, or no service has written into it.
    """
    engine = _open(settings)
    try:
        if not inspect(engine).has_table(PREDICTIONS.name):
            raise DataError(
                f"{engine.url.render_as_string()} has no table {PREDICTIONS.name}: no service has written into it; "
                "run this where its settings and its files are, with --stage for its environment"
            )
        yield engine
    except SQLAlchemyError as error:
        reason = str(error).partition("\n")[0]
        raise DataError(
            f"the prediction log at {engine.url.render_as_string()} cannot be used ({reason}); check the database and "
            "prediction_log.url"
        ) from error
    finally:
        engine.dispose()


def _open(settings: PredictionLogSettings | None) -> Engine:
    """Return the configured prediction log, without connecting yet."""
    if settings is None or settings.url is None:
        raise ConfigError(
            "there is no prediction log to read: prediction_log.url is not configured; configure a database (drift and "
            "outcomes take a scored table, too: --table)"
        )
    engine = connect(settings.url)
    file = engine.url.database if engine.url.get_backend_name() == "sqlite" else None
    if file and not Path(file).exists():  # SQLite would create it
        raise DataError(
            f"there is no prediction log at {file}: no service has written it; "
            "run this where its files are, with --stage for its environment"
        )
    return engine
