"""What a model is measured by; the gate's limits in params.yaml name these metrics."""

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn import metrics as sk

from {{ cookiecutter.__package_name }}_pipeline.metrics import Metrics

Target = npt.NDArray[Any]  # class indices, or numbers; of shape (rows,)
Outputs = npt.NDArray[np.float64]  # probabilities of shape (rows, classes), or numbers of shape (rows, 1)


def accuracy(target: Target, outputs: Outputs) -> float:
    """Return the share of rows whose most probable class is right."""
    return float(sk.accuracy_score(target, outputs.argmax(axis=1)))


def balanced_accuracy(target: Target, outputs: Outputs) -> float:
    """Return the mean over the classes of the share of their rows that is recognised."""
    return float(sk.balanced_accuracy_score(target, outputs.argmax(axis=1)))


def f1_macro(target: Target, outputs: Outputs) -> float:
    """Return the mean over the classes of the F1 score."""
    labels = list(range(outputs.shape[1]))
    return float(sk.f1_score(target, outputs.argmax(axis=1), average="macro", labels=labels, zero_division=0))


def log_loss(target: Target, outputs: Outputs) -> float:
    """Return the cross-entropy; less is better."""
    shares = outputs / outputs.sum(axis=1, keepdims=True)
    return float(sk.log_loss(target, shares, labels=list(range(outputs.shape[1]))))


def r2(target: Target, outputs: Outputs) -> float:
    """Return the coefficient of determination."""
    return float(sk.r2_score(target, outputs[:, 0]))


def mae(target: Target, outputs: Outputs) -> float:
    """Return the mean absolute error, in the target's unit; less is better."""
    return float(sk.mean_absolute_error(target, outputs[:, 0]))


def rmse(target: Target, outputs: Outputs) -> float:
    """Return the root of the mean squared error, in the target's unit; less is better."""
    return float(sk.root_mean_squared_error(target, outputs[:, 0]))


METRICS = Metrics(
    classification={
        "accuracy": accuracy,
        "balanced_accuracy": balanced_accuracy,
        "f1_macro": f1_macro,
        "log_loss": log_loss,
    },
    regression={"r2": r2, "mae": mae, "rmse": rmse},
)
