"""Stream a table through the model: any number of rows, flat memory, outputs whole or not at all."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from .atomic import whole_file
from .contract import Matrix
from .errors import DataError
from .model import Model
from .rejects import Rejects, rejects_file
from .tables import check_batch, encode, read_batches, table_suffix

OnError = Literal["reject", "stop"]


@dataclass(frozen=True)
class Scored:
    """How many rows were predicted and how many rejected."""

    predicted: int
    rejected: int


def score(
    model: Model,
    source: Path,
    sink: Path,
    rejects: Path,
    *,
    on_error: OnError = "reject",
    progress: Callable[[float], None] = lambda _: None,
) -> Scored:
    """Predict each row of a table, and write all its columns and the prediction's to another.

    The new columns are `prediction` and, for a classification, `probability_<class>` for each class.

    Args:
        model: the model.
        source: a CSV or Parquet file.
        sink: the file to write, CSV or Parquet by its suffix.
        rejects: a CSV file for the rows that break the contract; without any, it holds its header alone.
        on_error: whether such a row is set aside, or stops the run before anything is written.
        progress: called with the share done.

    Raises:
        DataError: a file cannot be read or written, a column is missing, or a row is bad and `on_error` is `stop`.
    """
    suffix = table_suffix(sink.name)
    if len({path.resolve() for path in (source, sink, rejects)}) < 3:
        raise DataError(f"{source}, {sink} and {rejects} must be three different files; name another output")
    predicted = 0
    with whole_file(sink) as out, rejects_file(rejects, list(model.contract.features)) as bad:
        with contextlib.ExitStack() as stack:
            writer = None
            for batch, share in _predictions(model, source, bad):
                if on_error == "stop" and bad.count:
                    raise DataError(f"{bad.first}; correct the row, or set bad rows aside with --on-error reject")
                writer = writer or stack.enter_context(_writer(out, suffix, batch.schema))
                writer.write(batch)
                predicted += batch.num_rows
                progress(share)
        if writer is None:
            raise DataError(f"{source} has no rows; expected at least one")
        return Scored(predicted, bad.count)


def _predictions(model: Model, source: Path, bad: Rejects) -> Iterator[tuple[pa.RecordBatch, float]]:
    """Yield the good rows of each batch with their predictions, and the share of the source that is read by then."""
    rows = 0
    with _open(source) as file:
        for batch, share in read_batches(file, source.name, bad.add_malformed):
            checked = check_batch(batch, model.contract.features, source.name)
            bad.write(source.name, batch, checked, rows)
            rows += batch.num_rows
            good = batch if checked.good.all() else batch.filter(pa.array(checked.good))
            columns = _columns(model, encode(checked, model.contract))
            if taken := [name for name in columns if name in batch.schema.names]:
                raise DataError(f"{source} already has a column {taken[0]!r}; rename it before scoring")
            yield (
                pa.RecordBatch.from_pydict({**dict(zip(good.schema.names, good.columns, strict=True)), **columns}),
                share,
            )
    bad.write_malformed(source.name)


def _columns(model: Model, features: Matrix) -> dict[str, pa.Array]:
    outputs = model.run(features)
    if not (classes := model.contract.classes):
        return {"prediction": pa.array(outputs[:, 0])}
    best = pa.DictionaryArray.from_arrays(pa.array(outputs.argmax(axis=1), pa.int32()), pa.array(classes))
    shares = {f"probability_{name}": pa.array(outputs[:, index]) for index, name in enumerate(classes)}
    return {"prediction": best.dictionary_decode(), **shares}


def _open(source: Path) -> IO[bytes]:
    try:
        return source.open("rb")
    except OSError as error:
        raise DataError(f"{source} cannot be read ({error.strerror}); expected a CSV or Parquet file") from error


def _writer(file: IO[bytes], suffix: str, schema: pa.Schema) -> pa_csv.CSVWriter | pq.ParquetWriter:
    return pa_csv.CSVWriter(file, schema) if suffix == ".csv" else pq.ParquetWriter(file, schema)
