"""Numbers of each minute and each hour, kept as predictions are logged: reading them never reads the log."""

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Table, case, delete, or_
from sqlalchemy.dialects import postgresql, sqlite

from {{ cookiecutter.__package_name }}_predict.model import Prediction
from {{ cookiecutter.__package_name }}_records.prediction_log import COUNTS, PERIODS

MINUTE, HOUR = 60, 3600
KEPT = {MINUTE: timedelta(days=31), HOUR: timedelta(days=400)}
MILLISECONDS = (0.5, 1, 2, 5, 10, 25, 50, 100, 250, 500, 1000)
LATENCY, LABEL, DECILE, UNUSUAL = "latency", "label", "decile", "unusual"
Key = tuple[int, int, str]


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
    """

    at: float
    request_id: str
    model_version: str
    milliseconds: float
    rows: list[dict[str, object]]
    predictions: list[Prediction]
    deciles: Sequence[float] = ()


class Tally:
    """The numbers of a period and a version."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.requests = self.rows = 0
        self.milliseconds = self.slowest = self.total = 0.0
        self.values: tuple[float, float] | None = None
        self.counts: Counter[tuple[str, str]] = Counter()

    def add(self, entry: Entry) -> None:
        """Count a request."""
        self.requests += 1
        self.rows += len(entry.rows)
        self.milliseconds += entry.milliseconds
        self.slowest = max(self.slowest, entry.milliseconds)
        bound = bisect_left(MILLISECONDS, entry.milliseconds)
        self.counts[LATENCY, str(MILLISECONDS[bound]) if bound < len(MILLISECONDS) else ""] += 1
        for prediction in entry.predictions:
            answer = prediction["prediction"]
            if isinstance(answer, float):
                self.total += answer
                low, high = self.values or (answer, answer)
                self.values = min(low, answer), max(high, answer)
                self.counts[DECILE, str(10 * bisect_right(entry.deciles, answer))] += 1
            else:
                self.counts[LABEL, name_class(answer)] += 1
            for name in prediction.get("unusual", ()):
                self.counts[UNUSUAL, name] += 1

    def merge(self, other: "Tally") -> None:
        """Add the numbers of a part of the period."""
        self.requests += other.requests
        self.rows += other.rows
        self.milliseconds += other.milliseconds
        self.slowest = max(self.slowest, other.slowest)
        self.total += other.total
        ends = [*(self.values or ()), *(other.values or ())]
        self.values = (min(ends), max(ends)) if ends else None
        self.counts += other.counts


def name_class(answer: object) -> str:
    """Return a predicted class as the contract names it."""
    return str(answer).lower() if isinstance(answer, bool) else str(answer)


def add_entries(connection: Connection, entries: Iterable[Entry]) -> None:
    """Add requests to the numbers of their minutes and hours."""
    minutes: defaultdict[Key, Tally] = defaultdict(Tally)
    for entry in entries:
        minutes[MINUTE, int(entry.at // MINUTE) * MINUTE, entry.model_version].add(entry)
    tallies = defaultdict(Tally, minutes)
    for (_, start, version), tally in minutes.items():
        tallies[HOUR, start // HOUR * HOUR, version].merge(tally)
    ordered = sorted(tallies.items())  # in PostgreSQL, transactions that change rows in different orders would block
    if ordered:
        _upsert(
            connection, PERIODS, [_describe(key, tally) for key, tally in ordered], ("slowest", "highest"), ("lowest",)
        )
        _upsert(connection, COUNTS, [record for key, tally in ordered for record in _list_counts(key, tally)])


def delete_old(connection: Connection, now: datetime) -> None:
    """Delete the numbers of periods that nobody can ask for any more."""
    for seconds, kept in KEPT.items():
        oldest = int((now - kept).timestamp())
        for table in (PERIODS, COUNTS):
            connection.execute(delete(table).where(table.c.seconds == seconds, table.c.start < oldest))


def _describe(key: Key, tally: Tally) -> dict[str, object]:
    low, high = tally.values or (None, None)
    return {
        **_name(key),
        "requests": tally.requests,
        "rows": tally.rows,
        "milliseconds": tally.milliseconds,
        "slowest": tally.slowest,
        "total": tally.total,
        "lowest": low,
        "highest": high,
    }


def _list_counts(key: Key, tally: Tally) -> Iterator[dict[str, object]]:
    for (kind, name), count in sorted(tally.counts.items()):
        yield {**_name(key), "kind": kind, "name": name, "count": count}


def _name(key: Key) -> dict[str, object]:
    return dict(zip(("seconds", "start", "model_version"), key, strict=True))


def _upsert(
    connection: Connection,
    table: Table,
    records: list[dict[str, object]],
    greatest: Sequence[str] = (),
    least: Sequence[str] = (),
) -> None:
    """Insert records, or add them to those with the same key; of some columns, the greatest or least value remains."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    insert: Any = dialect.insert(table)
    changed: dict[str, ColumnElement[Any]] = {}
    for column in (column for column in table.c if not column.primary_key):
        new = insert.excluded[column.name]
        if column.name in greatest:
            changed[column.name] = case((or_(column.is_(None), new > column), new), else_=column)
        elif column.name in least:
            changed[column.name] = case((or_(column.is_(None), new < column), new), else_=column)
        else:
            changed[column.name] = column + new
    connection.execute(insert.on_conflict_do_update(index_elements=list(table.primary_key), set_=changed), records)
