"""Export a fitted estimator and its contract as one ONNX file that describes and verifies itself."""

from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import ModelProto
from onnx.helper import set_model_props
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType

from {{ cookiecutter.__package_name }}_batch.tables import Checked, decode, encode
from {{ cookiecutter.__package_name }}_predict.artefact import (
    FORMAT,
    INPUT,
    ColumnStatistics,
    Golden,
    Lineage,
    ReferenceStatistics,
    seal,
)
from {{ cookiecutter.__package_name }}_predict.contract import Contract, Matrix
from {{ cookiecutter.__package_name }}_predict.fields import Category

OPSET = 21
GOLDEN_ROWS = 8
PERCENTILES = np.linspace(0, 1, 101)
Outputs = npt.NDArray[np.float64]
Estimator = Any  # scikit-learn has no common type for estimators


def export(estimator: Estimator, contract: Contract, lineage: Lineage, features: Matrix) -> bytes:
    """Return the bytes of the model file; equal arguments give equal bytes.

    Args:
        estimator: the fitted estimator.
        contract: the contract that it was fitted under.
        lineage: what it was fitted from.
        features: the training rows, of shape (rows, features).
    """
    options = {id(estimator): {"zipmap": False}} if contract.classes else None
    kind = [(INPUT, FloatTensorType([None, features.shape[1]]))]
    # without a name the graph gets a random one, and no two files would be equal
    model = to_onnx(estimator, initial_types=kind, options=options, name="model", target_opset=OPSET)
    _sort_opsets(model)
    outputs = compute_outputs(estimator, features, contract)
    metadata = {
        "baseline": describe_training(features, outputs, contract).model_dump_json(),
        "contract": contract.model_dump_json(),
        "format": FORMAT,
        "golden": make_golden(estimator, features, contract).model_dump_json(),
        "lineage": lineage.model_dump_json(),
    }
    set_model_props(model, metadata)
    return seal(model.SerializeToString(deterministic=True))


def compute_outputs(estimator: Estimator, features: Matrix, contract: Contract) -> Outputs:
    """Return scikit-learn's outputs, of shape (rows, classes or 1): the reference for the exported model."""
    if contract.classes:
        return np.asarray(estimator.predict_proba(features), dtype=np.float64)
    return np.asarray(estimator.predict(features), dtype=np.float64).reshape(-1, 1)


def make_golden(estimator: Estimator, features: Matrix, contract: Contract) -> Golden:
    """Return rows that cover the range of each feature, plus one in which every optional value is missing.

    They are composed feature by feature, so that no row of the training data ends up in the file.
    """
    columns = {}
    for (name, field), column in zip(contract.features.items(), features.T, strict=True):
        present = column[~np.isnan(column)]
        steps = np.linspace(0, 1, GOLDEN_ROWS)
        values = np.quantile(present, steps, method="nearest") if len(present) else np.full(GOLDEN_ROWS, np.nan)
        columns[name] = np.append(values, np.nan if field.missing else values[0]).astype(np.float64)
    golden = Checked(columns, np.ones(GOLDEN_ROWS + 1, dtype=bool), {}, {})
    outputs = compute_outputs(estimator, encode(golden, contract), contract)
    return Golden(rows=decode(golden, contract.features).to_pylist(), outputs=outputs.tolist())


def _sort_opsets(model: ModelProto) -> None:
    """Sort the operator sets: the converter takes them from a set, whose order differs from run to run."""
    opsets = sorted(model.opset_import, key=lambda opset: opset.domain)
    del model.opset_import[:]
    model.opset_import.extend(opsets)


def describe_training(features: Matrix, outputs: Outputs, contract: Contract) -> ReferenceStatistics:
    """Return the reference statistics: how the training rows and the model's outputs on them are distributed."""
    columns = {
        name: _levels(column, field.values) if isinstance(field, Category) else _percentiles(column)
        for (name, field), column in zip(contract.features.items(), features.T, strict=True)
    }
    classes = contract.classes
    output = _levels(outputs.argmax(axis=1), classes) if classes else _percentiles(outputs[:, 0])
    return ReferenceStatistics(rows=len(features), features=columns, output=output)


def _levels(codes: npt.NDArray[np.floating | np.integer], values: tuple[str, ...]) -> ColumnStatistics:
    counts = {value: int((codes == index).sum()) for index, value in enumerate(values)}
    return ColumnStatistics(missing=_share(np.isnan(codes)), counts=counts)


def _percentiles(values: npt.NDArray[np.floating]) -> ColumnStatistics:
    present = values[~np.isnan(values)].astype(np.float64)
    quantiles = np.quantile(present, PERCENTILES).tolist() if len(present) else []
    return ColumnStatistics(missing=_share(np.isnan(values)), quantiles=quantiles)


def _share(mask: npt.NDArray[np.bool_]) -> float:
    return round(float(mask.mean()), 6)
