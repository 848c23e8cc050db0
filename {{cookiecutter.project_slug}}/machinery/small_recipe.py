"""A small recipe; it imports scikit-learn only where it fits, so that processes that tests start are quick."""

from typing import Any, Literal

import numpy as np
from pydantic import PositiveFloat, PositiveInt

from {{ cookiecutter.__package_name }}_pipeline.dataset import Dataset, Folds, Indices
from {{ cookiecutter.__package_name }}_pipeline.fetch import fetch_tables
from {{ cookiecutter.__package_name }}_pipeline.metrics import Answers, Metric
from {{ cookiecutter.__package_name }}_pipeline.params import SplitParams, Strict
from {{ cookiecutter.__package_name }}_pipeline.recipe import Recipe
from {{ cookiecutter.__package_name }}_predict import Contract


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


def split(rows: Dataset, how: SplitParams, seed: int) -> Indices:
    """Return the rows of the holdout."""
    from {{ cookiecutter.__package_name }}_pipeline.splits import hold_out

    return hold_out(rows, how, seed)


def folds(rows: Dataset, how: SplitParams, seed: int) -> Folds:
    """Return the folds of the training rows."""
    from {{ cookiecutter.__package_name }}_pipeline.splits import make_folds

    return make_folds(rows, how, seed)


def accuracy(answers: Answers) -> float:
    """Return the share of rows that are right."""
    return float((answers.predicted == answers.target).mean())


def balanced_accuracy(answers: Answers) -> float:
    """Return the mean over the classes of the share of their rows that is right."""
    right = answers.predicted == answers.target
    return float(np.mean([right[answers.target == code].mean() for code in np.unique(answers.target)]))


def r2(answers: Answers) -> float:
    """Return the coefficient of determination; not a number for a single row."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return float(1 - ((answers.target - answers.predicted) ** 2).mean() / answers.target.var())


def mae(answers: Answers) -> float:
    """Return the mean absolute error."""
    return float(np.abs(answers.target - answers.predicted).mean())


RECIPE = Recipe(
    source=fetch_tables,
    features=lambda c, _: {**c},
    split=split,
    estimator=build,
    parameters=Parameters,
    folds=folds,
    metrics={
        "accuracy": Metric(accuracy),
        "balanced_accuracy": Metric(balanced_accuracy),
        "r2": Metric(r2),
        "mae": Metric(mae, less_is_better=True),
    },
)
