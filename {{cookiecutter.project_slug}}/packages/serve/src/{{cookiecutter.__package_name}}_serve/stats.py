"""Statistics from the prediction log over a period: traffic, latency, predictions and unusual values."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import BaseModel, Field
from pydantic_core import from_json
from sqlalchemy import ColumnElement, Engine, Row, case, extract, func, select
from sqlalchemy import Integer as SqlInteger

from {{ cookiecutter.__package_name }}_predict.artefact import ColumnStatistics
from {{ cookiecutter.__package_name }}_records.prediction_log import PREDICTIONS

MILLISECONDS = (0.5, 1, 2, 5, 10, 25, 50, 100, 250, 500, 1000)
LOG = PREDICTIONS.c


class Latency(BaseModel):
    """How long predictions took, in milliseconds; `at_most` counts the requests that took no longer than its keys."""

    mean: float
    max: float
    at_most: dict[str, int]


class Values(BaseModel):
    """How predicted numbers are distributed; `below` counts those under each decile of the outputs in training."""

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
    """Statistics from the prediction log; steps without requests are omitted."""

    start: datetime
    end: datetime
    step_seconds: int
    requests: int
    rows: int
    versions: Annotated[dict[str, int], Field(description="Rows by model version.")]
    steps: list[Step]


def summarise(engine: Engine, hours: float, steps: int, output: ColumnStatistics) -> Stats:
    """Return statistics of the last hours, divided into steps.

    Args:
        engine: the database of the prediction log.
        hours: how many hours to look back.
        steps: how many steps to divide the time into.
        output: how the model's outputs were distributed in training; predicted numbers are counted by its deciles.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database does not answer.
    """
    end = datetime.now(UTC)
    seconds = max(1, int(hours * 3600 / steps))
    start = datetime.fromtimestamp(end.timestamp() // seconds * seconds, UTC) - timedelta(seconds=seconds * (steps - 1))
    epoch = extract("epoch", LOG.at)
    step = ((epoch - epoch % seconds) / seconds).cast(SqlInteger)  # PostgreSQL would round a fraction
    edges = output.quantiles[10:100:10] if len(output.quantiles) == 101 else output.quantiles
    within = LOG.at >= start
    with engine.connect() as connection:
        traffic = select(step.label("step"), *_traffic(), *_values(edges)).where(within).group_by("step")
        rows: Sequence[Row[Any]] = connection.execute(traffic.order_by("step")).all()
        counts = select(step.label("step"), LOG.label, func.count()).where(within, LOG.label.is_not(None))
        labels = connection.execute(counts.group_by("step", LOG.label).order_by("step", LOG.label)).all()
        odd = select(step.label("step"), LOG.unusual, func.count()).where(within, LOG.unusual.is_not(None))
        unusual = connection.execute(odd.group_by("step", LOG.unusual)).all()
        versions = select(LOG.model_version, func.count()).where(within).group_by(LOG.model_version)
        by_version = {str(version): int(count) for version, count in connection.execute(versions)}
    classes: dict[int, dict[str, int]] = {}
    for number, label, count in labels:
        classes.setdefault(number, {})[label] = count
    fields: dict[int, Counter[str]] = {}
    for number, names, count in unusual:
        for name in from_json(names):
            fields.setdefault(number, Counter())[name] += count
    told = [_step(row, seconds, edges, classes.get(row.step), fields.get(row.step, {})) for row in rows]
    return Stats(
        start=start,
        end=end,
        step_seconds=seconds,
        requests=sum(part.requests for part in told),
        rows=sum(part.rows for part in told),
        versions=by_version,
        steps=told,
    )


def _traffic() -> list[ColumnElement[Any]]:
    first = LOG.row == 0  # a request's latency counts once, however many rows it has
    columns = [
        func.count().label("rows"),
        _count(first).label("requests"),
        func.avg(case((first, LOG.milliseconds))).label("mean"),
        func.max(LOG.milliseconds).label("max"),
    ]
    return [
        *columns,
        *(_count(first & (LOG.milliseconds <= bound)).label(f"at_most_{bound}") for bound in MILLISECONDS),
    ]


def _values(edges: Sequence[float]) -> list[ColumnElement[Any]]:
    columns = [
        func.avg(LOG.value).label("mean_value"),
        func.min(LOG.value).label("min_value"),
        func.max(LOG.value).label("max_value"),
    ]
    return [*columns, *(_count(LOG.value < edge).label(f"below_{index}") for index, edge in enumerate(edges))]


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, 1), else_=0))


def _step(
    row: Row[Any], seconds: int, edges: Sequence[float], classes: dict[str, int] | None, unusual: Mapping[str, int]
) -> Step:
    found = row._mapping
    at_most = {str(bound): found[f"at_most_{bound}"] for bound in MILLISECONDS}
    values = None
    if found["mean_value"] is not None:
        below = {repr(edge): found[f"below_{index}"] for index, edge in enumerate(edges)}
        values = Values(mean=found["mean_value"], min=found["min_value"], max=found["max_value"], below=below)
    return Step(
        start=datetime.fromtimestamp(found["step"] * seconds, UTC),
        requests=found["requests"],
        rows=found["rows"],
        latency=Latency(mean=found["mean"], max=found["max"], at_most=at_most),
        classes=classes,
        values=values,
        unusual=dict(sorted(unusual.items())),
    )
