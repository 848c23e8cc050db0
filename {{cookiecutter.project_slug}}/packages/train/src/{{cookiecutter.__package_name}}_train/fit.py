"""Stage 4: fit a scikit-learn pipeline that follows from the contract, and export it as one ONNX file."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from .examples import Examples, load_examples, read_table
from .export import compute_outputs, export, read_lineage
from .prediction import Category, Contract, DataError, whole_file
from .project import Project, TrainParams


def run(project: Project) -> None:
    """Fit on the training table; write the candidate model, and the pipeline's own outputs for the skew check."""
    paths, params, contract = project.paths, project.params, project.contract
    examples = load_examples(read_table(paths.train), contract)
    pipeline = fit(examples, contract, params.train, params.seed)
    outputs = compute_outputs(pipeline, examples.features, contract)
    model = export(pipeline, contract, read_lineage(params), examples.features)
    with whole_file(paths.candidate) as file:
        file.write(model)
    with whole_file(paths.reference) as file:
        pq.write_table(pa.table({f"output_{index}": column for index, column in enumerate(outputs.T)}), file)


def fit(examples: Examples, contract: Contract, params: TrainParams, seed: int) -> Pipeline:
    """Return a fitted pipeline.

    Raises:
        DataError: a class of the contract does not occur, so the model could never predict it.
    """
    present = set(examples.target.tolist())
    if absent := [name for index, name in enumerate(contract.classes) if index not in present]:
        raise DataError(
            f"no training row has the {contract.target_name} {', '.join(absent)}; "
            "supply such rows or take the value out of schema.yaml"
        )
    target = examples.target.astype(np.int64) if contract.classes else examples.target
    return build_pipeline(contract, params, seed).fit(examples.features, target)


def build_pipeline(contract: Contract, params: TrainParams, seed: int) -> Pipeline:
    """Return an unfitted pipeline: imputation, encoding, scaling where it matters, and the model.

    Trees see unscaled numbers: scaling changes nothing for them, and in single precision it moves rows across splits.
    """
    fields = list(contract.features.values())
    categories = [index for index, field in enumerate(fields) if isinstance(field, Category)]
    numbers = [index for index in range(len(fields)) if index not in categories]
    levels = [list(range(len(field.values))) for field in fields if isinstance(field, Category)]
    scale = [StandardScaler()] if params.model == "linear" else []
    prepare = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), *scale), numbers),
            (
                "categories",
                make_pipeline(
                    SimpleImputer(strategy="constant", fill_value=-1),  # no level: all its columns are zero
                    OneHotEncoder(categories=levels, handle_unknown="ignore", sparse_output=False, dtype=np.float32),
                ),
                categories,
            ),
        ]
    )
    return Pipeline([("prepare", prepare), ("model", build_model(contract, params, seed))])


def build_model(contract: Contract, params: TrainParams, seed: int) -> object:
    """Return the unfitted model that the parameters name, for the contract's kind of target."""
    if params.model == "boosting":
        boosting = HistGradientBoostingClassifier if contract.classes else HistGradientBoostingRegressor
        return boosting(random_state=seed, **params.boosting.model_dump())
    if params.model == "forest":
        forest = RandomForestClassifier if contract.classes else RandomForestRegressor
        return forest(random_state=seed, **params.forest.model_dump())
    if contract.classes:
        return LogisticRegression(C=1 / params.linear.alpha, max_iter=1000, random_state=seed)
    return Ridge(alpha=params.linear.alpha)
