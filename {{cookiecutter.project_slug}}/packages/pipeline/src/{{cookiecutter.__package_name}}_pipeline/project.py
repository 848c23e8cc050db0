"""The project's paths, parameters, contract and recipe, each read from its single source."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, create_model

from {{ cookiecutter.__package_name }}_batch.dialect import Dialect
from {{ cookiecutter.__package_name }}_predict.contract import Contract, load_contract
from {{ cookiecutter.__package_name }}_predict.errors import ConfigError
from {{ cookiecutter.__package_name }}_predict.fields import Date
from {{ cookiecutter.__package_name }}_predict.yamlfile import load_yaml

from .metrics import CALIBRATION, COVERAGE, Metrics, find_metrics
from .params import Params, Strict
from .recipe import Recipe, load_recipe

CONFIG = Path("config/default.yaml")
PARAMS = Path("params.yaml")


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
    cross_validation: Path
    reference: Path
    metrics: Path
    plots: Path
    card: Path
    gate: Path
    model: Path


class Source(Dialect):
    """How the tables at `paths.source` are written, which of them to use, and how many of their rows.

    Attributes:
        files: of a folder, only the files that match this pattern, such as `orders-*.csv`; null takes all.
        sample: use this many rows, drawn at random; null uses all.
    """

    files: str | None = None
    sample: PositiveInt | None = None


class Config(BaseModel):
    """The part of the configuration that the pipeline reads; other packages read the other sections."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    paths: Paths
    source: Source = Source()


@dataclass(frozen=True)
class Project:
    """Everything that a stage needs."""

    paths: Paths
    source: Source
    params: Params
    contract: Contract
    recipe: Recipe

    @property
    def address(self) -> str:
        """Where the tables are: a file, a folder, or a pattern of files in a folder."""
        files = self.source.files
        return f"{self.paths.source.rstrip('/')}/{files}" if files else self.paths.source

    @cached_property
    def metrics(self) -> Metrics:
        """The metrics that params.yaml names, the main one first.

        Raises:
            ConfigError: a name is unknown, or the gate limits what is not measured.
        """
        found, gate = find_metrics(self.recipe.metrics, self.params.metrics, self.contract), self.params.gate
        more = [CALIBRATION] if self.contract.classes else [COVERAGE] if self.params.metrics.interval else []
        for section, limits in (
            ("minimum", gate.minimum),
            ("maximum", gate.maximum),
            ("worst_slice", gate.worst_slice),
        ):
            measured = [*found, *more] if section != "worst_slice" else [*found]
            if unknown := [name for name in limits if name not in measured]:
                known = ", ".join(measured)
                raise ConfigError(
                    f"{PARAMS}: gate.{section}: {unknown[0]} is not measured (metrics.also), only {known}"
                )
        for section, limits, less in (("minimum", gate.minimum, False), ("maximum", gate.maximum, True)):
            if wrong := [name for name in limits if name in found and found[name].less_is_better != less]:
                raise ConfigError(
                    f"{PARAMS}: gate.{section}: of {wrong[0]}, {'more' if less else 'less'} is better; "
                    f"limit it under gate.{'minimum' if less else 'maximum'}"
                )
        return found

    @classmethod
    def load(cls, recipe: Recipe | None = None) -> Self:
        """Read the project in the current folder, with the installed recipe or another.

        Raises:
            ConfigError: a file is absent, or has an unknown, missing or invalid key, which the message names.
        """
        recipe = recipe or load_recipe()
        config = load_yaml(CONFIG, Config)
        params = load_yaml(PARAMS, create_model("Params", __base__=Params, train=(recipe.parameters, ...)))
        contract = load_contract(config.paths.contract)
        if "*" in config.paths.source:
            raise ConfigError(
                f"{CONFIG}: paths.source: found the pattern {config.paths.source!r}, expected a folder, since dvc.yaml "
                "depends on it; write the pattern of its files under source.files"
            )
        for name in config.source.dates:
            if not isinstance(contract.table_fields.get(name), Date):
                schema = config.paths.contract
                raise ConfigError(
                    f"{CONFIG}: source.dates: {schema} has no date {name!r}; correct the name, or remove it"
                )
        project = cls(config.paths, config.source, params, contract, recipe)
        _ = project.metrics  # a wrong name is found before anything runs
        return project
