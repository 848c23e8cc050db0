"""Metrics: named functions of a target and a model's outputs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from {{ cookiecutter.__package_name }}_predict.contract import Contract
from {{ cookiecutter.__package_name }}_predict.errors import ConfigError, DataError

Metric = Callable[[npt.NDArray[Any], npt.NDArray[np.float64]], float]


@dataclass(frozen=True)
class Metrics:
    """The metrics for classification and for regression.

    A metric takes the target, of shape (rows,), and the outputs. For a classification these are class indices and
    probabilities, of shape (rows, classes); for a regression, numbers and predicted numbers of shape (rows, 1).
    """

    classification: Mapping[str, Metric]
    regression: Mapping[str, Metric]

    def of(self, contract: Contract) -> Mapping[str, Metric]:
        """Return the metrics for the kind of problem that a contract describes.

        Raises:
            ConfigError: the main metric is not among them.
        """
        found = self.classification if contract.classes else self.regression
        if (main := main_metric(contract)) not in found:
            raise ConfigError(f"metrics.py has {', '.join(found) or 'no metric'}, expected {main} among them; add it")
        return found


def main_metric(contract: Contract) -> str:
    """Return the name of the metric by which models are compared."""
    return "balanced_accuracy" if contract.classes else "r2"


def measure(
    target: npt.NDArray[np.float64], outputs: npt.NDArray[np.float64], contract: Contract, metrics: Metrics
) -> dict[str, float]:
    """Return the metrics of outputs of shape (rows, classes or 1) for a target of shape (rows,).

    Raises:
        DataError: a metric is not a finite number, because there are too few rows.
    """
    actual = target.astype(int) if contract.classes else target
    found = {name: float(metric(actual, outputs)) for name, metric in metrics.of(contract).items()}
    if missing := [name for name, value in found.items() if not np.isfinite(value)]:
        raise DataError(f"{missing[0]} of {len(target)} rows is not a number; supply more rows")
    return {name: shorten(value) for name, value in found.items()}


def shorten(value: float) -> float:
    """Round a number to six significant digits."""
    return float(f"{value:.6g}")
