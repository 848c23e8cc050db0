"""The project's paths, parameters, contract and recipe, each read from its single source."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, create_model

from {{ cookiecutter.__package_name }}_predict.contract import Contract, load_contract
from {{ cookiecutter.__package_name }}_predict.errors import ConfigError
from {{ cookiecutter.__package_name }}_predict.yamlfile import load_yaml

from .recipe import Recipe, load_recipe

CONFIG = Path("config/default.yaml")
PARAMS = Path("params.yaml")


class Strict(BaseModel):
    """Base of the parameters: unknown keys are rejected, and instances are immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Paths(Strict):
    """Every path of the pipeline, relative to the project's root; `dvc.yaml` reads the same section."""

    contract: Path = Field(alias="schema")
    source: Annotated[str, Field(min_length=1)]
    raw: Path
    clean: Path
    rejected: Path
    validation: Path
    train: Path
    holdout: Path
    candidate: Path
    reference: Path
    metrics: Path
    plots: Path
    card: Path
    gate: Path
    model: Path


class Config(BaseModel):
    """The part of the configuration that the pipeline reads; other packages read the other sections."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    paths: Paths


class ValidateParams(Strict):
    """How many rows may break the contract before the pipeline stops."""

    max_rejected: Annotated[float, Field(ge=0, le=1)]


class SplitParams(Strict):
    """How much of the data is held out."""

    holdout_share: Annotated[float, Field(gt=0, lt=1)]


class GateParams(Strict):
    """What a model must reach to pass the gate."""

    minimum: dict[str, float]
    maximum: dict[str, float]
    min_gain_over_dummy: float
    max_single_feature_score: float


class Params(Strict):
    """The whole of `params.yaml`; the type of the section `train` is the recipe's."""

    seed: Annotated[int, Field(ge=0, lt=2**32)]
    validation: ValidateParams = Field(alias="validate")
    split: SplitParams
    train: Any
    gate: GateParams


@dataclass(frozen=True)
class Project:
    """Everything that a stage needs."""

    paths: Paths
    params: Params
    contract: Contract
    recipe: Recipe

    @classmethod
    def load(cls, recipe: Recipe | None = None) -> Self:
        """Read the project in the current folder, with the installed recipe or another.

        Raises:
            ConfigError: a file is absent, or has an unknown, missing or invalid key, which the message names.
        """
        recipe = recipe or load_recipe()
        paths = load_yaml(CONFIG, Config).paths
        params = load_yaml(PARAMS, create_model("Params", __base__=Params, train=(recipe.parameters, ...)))
        contract = load_contract(paths.contract)
        known = recipe.metrics.of(contract)
        if unknown := [name for name in (*params.gate.minimum, *params.gate.maximum) if name not in known]:
            raise ConfigError(f"{PARAMS}: gate: no metric is named {unknown[0]!r}; expected {', '.join(known)}")
        return cls(paths, params, contract, recipe)
