"""Numbers of each minute and each hour, kept as predictions are logged: reading them never reads the log."""

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import cache
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Executable, Table, case, delete, or_
from sqlalchemy.dialects import postgresql, sqlite

from {{ cookiecutter.__package_name }}_predict.model import Prediction
from {{ cookiecutter.__package_name }}_records.prediction_log import COUNTS, PERIODS

MINUTE, HOUR = 60, 3600
KEPT = {MINUTE: timedelta(days=31), HOUR: timedelta(days=400)}
MILLISECONDS = (0.5, 1, 2, 5, 10, 25, 50, 100, 250, 500, 1000)
LATENCY, LABEL, DECILE, UNUSUAL = "latency", "label", "decile", "unusual"
EXTREMES = {"slowest": max, "lowest": min, "highest": max}


class Entry(NamedTuple):
    """The predictions of one request.

    Attributes:
        at: when they were made, in seconds since 1970.
        request_id: the id of the request.
        model_version: the version of the model.
        milliseconds: from the request's head to the predictions.
        rows: the inputs.
        predictions: one for each row.
        deciles: nine, of the model's outputs in training, where they are numbers.
        sensitive: the names of the inputs that no log may show.
    """

    at: float
    request_id: str
    model_version: str
    milliseconds: float
    rows: list[dict[str, object]]
    predictions: list[Prediction]
    deciles: Sequence[float] = ()
    sensitive: Collection[str] = ()


def name_class(answer: object) -> str:
    """Return a predicted class as the contract names it."""
    return str(answer).lower() if isinstance(answer, bool) else str(answer)


def add_entries(connection: Connection, entries: Iterable[Entry]) -> None:
    """Add requests to the numbers of their minutes and hours."""
    minutes: defaultdict[tuple[int, str], list[Entry]] = defaultdict(list)
    for entry in entries:
        minutes[int(entry.at // MINUTE) * MINUTE, entry.model_version].append(entry)
    if not minutes:
        return
    sums, counts = [], []
    for (minute, version), found in minutes.items():
        sum_, count = _sum(found), list(_count(found))
        for seconds in KEPT:
            key = {"seconds": seconds, "start": minute // seconds * seconds, "model_version": version}
            sums.append(key | sum_)
            counts += [key | record for record in count]
    # PostgreSQL blocks transactions that change rows in different orders
    connection.execute(_upsert(connection.dialect.name, PERIODS), _sort(sums, PERIODS))
    connection.execute(_upsert(connection.dialect.name, COUNTS), _sort(counts, COUNTS))


def delete_old(connection: Connection, now: datetime) -> None:
    """Delete the numbers of periods that nobody can ask for any more."""
    for seconds, kept in KEPT.items():
        oldest = int((now - kept).timestamp())
        for table in (PERIODS, COUNTS):
            connection.execute(delete(table).where(table.c.seconds == seconds, table.c.start < oldest))


def _sum(entries: list[Entry]) -> dict[str, Any]:
    milliseconds = [entry.milliseconds for entry in entries]
    values = [answer for answer in _list_answers(entries) if isinstance(answer, float)]
    return {
        "requests": len(entries),
        "rows": sum(len(entry.rows) for entry in entries),
        "milliseconds": sum(milliseconds),
        "slowest": max(milliseconds),
        "total": sum(values),
        "lowest": min(values, default=None),
        "highest": max(values, default=None),
    }


def _count(entries: list[Entry]) -> Iterator[dict[str, Any]]:
    reached = Counter(bisect_left(MILLISECONDS, entry.milliseconds) for entry in entries)
    answers = Counter(answer for answer in _list_answers(entries) if not isinstance(answer, float))
    tenths = Counter(
        bisect_right(entry.deciles, answer)
        for entry in entries
        for prediction in entry.predictions
        if isinstance(answer := prediction["prediction"], float)
    )
    unusual = Counter(name for entry in entries for row in entry.predictions for name in row.get("unusual", ()))
    counts = {
        **{(LATENCY, str(MILLISECONDS[bound])): count for bound, count in reached.items() if bound < len(MILLISECONDS)},
        **{(LABEL, name_class(answer)): count for answer, count in answers.items()},
        **{(DECILE, str(10 * tenth)): count for tenth, count in tenths.items()},
        **{(UNUSUAL, name): count for name, count in unusual.items()},
    }
    for (kind, name), count in counts.items():
        yield {"kind": kind, "name": name, "count": count}


def _list_answers(entries: list[Entry]) -> list[float | str]:
    return [prediction["prediction"] for entry in entries for prediction in entry.predictions]


def _sort(records: list[dict[str, Any]], table: Table) -> list[dict[str, Any]]:
    return sorted(records, key=itemgetter(*table.primary_key.columns.keys()))


@cache
def _upsert(dialect: str, table: Table) -> Executable:
    """Return a statement that inserts a record, or adds it to the one with the same key, or keeps the extreme."""
    insert: Any = (sqlite if dialect == "sqlite" else postgresql).insert(table)
    changed: dict[str, ColumnElement[Any]] = {}
    for column in (column for column in table.c if not column.primary_key):
        new = insert.excluded[column.name]
        if column.name in EXTREMES:
            beyond = new > column if EXTREMES[column.name] is max else new < column
            changed[column.name] = case((or_(column.is_(None), beyond), new), else_=column)
        else:
            changed[column.name] = column + new
    statement: Executable = insert.on_conflict_do_update(index_elements=list(table.primary_key), set_=changed)
    return statement
