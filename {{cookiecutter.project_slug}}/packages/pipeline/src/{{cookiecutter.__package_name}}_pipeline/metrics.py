"""Metrics: scikit-learn's by the names of its scorers, and the team's own functions."""

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from {{ cookiecutter.__package_name }}_predict.artefact import Decision
from {{ cookiecutter.__package_name }}_predict.contract import Contract
from {{ cookiecutter.__package_name }}_predict.errors import ConfigError, DataError, list_names
from {{ cookiecutter.__package_name }}_predict.model import decide

from .calibration import calibration_error
from .dataset import Dataset
from .params import MetricsParams

Outputs = npt.NDArray[np.float64]
FEWEST_IN_SLICE = 20
MISSING_SLICE = "(missing)"
NO_DECISION = Decision()
CALIBRATION, COVERAGE = "calibration_error", "interval_coverage"  # measured without being asked for


@dataclass(frozen=True)
class Answers:
    """What a model answers to rows whose target is known.

    Attributes:
        contract: what a row is.
        target: of shape (rows,); the index of the class, or the number.
        outputs: of shape (rows, classes or 1): probabilities, or predicted numbers.
        decision: the threshold, if there is one.
        rows: the rows themselves; None where only the outputs are known, as for outcomes.
    """

    contract: Contract
    target: npt.NDArray[Any]
    outputs: Outputs
    decision: Decision = NO_DECISION
    rows: Dataset | None = None

    @property
    def predicted(self) -> npt.NDArray[Any]:
        """The predicted class (its index) or number for each row, of shape (rows,)."""
        return decide(self.outputs, self.decision) if self.contract.classes else self.outputs[:, 0]

    def values(self, name: str) -> npt.NDArray[Any]:
        """Return a column of the rows, of shape (rows,): texts for a category, otherwise numbers.

        Raises:
            DataError: the rows are not known here.
        """
        if self.rows is None:
            raise DataError(f"{name} is not known for these answers")
        return self.rows.values(name)

    def take(self, chosen: npt.NDArray[Any]) -> "Answers":
        """Return the answers to some of the rows."""
        rows = None if self.rows is None else self.rows.take(np.arange(len(self.target))[chosen])
        return Answers(self.contract, self.target[chosen], self.outputs[chosen], self.decision, rows)


@dataclass(frozen=True)
class Metric:
    """A function of answers that gives a number, and whether less of it is better."""

    function: Callable[[Answers], float]
    less_is_better: bool = False


Metrics = Mapping[str, Metric]


def find_metrics(own: Metrics, params: MetricsParams, contract: Contract) -> dict[str, Metric]:
    """Return the metrics that params.yaml names, the main one first.

    Args:
        own: the team's functions; they take precedence.
        params: the section `metrics`.
        contract: says whether this is a classification.

    Raises:
        ConfigError: a name is unknown, or a parameter does not fit the kind of target.
    """
    if len(contract.classes) != 2 and (params.costs or params.threshold):
        kind = f"{len(contract.classes)} classes" if contract.classes else "a number"
        raise ConfigError(
            f"params.yaml: metrics: costs and threshold are for two classes, and the target has {kind}; remove them"
        )
    if params.costs and params.threshold:
        raise ConfigError("params.yaml: metrics: costs determine the threshold; remove one of the two")
    if contract.classes and params.interval:
        raise ConfigError("params.yaml: metrics: an interval is for a number, and the target has classes; remove it")
    if params.calibrate and not contract.classes:
        raise ConfigError("params.yaml: metrics: calibrate is for classes, and the target is a number; remove it")
    if hidden := [name for name in params.slices if name in contract.sensitive]:
        raise ConfigError(
            f"params.yaml: metrics.slices: {hidden[0]!r} is sensitive, and the reports and the model file would show "
            "its values; leave it out"
        )
    if unknown := [name for name in params.slices if name not in contract.features]:
        raise ConfigError(
            f"params.yaml: metrics.slices: {unknown[0]!r} is not a feature; expected {list_names(contract.features)}"
        )
    names = list(dict.fromkeys([params.main, *params.also]))
    return {name: own[name] if name in own else _scorer(name) for name in names}


def measure(answers: Answers, metrics: Metrics) -> dict[str, float]:
    """Return each metric.

    Raises:
        DataError: a metric is not a finite number; the message says why, if scikit-learn does.
    """
    found = {}
    for name, metric in metrics.items():
        try:
            with warnings.catch_warnings(action="ignore"):  # of values that are not numbers, which are refused below
                value = float(metric.function(answers))
        except (ArithmeticError, TypeError, ValueError) as error:
            raise DataError(f"{name} of {len(answers.target)} rows cannot be computed: {error}") from error
        if not np.isfinite(value):
            raise DataError(
                f"{name} of {len(answers.target)} rows is not a number; supply more rows, or set fewer folds "
                "(split.folds)"
            )
        found[name] = shorten(value)
    return found


