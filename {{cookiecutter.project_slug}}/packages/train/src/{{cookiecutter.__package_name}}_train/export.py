"""Turn a fitted pipeline and its contract into one ONNX file that explains and verifies itself."""

import hashlib
import re
from pathlib import Path

import numpy as np
import numpy.typing as npt
import yaml
from onnx import ModelProto
from onnx.helper import set_model_props
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.pipeline import Pipeline

from .prediction import (
    FORMAT,
    INPUT,
    Baseline,
    Category,
    Checked,
    ConfigError,
    Contract,
    FeatureBaseline,
    Golden,
    Lineage,
    Matrix,
    as_json,
    decode,
    encode,
    seal,
)
from .project import CONFIG, Params

OPSET = 21
GOLDEN_ROWS = 8
PERCENTILES = np.linspace(0, 1, 101)
Outputs = npt.NDArray[np.float64]
DVC_YAML = Path("dvc.yaml")


def export(pipeline: Pipeline, contract: Contract, lineage: Lineage, features: Matrix) -> bytes:
    """Return the model file's bytes: the same for the same arguments.

    Args:
        pipeline: fitted.
        contract: what it was fitted under.
        lineage: what it was fitted from.
        features: the training rows, of shape (rows, features).
    """
    options = {id(pipeline): {"zipmap": False}} if contract.classes else None
    kind = [(INPUT, FloatTensorType([None, features.shape[1]]))]
    # without a name the graph gets a random one, and no two files are equal
    model = to_onnx(pipeline, initial_types=kind, options=options, name="model", target_opset=OPSET)
    _sort_opsets(model)
    metadata = {
        "baseline": as_json(measure(features, compute_outputs(pipeline, features, contract), contract)),
        "contract": as_json(contract),
        "format": FORMAT,
        "golden": as_json(make_golden(pipeline, features, contract)),
        "lineage": as_json(lineage),
    }
    set_model_props(model, metadata)
    return seal(model.SerializeToString(deterministic=True))


def compute_outputs(pipeline: Pipeline, features: Matrix, contract: Contract) -> Outputs:
    """Return what scikit-learn computes, of shape (rows, classes or 1): the reference for the exported model."""
    if contract.classes:
        return np.asarray(pipeline.predict_proba(features), dtype=np.float64)
    return np.asarray(pipeline.predict(features), dtype=np.float64).reshape(-1, 1)


def make_golden(pipeline: Pipeline, features: Matrix, contract: Contract) -> Golden:
    """Return rows that run through the range of each feature, one of them with all missing that may be.

    They are composed feature by feature, so that no row of the training data goes into the file.
    """
    columns = {}
    for (name, field), column in zip(contract.features.items(), features.T, strict=True):
        present = column[~np.isnan(column)]
        steps = np.linspace(0, 1, GOLDEN_ROWS)
        values = np.quantile(present, steps, method="nearest") if len(present) else np.full(GOLDEN_ROWS, np.nan)
        columns[name] = np.append(values, np.nan if field.missing else values[0]).astype(np.float64)
    golden = Checked(columns, np.ones(GOLDEN_ROWS + 1, dtype=bool), {}, {})
    outputs = compute_outputs(pipeline, encode(golden, contract), contract)
    return Golden(rows=decode(golden, contract.features).to_pylist(), outputs=outputs.tolist())


def _sort_opsets(model: ModelProto) -> None:
    """Put the operator sets in order: the converter takes them from a set, whose order differs from run to run."""
    opsets = sorted(model.opset_import, key=lambda opset: opset.domain)
    del model.opset_import[:]
    model.opset_import.extend(opsets)


def measure(features: Matrix, outputs: Outputs, contract: Contract) -> Baseline:
    """Return how the training rows and the model's outputs on them are distributed."""
    columns = {
        name: _levels(column, field.values) if isinstance(field, Category) else _percentiles(column)
        for (name, field), column in zip(contract.features.items(), features.T, strict=True)
    }
    classes = contract.classes
    output = _levels(outputs.argmax(axis=1), classes) if classes else _percentiles(outputs[:, 0])
    return Baseline(rows=len(features), features=columns, output=output)


def _levels(codes: npt.NDArray[np.floating | np.integer], values: tuple[str, ...]) -> FeatureBaseline:
    counts = {value: int((codes == index).sum()) for index, value in enumerate(values)}
    return FeatureBaseline(missing=_share(np.isnan(codes)), counts=counts)


def _percentiles(values: npt.NDArray[np.floating]) -> FeatureBaseline:
    present = values[~np.isnan(values)].astype(np.float64)
    quantiles = np.quantile(present, PERCENTILES).tolist() if len(present) else []
    return FeatureBaseline(missing=_share(np.isnan(values)), quantiles=quantiles)


def _share(mask: npt.NDArray[np.bool_]) -> float:
    return round(float(mask.mean()), 6)


def read_lineage(params: Params) -> Lineage:
    """Return the MD5 of everything that `dvc.yaml` declares as the train stage's inputs, and its parameters.

    These are the very hashes that `dvc.lock` records, so one can be held against the other.

    Raises:
        ConfigError: `dvc.yaml` has no train stage, or one of its inputs does not exist.
    """
    try:
        paths = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["paths"]
        declared = yaml.safe_load(DVC_YAML.read_text(encoding="utf-8"))["stages"]["train"]["deps"]
        names = [re.sub(r"\$\{paths\.(\w+)\}", lambda found: str(paths[found[1]]), name) for name in declared]
        inputs = {name: _md5(Path(name)) for name in sorted(names)}
    except (OSError, AttributeError, KeyError, TypeError, yaml.YAMLError) as error:
        raise ConfigError(f"the inputs of the train stage in {DVC_YAML} cannot be read: {error}") from error
    return Lineage(inputs=inputs, params={"seed": params.seed, "train": params.train.model_dump(mode="json")})


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
