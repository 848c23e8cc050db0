"""Stream a table through the model: any number of rows, constant memory, atomic outputs."""

import contextlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, TypeVar

import pyarrow as pa

from {{ cookiecutter.__package_name }}_predict.atomic import whole_file
from {{ cookiecutter.__package_name }}_predict.encoding import Encoded
from {{ cookiecutter.__package_name }}_predict.errors import DataError
from {{ cookiecutter.__package_name }}_predict.model import Model

from .dialect import PLAIN, Dialect
from .readers import read_batches, readable, table_suffix
from .rejected_rows import Rejects, rejects_file
from .tables import Checked, check_batch, encode
from .writers import open_writer

OnError = Literal["reject", "stop"]
T = TypeVar("T")
U = TypeVar("U")
WORKERS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Scored:
    """How many rows were predicted, and how many were rejected; together, these are all rows of the source."""

    predicted: int
    rejected: int

    @property
    def share(self) -> float:
        """The share of the rejected rows."""
        return self.rejected / (self.predicted + self.rejected)


def score(
    model: Model,
    source: Path,
    sink: Path,
    rejected: Path | None = None,
    *,
    on_error: OnError = "reject",
    max_rejected: float = 1.0,
    dialect: Dialect = PLAIN,
    progress: Callable[[float], None] = lambda _: None,
) -> Scored:
    """Predict for each row of a table, and write a table with the same columns plus the predictions.

    The new columns are `prediction`; for a classification, `probability_<class>` for each class; for a regression with
    an interval, its ends `prediction_low` and `prediction_high`; and, if values can be unusual, `unusual`: the names of
    the fields whose values are.

    Args:
        model: the model.
        source: a CSV, Parquet or JSON Lines file.
        sink: the file to write, whose suffix determines the format.
        rejected: a CSV file for rejected rows, which has only its header if there are none; by default, the sink's name
            with the suffix `.rejected.csv`.
        on_error: whether a rejected row is set aside, or stops the run before anything is written.
        max_rejected: the share of rejected rows beyond which the sink is not written, only the rejected rows.
        dialect: how a CSV file is written.
        progress: called with the share that is done.

    Raises:
        DataError: a file cannot be read or written, a column is missing, a row is rejected and `on_error` is `stop`, or
            too many are.
    """
    table_suffix(sink.name)
    rejected = rejected or sink.with_suffix(".rejected.csv")
    if rejected.suffix.lower() != ".csv":
        raise DataError(f"{rejected} is not a valid name for the rejected rows; expected one that ends in .csv")
    if len({path.resolve() for path in (source, sink, rejected)}) < 3:
        raise DataError(f"{source}, {sink} and {rejected} must be three different files; name another output")
    predicted = 0
    with whole_file(sink) as out:
        with rejects_file(rejected, model.contract.features) as bad, contextlib.ExitStack() as stack:
            writer = None
            for batch, share in _predictions(model, source, bad, on_error, dialect):
                writer = writer or stack.enter_context(open_writer(out, str(sink), batch.schema))
                writer.write(batch)
                predicted += batch.num_rows
                progress(share)
            if not predicted and not bad.count:
                raise DataError(f"{source} has no rows; expected at least one to predict")
        scored = Scored(predicted, bad.count)
        if not predicted or scored.share > max_rejected:
            fields = "".join(f"; {name}: {count}" for name, count in bad.fields.most_common() if count)
            raise DataError(
                f"{bad.count} of {predicted + bad.count} rows of {source} are rejected, {scored.share:.2%}; the share "
                f"allowed is {max_rejected:.2%}{fields}; the first: {bad.first}; {rejected} has the reasons, {sink} is "
                "not written"
            )
    return scored


def _predictions(
    model: Model, source: Path, bad: Rejects, on_error: OnError, dialect: Dialect
) -> Iterator[tuple[pa.RecordBatch, float]]:
    """Yield the accepted rows of each batch with their predictions, and the share of the source that has been read."""

    def predict(item: tuple[pa.RecordBatch, float]) -> tuple[pa.RecordBatch, float, Checked, pa.RecordBatch]:
        batch, share = item
        with readable(source.name):
            checked = check_batch(batch, model.contract.features, source.name)
            return batch, share, checked, _with_predictions(model, batch, checked, source.name)

    rows = 0
    with _open(source) as file, ThreadPoolExecutor(WORKERS) as pool:
        batches = read_batches(file, source.name, bad.add_malformed, dialect)
        for batch, share, checked, predicted in _map_ahead(pool, predict, batches):
            bad.write(source.name, batch, checked, rows)
            _stop_at_reject(bad, on_error)
            rows += batch.num_rows
            yield predicted, share
    bad.write_malformed(source.name)
    _stop_at_reject(bad, on_error)


def _stop_at_reject(bad: Rejects, on_error: OnError) -> None:
    if on_error == "stop" and bad.count:
        raise DataError(f"{bad.first}; correct the row, or set rejected rows aside with --on-error reject")


def _map_ahead(pool: ThreadPoolExecutor, function: Callable[[T], U], items: Iterable[T]) -> Iterator[U]:
    """Yield the results in the order of the items, with few pending calls, because pending batches occupy memory."""
    pending = deque[Future[U]]()
    for item in items:
        pending.append(pool.submit(function, item))
        if len(pending) > WORKERS:
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()


def _with_predictions(model: Model, batch: pa.RecordBatch, checked: Checked, name: str) -> pa.RecordBatch:
    good = batch if checked.good.all() else batch.filter(pa.array(checked.good))
    given = dict(zip(good.schema.names, good.columns, strict=True))
    added = predict_columns(model, encode(checked, model.contract, model.encoder))
    if taken := [column for column in added if column in given]:
        raise DataError(f"{name} already has a column {taken[0]!r}; rename it before scoring")
    return pa.RecordBatch.from_pydict({**given, **added})


def predict_columns(model: Model, rows: Encoded) -> dict[str, pa.Array]:
    """Return the columns that predictions add to a table (see `score`)."""
    outputs, unusual = model.run(rows), {}
    if model.encoder.bounded:
        names = model.encoder.find_unusual(rows)
        unusual = {"unusual": pa.array([", ".join(names.get(row, ())) for row in range(len(outputs))], pa.string())}
    if not (classes := model.contract.classes):
        found = {"prediction": pa.array(outputs[:, 0])}
        if model.decision.coverage is not None:
            ends = zip(("prediction_low", "prediction_high"), map(pa.array, model.bound(outputs)), strict=True)
            found.update(ends)
        return found | unusual
    best = pa.array(model.contract.labels).take(pa.array(model.decide(outputs)))
    shares = {f"probability_{name}": pa.array(outputs[:, index]) for index, name in enumerate(classes)}
    return {"prediction": best, **shares, **unusual}


def _open(source: Path) -> IO[bytes]:
    try:
        return source.open("rb")
    except OSError as error:
        raise DataError(
            f"{source} cannot be read ({error.strerror}); expected a CSV, Parquet or JSON Lines file"
        ) from error
