"""The recipe: the pipeline's only interface to the team's science."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import numpy.typing as npt
import pyarrow as pa
from pydantic import BaseModel

from {{ cookiecutter.__package_name }}_predict.contract import Contract
from {{ cookiecutter.__package_name }}_predict.errors import ConfigError

from .dataset import Dataset, Folds, Indices
from .metrics import Metrics
from .params import SplitParams

FeatureFunction = Callable[[Any, Any], dict[str, Any]]
FitFunction = Callable[[Mapping[str, npt.NDArray[Any]]], dict[str, Any]]
GROUP = f"{(__package__ or '').removesuffix('_pipeline')}.recipe"


@dataclass(frozen=True)
class Recipe:
    """The team's functions, one for each step; the stages call them.

    Attributes:
        source: given an address and an empty folder, writes CSV or Parquet files into it, or returns tables.
        features: returns the columns that the estimator uses, by name, from those of the contract and functions.
        split: returns the indices of the rows to hold out, given the section `split` of params.yaml and a seed.
        folds: returns pairs of the training rows to fit on and the others, in the same way.
        estimator: returns an unfitted scikit-learn estimator, given the section `train` of params.yaml and a seed.
        parameters: the type of that section.
        metrics: the team's own metrics.
        fit: returns tables for the features, made from the training rows; None if they need none.
    """

    source: Callable[[str, Path], pa.Table | Iterable[pa.Table] | None]
    features: FeatureFunction
    split: Callable[[Dataset, SplitParams, int], Indices]
    folds: Callable[[Dataset, SplitParams, int], Folds]
    estimator: Callable[[Contract, Any, int], Any]
    parameters: type[BaseModel]
    metrics: Metrics
    fit: FitFunction | None = None


def load_recipe() -> Recipe:
    """Return the recipe that an installed distribution declares in the entry point group `<package>.recipe`.

    Raises:
        ConfigError: no distribution or more than one declares a recipe, or it is not a `Recipe`.
    """
    found = list(entry_points(group=GROUP))
    if len(found) != 1:
        names = ", ".join(entry.value for entry in found) or "none"
        raise ConfigError(f"found {names} as the recipe ({GROUP}), expected one; install packages/train, and no other")
    recipe = found[0].load()
    if not isinstance(recipe, Recipe):
        raise ConfigError(f"{found[0].value} is {type(recipe).__name__}, expected a Recipe; correct recipe.py")
    return recipe
