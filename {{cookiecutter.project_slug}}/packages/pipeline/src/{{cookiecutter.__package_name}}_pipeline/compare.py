"""Whether a model does worse than another on the same rows: a paired bootstrap of the main metric."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.stats import bootstrap

from {{ cookiecutter.__package_name }}_predict.contract import Contract
from {{ cookiecutter.__package_name }}_predict.model import Model

from .dataset import load_dataset
from .metrics import Metrics, main_metric, measure, shorten

LEAST_ROWS = 30
MOST_NUMBERS = 10_000_000  # at the same time in memory
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Bootstrap:
    """How the interval of confidence is computed: its confidence, the number of resamples, and their seed."""

    confidence: float
    resamples: int
    seed: int = 0


@dataclass(frozen=True)
class Comparison:
    """The difference in the main metric, new less old, with an interval of confidence; positive is better."""

    metric: str
    old: float
    new: float
    low: float
    high: float
    rows: int
    margin: float

    @property
    def passed(self) -> bool:
        """Whether the interval leaves out a loss beyond the margin: the new model is not inferior."""
        return self.low >= -self.margin

    def __str__(self) -> str:
        return (
            f"{self.metric} {self.new:.6g} against {self.old:.6g} on {self.rows} rows, difference "
            f"{self.new - self.old:+.4g}, between {self.low:+.4g} and {self.high:+.4g}; allowed is a loss of "
            f"{self.margin:g}{self._doubt}"
        )

    @property
    def _doubt(self) -> str:
        """That the rows are too few, where the difference itself would be allowed."""
        unsure = not self.passed and self.new - self.old >= -self.margin
        return " (the holdout has too few rows to tell that it loses no more)" if unsure else ""


def compare(
    new: Model, old: Model, holdout: pa.Table, metrics: Metrics, margin: float, settings: Bootstrap
) -> Comparison:
    """Return how a model does against another on a holdout.

    The interval is a percentile interval of the paired bootstrap (Efron and Tibshirani, An Introduction to the
    Bootstrap, 1993, chapter 13): rows are drawn together with what both models make of them.

    Args:
        new: the model that wants to be promoted.
        old: the one that is there.
        holdout: rows and targets, under the contract of both.
        metrics: what is measured.
        margin: how much of the main metric the new one may lose.
        settings: of the bootstrap.
    """
    contract, dataset = new.contract, load_dataset(holdout, new.contract)
    target = dataset.target
    outputs = [model.run(dataset.features).astype(np.float64) for model in (new, old)]
    wins = [score_rows(output, target, contract) for output in outputs]
    low, high = resample(wins[0] - wins[1], target, contract, settings)
    metric = main_metric(contract)
    found, before = (measure(target, output, contract, metrics)[metric] for output in outputs)
    return Comparison(metric, before, found, low, high, len(target), margin)


def resample(scores: Floats, target: Floats, contract: Contract, settings: Bootstrap) -> tuple[float, float]:
    """Return the interval of confidence of what rows add to the metric (see `score_rows`), both of shape (rows,).

    With fewer than `LEAST_ROWS` it is unbounded: resamples of a handful of rows know nothing of the others.
    """
    if len(target) < LEAST_ROWS:
        return -np.inf, np.inf
    interval = bootstrap(
        (scores, target),
        _balanced_mean if contract.classes else _share_of_variance,
        paired=True,
        vectorized=True,
        n_resamples=settings.resamples,
        confidence_level=settings.confidence,
        method="percentile",
        batch=max(1, MOST_NUMBERS // len(target)),
        rng=np.random.default_rng(settings.seed),
    ).confidence_interval
    return shorten(interval.low), shorten(interval.high)


def measure_outcomes(outputs: pa.Table, contract: Contract, metrics: Metrics, settings: Bootstrap) -> dict[str, object]:
    """Return the metrics of outputs whose target is known, and the interval of confidence of the main one.

    Args:
        outputs: a column `target` and the columns `output_0`, …, as the model gives them.
        contract: of the model.
        metrics: what is measured.
        settings: of the bootstrap.
    """
    target = outputs.column("target").to_numpy()
    made = np.column_stack([outputs.column(name).to_numpy() for name in outputs.column_names if name != "target"])
    found = measure(target, made, contract, metrics)
    low, high = resample(score_rows(made, target, contract), target, contract, settings)
    base = 0 if contract.classes else 1  # what rows add to r² starts from one
    return {"metric": main_metric(contract), "metrics": found, "low": base + low, "high": base + high}


def score_rows(outputs: Floats, target: Floats, contract: Contract) -> Floats:
    """Return what each row adds to the metric, of shape (rows,): whether it is right, or its squared error, negative.

    Args:
        outputs: of a model, of shape (rows, classes or 1).
        target: of shape (rows,); the index of the class, or the number.
        contract: whether it is a classification.
    """
    if contract.classes:
        return np.asarray(outputs.argmax(axis=1) == target, dtype=np.float64)
    return np.asarray(-((target - outputs[:, 0]) ** 2))


def _balanced_mean(scores: Floats, target: Floats, axis: int = -1) -> Floats:
    """Return the mean over the classes of each class's mean: for right answers, the balanced accuracy."""
    rights = [target == code for code in np.unique(target)]
    counts = [right.sum(axis=axis) for right in rights]
    sums = [np.where(right, scores, 0).sum(axis=axis) for right in rights]
    means = [total / np.maximum(count, 1) for total, count in zip(sums, counts, strict=True)]
    present = np.sum([count > 0 for count in counts], axis=0)
    return np.asarray(np.sum(means, axis=0) / present)


def _share_of_variance(scores: Floats, target: Floats, axis: int = -1) -> Floats:
    """Return the mean as a share of the target's variance: for negative squared errors, r² less one."""
    return np.asarray(scores.mean(axis=axis) / target.var(axis=axis))
