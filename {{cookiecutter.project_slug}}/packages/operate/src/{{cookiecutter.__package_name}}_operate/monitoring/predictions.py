"""Past predictions, from the prediction log or from a table that was scored."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from {{ cookiecutter.__package_name }}_batch.dialect import Dialect
from {{ cookiecutter.__package_name }}_batch.jobs.published import read_last_run
from {{ cookiecutter.__package_name }}_batch.readers import read_batches
from {{ cookiecutter.__package_name }}_batch.tables import NULLS
from {{ cookiecutter.__package_name }}_predict.contract import Contract
from {{ cookiecutter.__package_name }}_predict.errors import DataError
from {{ cookiecutter.__package_name }}_records.log_reader import read_window
from {{ cookiecutter.__package_name }}_records.settings import PredictionLogSettings

LINE_BREAKS = Dialect(newlines=True)  # as `score` writes tables
REQUEST = ("request_id", "row")
PREDICTION = "prediction"
PROBABILITY = "probability_"


@dataclass(frozen=True)
class Predictions:
    """Rows and their predictions.

    Attributes:
        source: where they come from, in words.
        inputs: the features, one column each.
        answers: the class or the number predicted for each row.
        probabilities: of each class, of shape (rows, classes); None if unknown.
        keys: what identifies each row, such as the request's id and the row in the request; None if unknown.
        models: the version of the model that answered each row; None if unknown.
        key_names: the columns of the keys.
    """

    source: str
    inputs: pa.Table
    answers: Sequence[Any]
    probabilities: npt.NDArray[np.float64] | None
    keys: Sequence[tuple[str | int, ...]] | None
    models: Sequence[str] | None
    key_names: tuple[str, ...] = REQUEST

    def of_model(self, version: str) -> "npt.NDArray[np.bool_]":
        """Return which rows a model has answered, of shape (rows,); all rows if that is unknown."""
        if self.models is None:
            return np.ones(len(self.answers), dtype=bool)
        return np.array([model == version for model in self.models], dtype=bool)


def read_log(
    settings: PredictionLogSettings | None, contract: Contract, hours: float, most: int, *, keyed: bool = False
) -> Predictions:
    """Return the predictions of the last hours in the prediction log, at most this many, newest first.

    Args:
        settings: of the prediction log.
        contract: the contract of the model; its sensitive features are left out, since the log has none, or pseudonyms.
        hours: how far to go back.
        most: the number of rows.
        keyed: whether rows without their inputs are of use, as for outcomes.

    Raises:
        ConfigError: there is no prediction log.
        DataError: the log cannot be read, or has rows but none with its inputs.
    """
    found = read_window(settings, hours, most)
    rows = [row for row in found if keyed or row["inputs"] is not None]
    if found and not rows:
        raise DataError(
            "the prediction log has no inputs to compare: prediction_log.content leaves them out; compare a scored "
            "table with --table"
        )
    shown = [name for name, field in contract.features.items() if not field.sensitive]
    shares = [[(row["probabilities"] or {}).get(name, np.nan) for name in contract.classes] for row in rows]
    return Predictions(
        source=f"the prediction log, the last {hours:g} hours",
        inputs=pa.table({name: [(row["inputs"] or {}).get(name) for row in rows] for name in shown}),
        answers=[row["label"] if contract.classes else row["value"] for row in rows],
        probabilities=np.array(shares, dtype=float).reshape(len(rows), len(contract.classes))
        if contract.classes
        else None,
        keys=[(row["request_id"], row["row"]) for row in rows],
        models=[row["model_version"] for row in rows],
    )


def read_scored(contract: Contract, path: Path, *, keyed: bool = False) -> Predictions:
    """Return the predictions in a table written by `score`.

    Args:
        contract: the contract of the model.
        path: the table.
        keyed: whether to also read the ids and probabilities, which outcomes need.

    Raises:
        DataError: the table cannot be read, lacks a column, or has a value that should be a number but is not.
    """
    table = read_table(path)
    wanted = [*contract.features, PREDICTION]
    if missing := [name for name in wanted if name not in table.column_names]:
        raise DataError(f"{path} lacks the column {missing[0]!r}; expected {', '.join(wanted)}, as score writes them")
    names = [PROBABILITY + name for name in contract.classes]
    known = keyed and bool(names) and all(name in table.column_names for name in names)
    answers = _labels(table) if contract.classes else _floats(table, PREDICTION, path).tolist()
    return Predictions(
        source=str(path),
        inputs=table.select(list(contract.features)),
        answers=answers,
        probabilities=np.column_stack([_floats(table, name, path) for name in names]) if known else None,
        keys=read_keys(table) if keyed and "request_id" in table.column_names else None,
        models=None,
    )


def read_job(
    contract: Contract, job: str, most: int, environment: str | None = None, *, keyed: bool = False
) -> Predictions:
    """Return the predictions of the last finished run of a job, at most this many, drawn at random.

    Args:
        contract: the contract of the model; its sensitive features are left out, since jobs do not write them.
        job: the name of the job.
        most: the number of rows.
        environment: the environment whose job it is.
        keyed: whether to read the keys and probabilities, which outcomes need, and not the features.

    Raises:
        ConfigError: there is no such job.
        DataError: it has no finished run, or has not written the features.
    """
    run, table = read_last_run(job, most, environment)
    wanted = [] if keyed else [name for name, field in contract.features.items() if not field.sensitive]
    if absent := [name for name in wanted if name not in table.column_names]:
        raise DataError(
            f"{run.run_id} has not written the feature {absent[0]!r}; set `inputs: true` in score.{job}, and run it "
            "again"
        )
    names = [PROBABILITY + name for name in contract.classes]
    known = keyed and bool(names) and all(name in table.column_names for name in names)
    numbers = [table.column(name).to_numpy(zero_copy_only=False) for name in names] if known else []
    return Predictions(
        source=f"the run {run.run_id}",
        inputs=table.select(wanted),
        answers=_labels(table) if contract.classes else table.column(PREDICTION).to_pylist(),
        probabilities=np.column_stack(numbers) if known else None,
        keys=read_keys(table, run.keys) if keyed and run.keys else None,
        models=table.column("model_version").to_pylist(),
        key_names=run.keys,
    )


def _labels(table: pa.Table) -> list[str | None]:
    """Return the predicted classes; those of a boolean target are false and true."""
    return [str(value).lower() if isinstance(value, bool) else value for value in table.column(PREDICTION).to_pylist()]


def read_keys(table: pa.Table, names: Sequence[str] = REQUEST) -> list[tuple[str | int, ...]]:
    """Return what identifies each row of a table: texts, or the request's id and the row in it; by default, row 0.

    Raises:
        DataError: the column `row` of requests has a value that is not an integer.
    """
    if tuple(names) != REQUEST:
        columns = (table.column(name).to_pylist() for name in names)
        return [tuple(map(_as_text, row)) for row in zip(*columns, strict=True)]
    ids = (str(value) for value in table.column("request_id").to_pylist())
    rows = table.column("row").to_pylist() if "row" in table.column_names else [0] * table.num_rows
    try:
        return [(request, _whole(row)) for request, row in zip(ids, rows, strict=True)]
    except (TypeError, ValueError) as error:
        raise DataError(f"the column row has values that are not integers ({error}); correct it") from error


def _as_text(value: object) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)


def _whole(value: object) -> int:
    number = float(str(value))
    if not number.is_integer():
        raise ValueError(f"found {value!r}")
    return int(number)


def read_table(path: Path) -> pa.Table:
    """Return the table in a CSV or Parquet file.

    Raises:
        DataError: the file cannot be read, has no rows, or has malformed lines.
    """
    malformed = list[str]()
    try:
        with path.open("rb") as file:
            batches = [batch for batch, _ in read_batches(file, path.name, malformed.append, LINE_BREAKS)]
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); expected a CSV or Parquet file") from error
    if malformed:
        raise DataError(
            f"{path} has {len(malformed)} malformed lines, the first: {malformed[0].partition(': ')[0]}; correct them"
        )
    if not batches:
        raise DataError(f"{path} has no rows; expected some")
    return pa.Table.from_batches(batches)


def _floats(table: pa.Table, name: str, path: Path) -> npt.NDArray[np.float64]:
    try:
        return np.array([np.nan if value in NULLS else value for value in table.column(name).to_pylist()], dtype=float)
    except (TypeError, ValueError) as error:
        raise DataError(f"{path}: the column {name} has values that are not numbers ({error}); score again") from error
