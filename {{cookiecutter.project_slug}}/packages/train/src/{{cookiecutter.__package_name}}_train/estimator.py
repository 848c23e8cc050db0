"""What learns: an estimator with scikit-learn's interface, and the parameters that params.yaml sets under `train`.

Its matrix is in single precision, with a column for each number and several for a category or a text; NaN where a value
is missing.
"""

from importlib import import_module
from typing import Annotated, Any, Literal

from lightgbm import LGBMClassifier, LGBMRegressor
from pydantic import Field, PositiveFloat, PositiveInt
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from {{ cookiecutter.__package_name }}_pipeline.params import Strict
from {{ cookiecutter.__package_name }}_predict import ConfigError, Contract

Share = Annotated[float, Field(gt=0, le=1)]


class Boosting(Strict):
    """Histogram gradient boosting; the names are scikit-learn's."""

    learning_rate: PositiveFloat
    max_iter: PositiveInt
    max_leaf_nodes: Annotated[int, Field(ge=2)]
    min_samples_leaf: PositiveInt
    l2_regularization: Annotated[float, Field(ge=0)]


class LightGBM(Strict):
    """Gradient boosting by LightGBM; the names are its own."""

    learning_rate: PositiveFloat
    n_estimators: PositiveInt
    num_leaves: Annotated[int, Field(ge=2)]
    min_child_samples: PositiveInt
    reg_lambda: Annotated[float, Field(ge=0)]
    colsample_bytree: Share


class XGBoost(Strict):
    """Gradient boosting by XGBoost; the names are its own."""

    learning_rate: PositiveFloat
    n_estimators: PositiveInt
    max_depth: PositiveInt
    min_child_weight: Annotated[float, Field(ge=0)]
    reg_lambda: Annotated[float, Field(ge=0)]
    colsample_bytree: Share


class Forest(Strict):
    """A random forest; the names are scikit-learn's."""

    n_estimators: PositiveInt
    max_depth: PositiveInt | None
    min_samples_leaf: PositiveInt


class Linear(Strict):
    """Ridge or logistic regression; a greater alpha shrinks the coefficients more."""

    alpha: PositiveFloat


class Parameters(Strict):
    """Which model to fit, and how; with balanced class weights, a rare class counts as much as a frequent one."""

    model: Literal["lightgbm", "xgboost", "boosting", "forest", "linear"]
    class_weight: Literal["balanced"] | None = None
    boosting: Boosting
    lightgbm: LightGBM
    xgboost: XGBoost
    forest: Forest
    linear: Linear


def build(contract: Contract, parameters: Parameters, seed: int) -> Any:
    """Return an unfitted estimator that can be converted to ONNX.

    Raises:
        ConfigError: XGBoost is not installed, or should weigh classes.
    """
    classify, values = bool(contract.classes), getattr(parameters, parameters.model)
    weights: dict[str, Any] = {"class_weight": parameters.class_weight} if classify else {}
    if parameters.model == "boosting":
        boosting = HistGradientBoostingClassifier if classify else HistGradientBoostingRegressor
        return boosting(random_state=seed, **weights, **values.model_dump())
    if parameters.model == "lightgbm":
        lightgbm = LGBMClassifier if classify else LGBMRegressor
        fixed: dict[str, Any] = {"deterministic": True, "force_row_wise": True, "n_jobs": 0, "verbose": -1}
        return lightgbm(random_state=seed, **fixed, **weights, **values.model_dump())
    if parameters.model == "xgboost":
        if parameters.class_weight:
            raise ConfigError("params.yaml: train.class_weight: xgboost has none; set it to null, or choose lightgbm")
        try:
            library: Any = import_module("xgboost")
        except ModuleNotFoundError as error:
            raise ConfigError(
                "params.yaml: train.model: xgboost is not installed; each session of bootstrap.py installs it while "
                "params.yaml names it, elsewhere install requirements/extra-xgboost.txt"
            ) from error
        trees = library.XGBClassifier if classify else library.XGBRegressor
        return trees(random_state=seed, **values.model_dump())
    fill = SimpleImputer(strategy="median", keep_empty_features=True)
    if parameters.model == "forest":
        forest = RandomForestClassifier if classify else RandomForestRegressor
        return make_pipeline(fill, forest(random_state=seed, **weights, **values.model_dump()))
    if classify:
        linear = LogisticRegression(C=1 / values.alpha, max_iter=1000, random_state=seed, **weights)
        return make_pipeline(fill, StandardScaler(), linear)
    return make_pipeline(fill, StandardScaler(), Ridge(alpha=values.alpha))
