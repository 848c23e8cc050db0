"""Turn a fitted pipeline and its contract into one ONNX file that explains and verifies itself."""

import hashlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
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
    ConfigError,
    Contract,
    FeatureBaseline,
    Golden,
    Lineage,
    Matrix,
    as_json,
    seal,
)
from .project import CONFIG, Params

OPSET = 21
GOLDEN_ROWS = 8
PERCENTILES = np.linspace(0, 1, 101)
DVC_YAML = Path("dvc.yaml")


def export(
    pipeline: Pipeline,
    contract: Contract,
    lineage: Lineage,
    table: pa.Table,
    features: Matrix,
    outputs: npt.NDArray[np.float64],
) -> bytes:
    """Return the model file's bytes: the same for the same arguments.

    Args:
        pipeline: fitted.
        contract: what it was fitted under.
        lineage: what it was fitted from.
        table: the training rows.
        features: the same rows, encoded.
        outputs: what the pipeline computes for them, of shape (rows, classes or 1).
    """
    options = {id(pipeline): {"zipmap": False}} if contract.classes else None
    kind = [(INPUT, FloatTensorType([None, features.shape[1]]))]
    # without a name the graph gets a random one, and no two files are equal
    model = to_onnx(pipeline, initial_types=kind, options=options, name="model", target_opset=OPSET)
    _sort_opsets(model)
    chosen = np.unique(np.linspace(0, len(features) - 1, GOLDEN_ROWS).astype(int))
    rows = table.select(list(contract.features)).take(chosen).to_pylist()
    metadata = {
        "baseline": as_json(measure(features, outputs, contract)),
        "contract": as_json(contract),
        "format": FORMAT,
        "golden": as_json(Golden(rows=rows, outputs=outputs[chosen].tolist())),
        "lineage": as_json(lineage),
    }
    set_model_props(model, metadata)
    return seal(model.SerializeToString(deterministic=True))


def _sort_opsets(model: ModelProto) -> None:
    """Put the operator sets in order: the converter takes them from a set, whose order differs from run to run."""
    opsets = sorted(model.opset_import, key=lambda opset: opset.domain)
    del model.opset_import[:]
    model.opset_import.extend(opsets)


def measure(features: Matrix, outputs: npt.NDArray[np.float64], contract: Contract) -> Baseline:
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
        names = [paths[name[8:-1]] if name.startswith("${paths.") else name for name in declared]
        inputs = {name: _md5(Path(name)) for name in sorted(names)}
    except (OSError, KeyError) as error:
        raise ConfigError(f"the inputs of the train stage in {DVC_YAML} cannot be read: {error}") from error
    return Lineage(inputs=inputs, params={"seed": params.seed, "train": params.train.model_dump(mode="json")})


def _md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
