"""Statistics of predictions over time: traffic, latency, predictions and unusual values."""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import accumulate
from typing import Annotated, Any

from pydantic import BaseModel, Field
from sqlalchemy import Engine, Row, func, select

from {{ cookiecutter.__package_name }}_records.prediction_log import COUNTS, PERIODS, limited_time

from .periods import DECILE, HOUR, LABEL, LATENCY, MILLISECONDS, MINUTE, UNUSUAL

LONGEST_SECONDS = 5.0


class Latency(BaseModel):
    """How long predictions took, in milliseconds; `at_most` counts the requests that took no longer than its keys."""

    mean: float
    max: float
    at_most: dict[str, int]


class Values(BaseModel):
    """How predicted numbers are distributed.

    `below` counts those under each decile, 10 to 90 per cent, of the outputs that the model had in training.
    """

    mean: float
    min: float
    max: float
    below: dict[str, int]


class Step(BaseModel):
    """Statistics of one time step."""

    start: datetime
    requests: int
    rows: int
    latency: Latency
    classes: Annotated[dict[str, int] | None, Field(description="Rows by predicted class.")] = None
    values: Values | None = None
    unusual: Annotated[dict[str, int], Field(description="Rows with an unusual value, by field.")] = {}


class Stats(BaseModel):
    """Statistics of predictions; steps without requests are omitted."""

    start: datetime
    end: datetime
    step_seconds: Annotated[int, Field(description="Whole minutes; from an hour on, whole hours.")]
    requests: int
    rows: int
    versions: Annotated[dict[str, int], Field(description="Rows by model version.")]
    steps: list[Step]


def summarise(engine: Engine, hours: float, steps: int) -> Stats:
    """Return statistics of the last hours, divided into steps of whole minutes or hours.

    Args:
        engine: the database of the prediction log.
        hours: how many hours to look back; more, if the steps are rounded up.
        steps: how many steps to divide the time into.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database does not answer, or not within `LONGEST_SECONDS`.
    """
    end = datetime.now(UTC)
    seconds = math.ceil(hours * HOUR / steps / MINUTE) * MINUTE
    period = MINUTE if seconds < HOUR else HOUR
    seconds = math.ceil(seconds / period) * period
    start = int(end.timestamp()) // seconds * seconds - seconds * (steps - 1)
    totals = [func.sum(PERIODS.c[name]).label(name) for name in ("requests", "rows", "milliseconds", "total")]
    extremes = [func.max(PERIODS.c.slowest), func.min(PERIODS.c.lowest), func.max(PERIODS.c.highest)]
    named = [column.label(name) for column, name in zip(extremes, ("slowest", "lowest", "highest"), strict=True)]
    step = (PERIODS.c.start // seconds).label("step")
    within = PERIODS.c.seconds == period, PERIODS.c.start >= start
    counted = (COUNTS.c.start // seconds).label("step"), COUNTS.c.kind, COUNTS.c.name
    with engine.connect() as connection, limited_time(connection, LONGEST_SECONDS):
        query = select(step, *totals, *named).where(*within).group_by("step").order_by("step")
        rows = connection.execute(query).all()
        versions = select(PERIODS.c.model_version, func.sum(PERIODS.c.rows)).where(*within)
        by_version = {
            version: int(count) for version, count in connection.execute(versions.group_by(PERIODS.c.model_version))
        }
        counts: defaultdict[int, Counter[tuple[str, str]]] = defaultdict(Counter)
        query = select(*counted, func.sum(COUNTS.c.count)).where(COUNTS.c.seconds == period, COUNTS.c.start >= start)
        for number, kind, name, count in connection.execute(query.group_by(*counted)):
            counts[number][kind, name] = int(count)
    told = [_step(row, seconds, counts[row.step]) for row in rows]
    return Stats(
        start=datetime.fromtimestamp(start, UTC),
        end=end,
        step_seconds=seconds,
        requests=sum(part.requests for part in told),
        rows=sum(part.rows for part in told),
        versions=by_version,
        steps=told,
    )


def _step(row: Row[Any], seconds: int, counts: Mapping[tuple[str, str], int]) -> Step:
    classes = {name: count for (kind, name), count in sorted(counts.items()) if kind == LABEL}
    bounds = list(map(str, MILLISECONDS))
    at_most = dict(zip(bounds, accumulate(counts.get((LATENCY, bound), 0) for bound in bounds), strict=True))
    values = None
    if row.lowest is not None:
        shares = [counts.get((DECILE, str(percent)), 0) for percent in range(0, 90, 10)]
        below = dict(zip(map(str, range(10, 100, 10)), accumulate(shares), strict=True))
        values = Values(mean=row.total / int(row.rows), min=row.lowest, max=row.highest, below=below)
    return Step(
        start=datetime.fromtimestamp(row.step * seconds, UTC),
        requests=int(row.requests),
        rows=int(row.rows),
        latency=Latency(mean=row.milliseconds / int(row.requests), max=row.slowest, at_most=at_most),
        classes=classes or None,
        values=values,
        unusual={name: count for (kind, name), count in sorted(counts.items()) if kind == UNUSUAL},
    )
