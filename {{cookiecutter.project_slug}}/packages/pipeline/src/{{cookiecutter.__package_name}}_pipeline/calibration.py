"""Calibration: how close probabilities are to how often a class occurs, and a correction that is fitted to that."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import log_softmax

BINS = 10
LEAST = 1e-7  # a probability of zero has no logarithm
LIMITS, WIDEST = (0.05, 20.0), (-20.0, 20.0)  # of the power, and of the logarithm of a weight
Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """A correction of probabilities, fitted to rows that the estimator was not fitted on.

    It is bias-corrected temperature scaling (Alexandari et al., 2020, Maximum likelihood with bias-corrected
    calibration is hard-to-beat at label shift adaptation, https://arxiv.org/abs/1901.06852); with two classes, that is
    Platt scaling of the log odds.

    Attributes:
        power: to which each probability is raised, the inverse of the temperature.
        weights: by which the results are multiplied, one for each class, before they are divided by their sum.
    """

    power: float
    weights: tuple[float, ...]

    @classmethod
    def fit(cls, outputs: Array, target: npt.NDArray[Any]) -> Self:
        """Return the calibration with the lowest log loss.

        Args:
            outputs: probabilities of shape (rows, classes).
            target: the index of each row's class, of shape (rows,).
        """
        logs, rows = np.log(np.clip(outputs, LEAST, 1)), np.arange(len(outputs))
        right = target.astype(int)

        def loss(values: Array) -> tuple[float, Array]:
            found = log_softmax(values[0] * logs + np.append(0, values[1:]), axis=1)
            wrong = np.exp(found)
            wrong[rows, right] -= 1
            slope = np.append((wrong * logs).sum(), wrong.sum(axis=0)[1:]) / len(rows)
            return float(-found[rows, right].mean()), slope

        classes = outputs.shape[1]
        start, bounds = np.append(1, np.zeros(classes - 1)), [LIMITS, *[WIDEST] * (classes - 1)]
        power, *biases = minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B").x
        return cls(float(f"{power:.6g}"), (1.0, *(float(f"{np.exp(bias):.6g}") for bias in biases)))

    def apply(self, outputs: Array) -> Array:
        """Return calibrated probabilities, of the same shape."""
        scaled = outputs**self.power * np.array(self.weights)
        return np.asarray(scaled / scaled.sum(axis=1, keepdims=True))


def reliability_curve(target: npt.NDArray[Any], outputs: Array) -> list[tuple[float, float, int]]:
    """Return the mean predicted probability, the observed share and the count of each non-empty bin.

    For two classes, the forecasts are the second's probabilities; for more, those of each class against the rest.
    """
    classes = np.arange(outputs.shape[1])[1 if outputs.shape[1] == 2 else 0 :]
    happened = (target[:, None] == classes).ravel()
    forecast = outputs[:, classes].ravel()
    bins = np.minimum((forecast * BINS).astype(int), BINS - 1)
    return [
        (round(float(forecast[mask].mean()), 6), round(float(happened[mask].mean()), 6), int(mask.sum()))
        for mask in (bins == index for index in range(BINS))
        if mask.any()
    ]


def calibration_error(target: npt.NDArray[Any], outputs: Array) -> float:
    """Return the expected calibration error: the mean distance of the reliability curve from the diagonal.

    Each bin counts by its rows (Guo et al., 2017, On calibration of modern neural networks,
    https://arxiv.org/abs/1706.04599).
    """
    curve = reliability_curve(target, outputs)
    distance = sum(count * abs(predicted - observed) for predicted, observed, count in curve)
    return distance / sum(count for *_, count in curve)
