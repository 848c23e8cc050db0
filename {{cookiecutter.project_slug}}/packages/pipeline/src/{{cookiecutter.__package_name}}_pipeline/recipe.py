"""The recipe: all that the pipeline knows of the team's science."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import BaseModel

from {{ cookiecutter.__package_name }}_predict.contract import Contract
from {{ cookiecutter.__package_name }}_predict.errors import ConfigError

from .metrics import Metrics

GROUP = f"{(__package__ or '').removesuffix('_pipeline')}.recipe"
Columns = dict[str, npt.NDArray[np.float32]]


@dataclass(frozen=True)
class Recipe:
    """The team's functions, one for each step; the stages call them.

    Attributes:
        source: writes the tables at an address into an empty folder, as CSV or Parquet files.
        features: returns the columns that the estimator sees, each of shape (rows,), from those of the contract.
        split: returns the training rows and the holdout of a table, for a share of rows and a seed.
        estimator: returns an unfitted scikit-learn estimator, for the section `train` of params.yaml and a seed.
        parameters: the type of that section.
        metrics: what an evaluation measures.
    """

    source: Callable[[str, Path], None]
    features: Callable[[Columns], Columns]
    split: Callable[[pa.Table, Contract, float, int], tuple[pa.Table, pa.Table]]
    estimator: Callable[[Contract, Any, int], Any]
    parameters: type[BaseModel]
    metrics: Metrics


def load_recipe() -> Recipe:
    """Return the recipe of the installed distribution that has one, as an entry point of the group `<package>.recipe`.

    Raises:
        ConfigError: none has one, more than one has, or what it names is no recipe.
    """
    found = list(entry_points(group=GROUP))
    if len(found) != 1:
        names = ", ".join(entry.value for entry in found) or "none"
        raise ConfigError(f"found {names} as the recipe ({GROUP}), expected one; install packages/train, and no other")
    recipe = found[0].load()
    if not isinstance(recipe, Recipe):
        raise ConfigError(f"{found[0].value} is {type(recipe).__name__}, expected a Recipe; correct recipe.py")
    return recipe
