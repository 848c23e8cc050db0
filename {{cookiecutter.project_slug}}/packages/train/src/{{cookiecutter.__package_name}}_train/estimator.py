"""What learns: a scikit-learn estimator, and the parameters that params.yaml sets under `train`."""

from typing import Annotated, Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline

from {{ cookiecutter.__package_name }}_pipeline.preparation import prepare_columns
from {{ cookiecutter.__package_name }}_pipeline.project import Strict
from {{ cookiecutter.__package_name }}_predict import Contract


class Boosting(Strict):
    """Histogram gradient boosting; the names are scikit-learn's."""

    learning_rate: PositiveFloat
    max_iter: PositiveInt
    max_leaf_nodes: Annotated[int, Field(ge=2)]
    min_samples_leaf: PositiveInt
    l2_regularization: Annotated[float, Field(ge=0)]


class Forest(Strict):
    """A random forest; the names are scikit-learn's."""

    n_estimators: PositiveInt
    max_depth: PositiveInt | None
    min_samples_leaf: PositiveInt


class Linear(Strict):
    """Ridge or logistic regression; a greater alpha shrinks the coefficients more."""

    alpha: PositiveFloat


class Parameters(Strict):
    """Which model to fit, and how."""

    model: Literal["boosting", "forest", "linear"]
    boosting: Boosting
    forest: Forest
    linear: Linear


def build(contract: Contract, parameters: Parameters, seed: int) -> Pipeline:
    """Return an unfitted estimator, whose steps skl2onnx can convert."""
    prepare = prepare_columns(contract, scale=parameters.model == "linear")
    return Pipeline([("prepare", prepare), ("model", _build_model(contract, parameters, seed))])


def _build_model(contract: Contract, parameters: Parameters, seed: int) -> Any:
    if parameters.model == "boosting":
        boosting = HistGradientBoostingClassifier if contract.classes else HistGradientBoostingRegressor
        return boosting(random_state=seed, **parameters.boosting.model_dump())
    if parameters.model == "forest":
        forest = RandomForestClassifier if contract.classes else RandomForestRegressor
        return forest(random_state=seed, **parameters.forest.model_dump())
    if contract.classes:
        return LogisticRegression(C=1 / parameters.linear.alpha, max_iter=1000, random_state=seed)
    return Ridge(alpha=parameters.linear.alpha)