def measure_uncertainty(answers: Answers) -> dict[str, float]:
    """Return the expected calibration error or, if answers have an interval, the share of targets within it."""
    decision = answers.decision
    if answers.contract.classes:
        return {CALIBRATION: shorten(calibration_error(answers.target, answers.outputs))}
    if decision.coverage is None:
        return {}
    residuals = answers.target - answers.outputs[:, 0]
    within = (residuals >= -decision.below) & (residuals <= decision.above)
    return {COVERAGE: shorten(float(within.mean()))}


def measure_slices(answers: Answers, metrics: Metrics, slices: list[str]) -> dict[str, dict[str, dict[str, float]]]:
    """Return the metrics for each value of each feature in `slices`; a number is divided at its quartiles.

    Slices with fewer rows than `FEWEST_IN_SLICE`, and metrics that such rows do not have, are left out.
    """
    found: dict[str, dict[str, dict[str, float]]] = {}
    for name in slices:
        for label, chosen in _slices(answers, name):
            if chosen.sum() >= FEWEST_IN_SLICE:
                part = answers.take(chosen)
                values = {key: value for key, metric in metrics.items() for value in try_metric(part, key, metric)}
                found.setdefault(name, {})[label] = {"rows": int(chosen.sum()), **values}
    return found


def worst_slice(
    name: str, slices: Mapping[str, Mapping[str, Mapping[str, float]]], *, less_is_better: bool
) -> tuple[str, float]:
    """Return the slice in which a metric is worst, and its value; NaN if there is none."""
    values = [
        (f"{feature} = {label}", part[name])
        for feature, parts in slices.items()
        for label, part in parts.items()
        if name in part
    ]
    if not values:
        return "no slice", np.nan
    return (max if less_is_better else min)(values, key=lambda pair: pair[1])


def try_metric(answers: Answers, name: str, metric: Metric) -> Iterator[float]:
    """Yield a metric, or nothing if these answers do not have it."""
    try:
        yield measure(answers, {name: metric})[name]
    except DataError:  # such as a slice with one class
        return


def shorten(value: float) -> float:
    """Round a number to six significant digits."""
    return float(f"{value:.6g}")


def _slices(answers: Answers, name: str) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
    values = answers.values(name)
    if values.dtype.kind != "f":
        for value in sorted({str(value) for value in values if value is not None}):
            yield value, values == value
        yield MISSING_SLICE, np.array([value is None for value in values])
        return
    present = values[~np.isnan(values)]
    edges = np.unique(np.quantile(present, [0, 0.25, 0.5, 0.75, 1])) if len(present) else np.empty(0)
    if len(edges) == 2 and edges.tolist() == [0, 1]:
        yield from ((str(bool(value)).lower(), values == value) for value in edges)
    else:
        for low, high in pairwise(edges):
            last = high == edges[-1]
            yield f"{low:.4g} to {high:.4g}", (values >= low) & ((values <= high) if last else (values < high))
    yield MISSING_SLICE, np.isnan(values)


def _scorer(name: str) -> Metric:
    """Return a metric of scikit-learn by the name of its scorer; `neg_` may be left out, and less is better then.

    Raises:
        ConfigError: there is none.
    """
    from sklearn.metrics import get_scorer, get_scorer_names  # not all commands that read parameters need it

    names = set(get_scorer_names())
    negative = f"neg_{name}" in names
    if name not in names and not negative:
        raise ConfigError(
            f"params.yaml: metrics: {name!r} is neither in metrics.py nor a scorer of scikit-learn; expected, for "
            "example, balanced_accuracy, roc_auc, log_loss, r2 or mean_absolute_error"
        )
    scorer, sign = get_scorer(f"neg_{name}" if negative else name), -1.0 if negative else 1.0

    def function(answers: Answers) -> float:
        places = np.arange(len(answers.target)).reshape(-1, 1)
        target = answers.target.astype(np.int64) if answers.contract.classes else answers.target
        return float(sign * scorer(_Answered(answers), places, target))

    return Metric(function, less_is_better=negative)


class _Answered:
    """An estimator, as a scorer of scikit-learn wants it, whose answers are known."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self.classes_ = np.arange(len(answers.contract.classes))

    def fit(self, *_: object) -> "_Answered":
        return self

    def predict(self, places: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        return np.asarray(self._answers.predicted[places[:, 0]])

    def predict_proba(self, places: npt.NDArray[np.int64]) -> Outputs:
        outputs = self._answers.outputs[places[:, 0]]
        return np.asarray(outputs / outputs.sum(axis=1, keepdims=True))

    def __sklearn_tags__(self) -> Any:  # the library's type is not public
        from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

        kind = ClassifierMixin if self._answers.contract.classes else RegressorMixin
        return type("Known", (kind, BaseEstimator), {})().__sklearn_tags__()
