"""Fit the recipe to rows: features that no row's own target has influenced, and an estimator."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import numpy as np

from {{ cookiecutter.__package_name }}_predict.contract import Contract
from {{ cookiecutter.__package_name }}_predict.errors import DataError

from .calibration import Calibration
from .dataset import Dataset
from .features import FeatureMaker, Features, Matrix
from .metrics import Outputs
from .project import Project
from .splits import inner_folds

Estimator = Any  # scikit-learn has no common type for estimators


@dataclass(frozen=True)
class Fitted:
    """Features and an estimator, fitted to the same rows, and the calibration of its probabilities, if there is one."""

    contract: Contract
    features: Features
    estimator: Estimator
    calibration: Calibration | None = None

    def compute_outputs(self, matrix: Matrix) -> Outputs:
        """Return the library's outputs, of shape (rows, classes or 1): the reference for the exported model."""
        if not self.contract.classes:
            return np.asarray(self.estimator.predict(matrix), dtype=np.float64).reshape(-1, 1)
        outputs = np.zeros((len(matrix), len(self.contract.classes)))
        present = self.estimator.classes_.astype(int)  # a fold may lack a class
        outputs[:, present] = self.estimator.predict_proba(matrix)
        return outputs if self.calibration is None else self.calibration.apply(outputs)


@dataclass(frozen=True)
class Learner:
    """A recipe and its parameters.

    Attributes:
        maker: of the features.
        build: returns an unfitted estimator.
        seed: of the folds in which features that depend on the target are learned.
    """

    maker: FeatureMaker
    build: Callable[[], Estimator]
    seed: int

    @classmethod
    def of(cls, project: Project, parameters: Any = None) -> Self:
        """Return the learner of a project, with the parameters of params.yaml or others."""
        contract, params, recipe = project.contract, project.params, project.recipe
        build = partial(recipe.estimator, contract, parameters or params.train, params.seed)
        return cls(FeatureMaker(contract, recipe.features, recipe.fit), build, params.seed)

    def fit(self, rows: Dataset) -> Fitted:
        """Fit features and an estimator to training rows.

        Raises:
            ConfigError: features.py or estimator.py does what a model file cannot carry.
            DataError: a category has too many values, or scikit-learn cannot fit these rows.
        """
        features = self.maker.learn(rows)
        matrix = self.maker.cross_fit(rows, features, inner_folds(rows, self.seed) if self.maker.uses_target() else [])
        target = rows.target.astype(np.int64) if rows.contract.classes else rows.target
        try:
            return Fitted(rows.contract, features, self.build().fit(matrix, target))
        except ValueError as error:
            raise DataError(f"the estimator cannot be fitted to {len(rows)} rows: {str(error)[:300]}") from error
