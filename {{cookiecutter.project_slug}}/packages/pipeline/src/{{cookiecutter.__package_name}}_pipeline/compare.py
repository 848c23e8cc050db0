"""Compare two models on the same rows, by a paired bootstrap of the main metric."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.stats import bootstrap

from {{ cookiecutter.__package_name }}_batch.tables import check_batch
from {{ cookiecutter.__package_name }}_predict.artefact import Decision
from {{ cookiecutter.__package_name }}_predict.contract import Contract
from {{ cookiecutter.__package_name }}_predict.errors import DataError
from {{ cookiecutter.__package_name }}_predict.model import Model

from .dataset import load_dataset
from .metrics import Answers, Metric, Metrics, measure, measure_uncertainty, shorten, try_metric

QUICK = ("balanced_accuracy", "r2")  # resampled at once, from a score of each row
MOST_RESAMPLES = 1000  # of other metrics
LEAST_ROWS = 30
MOST_NUMBERS = 10_000_000  # in memory at the same time
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Bootstrap:
    """How the confidence interval is computed: confidence level, number of resamples, and seed."""

    confidence: float
    resamples: int
    seed: int = 0


@dataclass(frozen=True)
class Comparison:
    """The difference in the main metric, new minus old, with a confidence interval; positive is better."""

    metric: str
    old: float
    new: float
    low: float
    high: float
    rows: int
    margin: float

    @property
    def passed(self) -> bool:
        """Whether the interval excludes a loss beyond the margin: the new model is not inferior."""
        return self.low >= -self.margin

    def __str__(self) -> str:
        return (
            f"{self.metric} {self.new:.6g} against {self.old:.6g} on {self.rows} rows, difference "
            f"{self.new - self.old:+.4g}, between {self.low:+.4g} and {self.high:+.4g}; the allowed loss is "
            f"{self.margin:g}{self._doubt}"
        )

    @property
    def _doubt(self) -> str:
        """A note that there are too few rows, if the difference itself would be allowed."""
        unsure = not self.passed and self.new - self.old >= -self.margin
        return " (the holdout has too few rows to rule out a larger loss)" if unsure else ""


def compare(
    new: Model, old: Model, holdout: pa.Table, metrics: Metrics, margin: float, settings: Bootstrap
) -> Comparison:
    """Compare a model with another on a holdout.

    The interval is a percentile interval of the paired bootstrap (Efron and Tibshirani, An Introduction to the
    Bootstrap, 1993, chapter 13): each row is drawn together with the outputs of both models.

    Args:
        new: the candidate.
        old: the current model.
        holdout: rows and targets, under the contract of the new model; those that break the old one's are left out.
        metrics: of the project, the main one first.
        margin: how much worse the new model's main metric may be.
        settings: of the bootstrap.

    Raises:
        DataError: the two predict different things, the holdout lacks a feature, or there are no rows that both accept.
    """
    shared = _valid_under_both(holdout, new.contract, old.contract)
    answers = list[Answers]()
    for model in (new, old):
        rows = load_dataset(shared, model.contract)
        outputs = model.run(rows.encode(model.encoder)).astype(np.float64)
        answers.append(Answers(model.contract, rows.target, outputs, model.decision, rows))
    name = next(iter(metrics))
    found, before = (measure(part, {name: metrics[name]})[name] for part in answers)
    low, high = resample(answers, name, metrics[name], settings)
    return Comparison(name, before, found, low, high, len(shared), margin)


def _valid_under_both(table: pa.Table, new: Contract, old: Contract) -> pa.Table:
    if (new.target_name, new.labels) != (old.target_name, old.labels):
        what = [f"{part.target_name} ({', '.join(map(str, part.labels)) or 'a number'})" for part in (new, old)]
        raise DataError(f"the two models cannot be compared: one predicts {what[0]}, the other {what[1]}")
    if new.differences(old):
        good = check_batch(table, {**old.key_fields, **old.features, **old.target}, "the holdout").good
        table = table.filter(pa.array(good))
    if not len(table):
        raise DataError("the two models cannot be compared: no row of the holdout is valid under both contracts")
    return table


def measure_outcomes(
    outputs: pa.Table, contract: Contract, decision: Decision, metrics: Metrics, settings: Bootstrap
) -> dict[str, object]:
    """Return the metrics of outputs for known targets, and the confidence interval of the main metric.

    Metrics of the team's own that need the rows are left out.

    Args:
        outputs: a column `target` and the columns `output_0`, …, as the model computes them.
        contract: the contract of the model.
        decision: of the model.
        metrics: of the project, the main one first.
        settings: of the bootstrap.
    """
    target = outputs.column("target").to_numpy()
    made = np.column_stack([outputs.column(name).to_numpy() for name in outputs.column_names if name != "target"])
    answers, main = Answers(contract, target, made, decision), next(iter(metrics))
    found = {name: value for name, metric in metrics.items() for value in try_metric(answers, name, metric)}
    if main not in found:
        raise DataError(f"{main} cannot be computed from the outputs alone; name another main metric in params.yaml")
    low, high = resample([answers], main, metrics[main], settings)
    found |= measure_uncertainty(answers)
    return {"metric": main, "metrics": found, "low": low, "high": high, "less_is_better": metrics[main].less_is_better}


def resample(answers: Sequence[Answers], name: str, metric: Metric, settings: Bootstrap) -> tuple[float, float]:
    """Return the confidence interval of a metric or, of two models' answers to the same rows, of their difference.

    A difference is positive if the first model is better. With fewer than `LEAST_ROWS` the interval is unbounded: so
    few rows do not represent the others.
    """
    target, contract = answers[0].target, answers[0].contract
    if len(target) < LEAST_ROWS:
        return -np.inf, np.inf
    if name in QUICK and all(part.decision.threshold is None for part in answers):
        scores = [score_rows(part.outputs, target, contract) for part in answers]
        low, high = _resample_quickly(
            scores[0] - scores[1] if len(scores) > 1 else scores[0], target, contract, settings
        )
        base = 0 if contract.classes or len(scores) > 1 else 1  # r² is one plus the mean of the row scores
        return shorten(base + low), shorten(base + high)
    rng = np.random.default_rng(settings.seed)
    values = []
    for _ in range(min(settings.resamples, MOST_RESAMPLES)):
        drawn = rng.integers(0, len(target), len(target))
        found = [value for part in answers for value in try_metric(part.take(drawn), name, metric)]
        if len(found) == len(answers):  # a sample may have one class
            values.append(found[0] - found[1] if len(found) > 1 else found[0])
    if len(values) < MOST_RESAMPLES / 20:
        return -np.inf, np.inf
    if metric.less_is_better and len(answers) > 1:
        values = [-value for value in values]
    low, high = np.quantile(values, [(1 - settings.confidence) / 2, (1 + settings.confidence) / 2])
    return shorten(low), shorten(high)


def _resample_quickly(scores: Floats, target: Floats, contract: Contract, settings: Bootstrap) -> tuple[float, float]:
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
    return interval.low, interval.high


def score_rows(outputs: Floats, target: Floats, contract: Contract) -> Floats:
    """Return each row's contribution to the metric, of shape (rows,): 1 if correct else 0, or minus the squared error.

    Args:
        outputs: the outputs of a model, of shape (rows, classes or 1).
        target: of shape (rows,); the index of the class, or the number.
        contract: says whether this is a classification.
    """
    if contract.classes:
        return np.asarray(outputs.argmax(axis=1) == target, dtype=np.float64)
    return np.asarray(-((target - outputs[:, 0]) ** 2))


def _balanced_mean(scores: Floats, target: Floats, axis: int = -1) -> Floats:
    """Return the mean of the class means: the balanced accuracy, if scores are 1 for a correct answer and else 0."""
    rights = [target == code for code in np.unique(target)]
    counts = [right.sum(axis=axis) for right in rights]
    sums = [np.where(right, scores, 0).sum(axis=axis) for right in rights]
    means = [total / np.maximum(count, 1) for total, count in zip(sums, counts, strict=True)]
    present = np.sum([count > 0 for count in counts], axis=0)
    return np.asarray(np.sum(means, axis=0) / present)


def _share_of_variance(scores: Floats, target: Floats, axis: int = -1) -> Floats:
    """Return the mean divided by the target's variance: r² minus one, if the scores are negative squared errors."""
    return np.asarray(scores.mean(axis=axis) / target.var(axis=axis))
