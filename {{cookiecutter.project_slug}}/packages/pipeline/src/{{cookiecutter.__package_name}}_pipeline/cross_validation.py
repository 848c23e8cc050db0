"""Cross-validation on the training rows: the metrics that experiments are compared by, thresholds and intervals."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from {{ cookiecutter.__package_name }}_predict.artefact import Decision
from {{ cookiecutter.__package_name }}_predict.errors import DataError

from .calibration import Calibration
from .dataset import Dataset, Folds
from .learner import Learner
from .metrics import Answers, Metrics, Outputs, measure, shorten
from .params import Costs, MetricsParams
from .scores import CrossValidation, Score


@dataclass(frozen=True)
class OutOfFold:
    """Outputs for rows of a fold, made without them."""

    rows: npt.NDArray[np.int64]
    outputs: Outputs


def predict_folds(
    rows: Dataset, folds: Folds, learner: Learner, advance: Callable[[], None] = lambda: None
) -> list[OutOfFold]:
    """Fit on the rows of each fold, and predict for the others; folds whose rows have one class only are left out.

    Args:
        rows: the training rows.
        folds: pairs of rows to fit on and others.
        learner: fits the recipe.
        advance: called after each fold.

    Raises:
        DataError: no fold is left.
    """
    found = list[OutOfFold]()
    for fitted, others in folds:
        part = rows.take(fitted)
        if not rows.contract.classes or len(np.unique(part.target)) > 1:
            model = learner.fit(part)
            matrix = model.features.compute(rows.take(others).encode(model.features.encoder))
            found.append(OutOfFold(others, model.compute_outputs(matrix)))
        advance()
    if not found:
        raise DataError(
            f"each of {len(folds)} folds has one class only; supply more rows, or set fewer folds (split.folds)"
        )
    return found


def calibrate(rows: Dataset, made: Sequence[OutOfFold]) -> tuple[Calibration, list[OutOfFold]]:
    """Return a calibration of probabilities for rows left out, and those probabilities once it is applied."""
    target = np.concatenate([rows.target[part.rows] for part in made])
    found = Calibration.fit(np.concatenate([part.outputs for part in made]), target)
    return found, [replace(part, outputs=found.apply(part.outputs)) for part in made]


def decide_answers(rows: Dataset, made: Sequence[OutOfFold], params: MetricsParams) -> Decision:
    """Return the threshold or the interval that params.yaml asks for, from predictions for rows left out.

    An interval reaches from one quantile of the residuals to another, so that it covers the configured share of these
    rows. For new rows it covers about as many, without a guarantee (Barber et al., 2021, Predictive inference with the
    jackknife+, https://doi.org/10.1214/20-AOS1965, on what a guarantee would need).
    """
    places = np.concatenate([part.rows for part in made])
    outputs, target = np.concatenate([part.outputs for part in made]), rows.target[places]
    if params.interval:
        residuals = target - outputs[:, 0]
        low, high = np.quantile(residuals, [(1 - params.interval) / 2, (1 + params.interval) / 2])
        return Decision(coverage=params.interval, below=shorten(-low), above=shorten(high))
    if params.costs:
        return Decision(threshold=cheapest_threshold(outputs[:, 1], target == 1, params.costs))
    return Decision(threshold=params.threshold)


def cheapest_threshold(shares: npt.NDArray[np.float64], positive: npt.NDArray[np.bool_], costs: Costs) -> float:
    """Return the threshold with the lowest total cost; in the middle between two probabilities that occur.

    Args:
        shares: the probabilities of the positive class, of shape (rows,).
        positive: which rows are, of shape (rows,).
        costs: of each wrong answer.
    """
    order = np.argsort(shares)
    values, marks = shares[order], positive[order]
    # the cost if the first k rows are predicted to be negative, and the others positive
    missed = np.concatenate([[0], np.cumsum(marks)]) * costs.false_negative
    alarms = (np.sum(~marks) - np.concatenate([[0], np.cumsum(~marks)])) * costs.false_positive
    borders = np.concatenate([[0.0], (values[:-1] + values[1:]) / 2, [1.0]])
    possible = np.concatenate([[True], values[:-1] < values[1:], [True]])
    best = int(np.argmin(np.where(possible, missed + alarms, np.inf)))
    return shorten(float(np.clip(borders[best], 1e-6, 1 - 1e-6)))


def summarise(rows: Dataset, made: Sequence[OutOfFold], metrics: Metrics, decision: Decision) -> CrossValidation:
    """Return the mean and the spread of each metric over the folds.

    Raises:
        DataError: a metric is not a number in a fold.
    """
    scores = [
        measure(Answers(rows.contract, rows.target[part.rows], part.outputs, decision, rows.take(part.rows)), metrics)
        for part in made
    ]
    values = {name: [score[name] for score in scores] for name in metrics}
    found = {
        name: Score(mean=shorten(float(np.mean(part))), spread=shorten(float(np.std(part))))
        for name, part in values.items()
    }
    return CrossValidation(rows=len(rows), folds=len(made), metrics=found)
