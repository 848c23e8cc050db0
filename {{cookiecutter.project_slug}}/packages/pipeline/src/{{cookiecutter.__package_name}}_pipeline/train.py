"""Stage 4: fit the team's estimator, and export it with its features as an ONNX file."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from {{ cookiecutter.__package_name }}_predict.artefact import Decision
from {{ cookiecutter.__package_name }}_predict.atomic import whole_file
from {{ cookiecutter.__package_name }}_predict.errors import DataError

from .dataset import Dataset, load_dataset, read_table
from .export import Fitted, compute_outputs, export
from .features import FeatureMaker
from .lineage import read_lineage
from .project import Project
from .splits import make_folds


def run(project: Project) -> None:
    """Fit on the training rows; write the candidate, and the estimator's own outputs for the skew check."""
    paths, contract = project.paths, project.contract
    rows = load_dataset(read_table(paths.train), contract)
    fitted = fit(rows, project)
    matrix = fitted.features.compute(rows.encode(fitted.features.encoder))
    outputs = compute_outputs(fitted.estimator, matrix, contract)
    model = export(fitted, rows, read_lineage(project.params))
    with whole_file(paths.candidate) as file:
        file.write(model)
    with whole_file(paths.reference) as file:
        pq.write_table(pa.table({f"output_{index}": column for index, column in enumerate(outputs.T)}), file)


def fit(rows: Dataset, project: Project) -> Fitted:
    """Fit the recipe's features and estimator to training rows.

    Raises:
        ConfigError: features.py or estimator.py does what a model file cannot carry.
        DataError: a class of the contract does not occur, so the model could never predict it.
    """
    contract, params, recipe = project.contract, project.params, project.recipe
    present = set(rows.target.tolist())
    if absent := [name for index, name in enumerate(contract.classes) if index not in present]:
        raise DataError(
            f"no training row has the {contract.target_name} {', '.join(absent)}; "
            "supply such rows or remove the value from schema.yaml"
        )
    target = rows.target.astype(np.int64) if contract.classes else rows.target
    maker = FeatureMaker(contract, recipe.features, recipe.fit)
    matrix = maker.cross_fit(rows, make_folds(rows, params.seed) if maker.uses_target() else [])
    estimator = recipe.estimator(contract, params.train, params.seed).fit(matrix, target)
    return Fitted(maker.learn(rows), estimator, Decision())
