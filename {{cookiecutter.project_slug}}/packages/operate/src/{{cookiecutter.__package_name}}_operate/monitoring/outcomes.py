"""Outcomes: measure the model on predictions whose outcome is known, and compare that with the holdout."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from {{ cookiecutter.__package_name }}_batch.readers import SUFFIXES
from {{ cookiecutter.__package_name }}_batch.tables import check_batch
from {{ cookiecutter.__package_name }}_predict.errors import DataError
from {{ cookiecutter.__package_name }}_predict.model import Model
from {{ cookiecutter.__package_name }}_records import log_reader
from {{ cookiecutter.__package_name }}_records.settings import PredictionLogSettings

from ..project import run_pipeline
from ..settings import Lifecycle, Promotion
from .predictions import REQUEST, Predictions, read_keys, read_table


@dataclass(frozen=True)
class OutcomesReport:
    """How a model performs on predictions whose outcome is known.

    Attributes:
        model: its version.
        source: where the predictions come from, in words.
        rows: how many predictions of this model have an outcome.
        waiting: how many predictions of this model have no outcome yet.
        unknown: how many outcomes match no prediction of this model.
        refused: how many outcomes are not valid values of the target.
        min_rows: below this, metrics are not reported.
        metrics: those of the evaluation, on these rows; empty if there are too few.
        holdout: the same metrics on the holdout.
        metric: the name of the main metric.
        best: the better end of its confidence interval on these rows; None if there are too few.
        less_is_better: whether less of it is better.
        allowed: how much of it may be lost.
    """

    model: str
    source: str
    rows: int
    waiting: int
    unknown: int
    refused: int
    min_rows: int
    metrics: dict[str, float]
    holdout: dict[str, float]
    metric: str
    best: float | None
    less_is_better: bool
    allowed: float

    @property
    def enough(self) -> bool:
        """Whether there were enough rows to measure the model."""
        return bool(self.metrics)

    @property
    def alarms(self) -> list[str]:
        """An alarm, in words, if the main metric is significantly worse than allowed."""
        expected = self.holdout.get(self.metric)
        if self.best is None or expected is None:
            return []
        loss = self.best - expected if self.less_is_better else expected - self.best
        if loss <= self.allowed:
            return []
        side = "at least" if self.less_is_better else "at most"
        return [
            f"{self.metric} is {self.metrics[self.metric]:.4g} on {self.rows} outcomes, {side} {self.best:.4g}; "
            f"it was {expected:.4g} on the holdout"
        ]


def read_outcomes(name: str, settings: PredictionLogSettings | None = None) -> pa.Table:
    """Return a table of outcomes from a CSV or Parquet file, or from the database of the prediction log.

    Raises:
        DataError: the table cannot be read.
    """
    if name.lower().endswith(SUFFIXES) or Path(name).exists():
        return read_table(Path(name))
    return pa.Table.from_pylist(log_reader.read_table(settings, name))


def join(model: Model, predictions: Predictions, outcomes: pa.Table, settings: Lifecycle) -> OutcomesReport:
    """Measure the predictions of a model whose outcome is known.

    Args:
        model: the model whose predictions to measure.
        predictions: with the ids of their requests, or the keys of their rows.
        outcomes: the target, and what identifies a row: `request_id` and, if requests had several rows, `row`; the
            keys, if a job made the predictions.
        settings: how many rows are needed, how much may be lost, and the confidence that an alarm needs.

    Raises:
        DataError: a column is missing, a prediction has two outcomes, or the probabilities are unknown.
    """
    contract = model.contract
    of_requests = predictions.key_names == REQUEST
    if predictions.keys is None or (contract.classes and predictions.probabilities is None):
        lacking = "request_id" if of_requests else "the keys of its rows"
        raise DataError(
            f"{predictions.source} lacks {lacking} or a probability of each class; outcomes cannot be joined with it"
        )
    wanted = [*(REQUEST[:1] if of_requests else predictions.key_names), contract.target_name]
    if missing := [name for name in wanted if name not in outcomes.column_names]:
        more = ", and row where needed" if of_requests else ""
        raise DataError(f"the outcomes lack the column {missing[0]!r}; expected {', '.join(wanted)}{more}")
    checked = check_batch(outcomes, contract.target, "the outcomes")
    keys = read_keys(outcomes, predictions.key_names)
    if twice := [key for key, count in Counter(keys).items() if count > 1]:
        shown = ", ".join(f"{name} {value}" for name, value in zip(predictions.key_names, twice[0], strict=True))
        raise DataError(f"the row with {shown} has more than one outcome ({len(twice)} such); keep one")
    codes = checked.columns[contract.target_name]
    truth = {key: codes[index] for index, key in enumerate(keys) if checked.good[index]}
    answers = np.flatnonzero(predictions.of_model(model.version)).tolist()
    mine = [index for index in answers if _known(predictions, index)]
    known = [index for index in mine if predictions.keys[index] in truth]
    answered = {predictions.keys[index] for index in mine}
    measured: dict[str, Any] = {"metric": "", "metrics": {}, "high": None, "less_is_better": False}
    if len(known) >= settings.drift.min_rows:
        target = np.array([truth[predictions.keys[index]] for index in known])
        numbers = predictions.probabilities if contract.classes else np.array(predictions.answers, dtype=float)[:, None]
        measured = _measure(model, target, np.asarray(numbers)[known], settings.promotion)
    holdout = model.metrics.get("model")
    return OutcomesReport(
        model=model.version,
        source=predictions.source,
        rows=len(known),
        waiting=len(mine) - len(known),
        unknown=sum(key not in answered for key in keys),
        refused=int((~checked.good).sum()),
        min_rows=settings.drift.min_rows,
        metrics=measured["metrics"],
        holdout=dict(holdout) if isinstance(holdout, dict) else {},
        metric=measured["metric"],
        best=measured["low" if measured["less_is_better"] else "high"],
        less_is_better=measured["less_is_better"],
        allowed=settings.drift.loss,
    )


def _measure(
    model: Model, target: npt.NDArray[np.float64], outputs: npt.NDArray[np.float64], settings: Promotion
) -> dict[str, Any]:
    """Return the metrics of outputs of shape (rows, classes or 1), and the confidence interval of the main one."""
    with TemporaryDirectory() as folder:
        contract, table = Path(folder, "contract.yaml"), Path(folder, "outputs.parquet")
        contract.write_text(model.contract.model_dump_json(by_alias=True), encoding="utf-8")
        columns = {f"output_{index}": column for index, column in enumerate(outputs.T)}
        pq.write_table(pa.table({"target": target, **columns}), table)
        options = [f"--decision={model.decision.model_dump_json()}"]
        options += [f"--{name}={getattr(settings, name)}" for name in ("confidence", "resamples")]
        return run_pipeline("measure", str(contract), str(table), *options)


def _known(predictions: Predictions, index: int) -> bool:
    """Return whether a row has all probabilities: it does not if the model that answered has other classes."""
    return predictions.probabilities is None or bool(np.isfinite(predictions.probabilities[index]).all())
