"""A small recipe; it imports scikit-learn only where it fits, so that processes that tests start are quick."""

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import PositiveFloat, PositiveInt

from {{ cookiecutter.__package_name }}_pipeline.fetch import fetch_tables
from {{ cookiecutter.__package_name }}_pipeline.metrics import Metrics
from {{ cookiecutter.__package_name }}_pipeline.project import Strict
from {{ cookiecutter.__package_name }}_pipeline.recipe import Recipe
from {{ cookiecutter.__package_name }}_predict import Contract

Array = npt.NDArray[Any]


class Parameters(Strict):
    """Which small model to fit, and how."""

    model: Literal["boosting", "forest", "linear"]
    trees: PositiveInt
    learning_rate: PositiveFloat


def build(contract: Contract, parameters: Parameters, seed: int) -> Any:
    """Return an unfitted estimator."""
    from sklearn import ensemble, impute, linear_model, preprocessing
    from sklearn.pipeline import make_pipeline

    kind = "Classifier" if contract.classes else "Regressor"
    fill = impute.SimpleImputer(strategy="median", keep_empty_features=True)
    if parameters.model == "boosting":
        options = {"max_iter": parameters.trees, "learning_rate": parameters.learning_rate, "min_samples_leaf": 10}
        return getattr(ensemble, f"HistGradientBoosting{kind}")(random_state=seed, max_leaf_nodes=15, **options)
    if parameters.model == "forest":
        return make_pipeline(fill, getattr(ensemble, f"RandomForest{kind}")(parameters.trees, random_state=seed))
    model = linear_model.LogisticRegression(max_iter=1000) if contract.classes else linear_model.Ridge()
    return make_pipeline(fill, preprocessing.StandardScaler(), model)


def split(table: pa.Table, contract: Contract, holdout_share: float, seed: int) -> tuple[pa.Table, pa.Table]:
    """Return the training rows and the holdout."""
    from {{ cookiecutter.__package_name }}_pipeline.splits import random_split

    classes = table.column(contract.target_name).to_numpy() if contract.classes else None
    return random_split(table, holdout_share, seed, stratify=classes)


def accuracy(target: Array, outputs: Array) -> float:
    """Return the share of rows that are right."""
    return float((outputs.argmax(axis=1) == target).mean())


def balanced_accuracy(target: Array, outputs: Array) -> float:
    """Return the mean over the classes of the share of their rows that is right."""
    right = outputs.argmax(axis=1) == target
    return float(np.mean([right[target == code].mean() for code in np.unique(target)]))


def r2(target: Array, outputs: Array) -> float:
    """Return the coefficient of determination; not a number for a single row."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return float(1 - ((target - outputs[:, 0]) ** 2).mean() / target.var())


def mae(target: Array, outputs: Array) -> float:
    """Return the mean absolute error."""
    return float(np.abs(target - outputs[:, 0]).mean())


RECIPE = Recipe(
    source=fetch_tables,
    features=lambda c, _: {**c},
    split=split,
    estimator=build,
    parameters=Parameters,
    metrics=Metrics(
        classification={"accuracy": accuracy, "balanced_accuracy": balanced_accuracy},
        regression={"r2": r2, "mae": mae},
    ),
)
