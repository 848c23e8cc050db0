"""Stage 4: fit the team's estimator, and export it as an ONNX file."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from {{ cookiecutter.__package_name }}_predict.atomic import whole_file
from {{ cookiecutter.__package_name }}_predict.contract import Contract, Matrix
from {{ cookiecutter.__package_name }}_predict.errors import ConfigError, DataError

from .dataset import Dataset, load_dataset, read_table
from .export import Estimator, compute_outputs, export
from .lineage import read_lineage
from .project import Project
from .recipe import Recipe


def run(project: Project) -> None:
    """Fit on the training rows; write the candidate, and the estimator's own outputs for the skew check."""
    paths, contract = project.paths, project.contract
    dataset = load_dataset(read_table(paths.train), contract)
    estimator = fit(dataset, project)
    outputs = compute_outputs(estimator, dataset.features, contract)
    model = export(estimator, contract, read_lineage(project.params), dataset.features)
    with whole_file(paths.candidate) as file:
        file.write(model)
    with whole_file(paths.reference) as file:
        pq.write_table(pa.table({f"output_{index}": column for index, column in enumerate(outputs.T)}), file)


def fit(dataset: Dataset, project: Project) -> Estimator:
    """Fit the recipe's estimator, and return it.

    Raises:
        ConfigError: the recipe's features are not the contract's columns.
        DataError: a class of the contract does not occur, so the model could never predict it.
    """
    contract, params = project.contract, project.params
    present = set(dataset.target.tolist())
    if absent := [name for index, name in enumerate(contract.classes) if index not in present]:
        raise DataError(
            f"no training row has the {contract.target_name} {', '.join(absent)}; "
            "supply such rows or remove the value from schema.yaml"
        )
    target = dataset.target.astype(np.int64) if contract.classes else dataset.target
    estimator: Estimator = project.recipe.estimator(contract, params.train, params.seed)
    return estimator.fit(_features(dataset.features, contract, project.recipe), target)


def _features(matrix: Matrix, contract: Contract, recipe: Recipe) -> Matrix:
    """Return the recipe's features, which must be the contract's columns: a model file cannot compute others yet."""
    columns = recipe.features(dict(zip(contract.features, matrix.T.copy(), strict=True)))
    made = np.column_stack(list(columns.values())) if columns else np.empty((0, 0))
    if list(columns) != list(contract.features) or not np.array_equal(made, matrix, equal_nan=True):
        raise ConfigError(
            f"features.py returned {', '.join(columns) or 'no columns'}, expected the contract's columns unchanged "
            f"({', '.join(contract.features)}): a model file cannot compute others yet"
        )
    return matrix
