"""The project's paths, parameters and contract, each read from the one file where it is written."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt

from .prediction import ConfigError, Contract, load_contract, load_yaml
from .results import CLASSIFICATION_METRICS, REGRESSION_METRICS

CONFIG = Path("config/default.yaml")
PARAMS = Path("params.yaml")
Share = Annotated[float, Field(ge=0, le=1)]


class Strict(BaseModel):
    """Base of all sections: unknown keys are refused, nothing changes afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Paths(Strict):
    """Every path of the pipeline, relative to the project's root; `dvc.yaml` reads the same section."""

    contract: Path = Field(alias="schema")
    source: Annotated[str, Field(min_length=1)]
    raw: Path
    clean: Path
    quarantine: Path
    validation: Path
    train: Path
    test: Path
    candidate: Path
    reference: Path
    metrics: Path
    plots: Path
    card: Path
    gate: Path
    model: Path


class Config(BaseModel):
    """What the pipeline reads of the configuration; other sections belong to others."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    paths: Paths


class ValidateParams(Strict):
    """How many rows may break the contract before the pipeline stops."""

    max_quarantined: Share


class SplitParams(Strict):
    """How much of the data is held out."""

    test_share: Annotated[float, Field(gt=0, lt=1)]


class BoostingParams(Strict):
    """Histogram gradient boosting; the names are scikit-learn's."""

    learning_rate: PositiveFloat
    max_iter: PositiveInt
    max_leaf_nodes: Annotated[int, Field(ge=2)]
    min_samples_leaf: PositiveInt
    l2_regularization: Annotated[float, Field(ge=0)]


class ForestParams(Strict):
    """A random forest; the names are scikit-learn's."""

    n_estimators: PositiveInt
    max_depth: PositiveInt | None
    min_samples_leaf: PositiveInt


class LinearParams(Strict):
    """Ridge or logistic regression; a greater alpha shrinks the coefficients more."""

    alpha: PositiveFloat


class TrainParams(Strict):
    """Which model to fit, and how."""

    model: Literal["boosting", "forest", "linear"]
    boosting: BoostingParams
    forest: ForestParams
    linear: LinearParams


class GateParams(Strict):
    """What a model must reach to be let through."""

    minimum: dict[str, float]
    maximum: dict[str, float]
    min_gain_over_trivial: float
    max_single_feature_score: float


class Params(Strict):
    """The whole of `params.yaml`."""

    seed: Annotated[int, Field(ge=0, lt=2**32)]
    validation: ValidateParams = Field(alias="validate")
    split: SplitParams
    train: TrainParams
    gate: GateParams


@dataclass(frozen=True)
class Project:
    """Everything a stage is told."""

    paths: Paths
    params: Params
    contract: Contract

    @classmethod
    def load(cls) -> Self:
        """Read the project in the current folder.

        Raises:
            ConfigError: a file is absent, or has an unknown, missing or ill-typed key, which the message names.
        """
        paths, params = load_yaml(CONFIG, Config).paths, load_yaml(PARAMS, Params)
        contract = load_contract(paths.contract)
        known = CLASSIFICATION_METRICS if contract.classes else REGRESSION_METRICS
        if unknown := [name for name in (*params.gate.minimum, *params.gate.maximum) if name not in known]:
            raise ConfigError(f"{PARAMS}: gate: no metric is named {unknown[0]!r}; expected {', '.join(known)}")
        return cls(paths, params, contract)
