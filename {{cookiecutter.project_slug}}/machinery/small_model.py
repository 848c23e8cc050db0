"""A small contract and a small model file, made with onnx alone."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from {{ cookiecutter.__package_name }}_predict.artefact import FORMAT, NUMBERS, OUTPUT, seal
from {{ cookiecutter.__package_name }}_predict.contract import Contract, load_contract

SCHEMA = """\
features:
  length: {type: number, minimum: 0, maximum: 10, unit: mm}
  count: {type: integer, minimum: 0, maximum: 100, missing: true}
  colour: {type: category, values: [red, green]}
  ready: {type: boolean, missing: true}
target:
  kind: {type: category, values: [small, large]}
"""
ROW = {"length": 2.5, "count": 7, "colour": "green", "ready": True}
WEIGHTS = np.array([[-0.5, 0.5], [-0.02, 0.02], [0.1, -0.1], [0.3, -0.3]], dtype=np.float32)
BIAS = np.array([2.0, -2.0], dtype=np.float32)


@pytest.fixture
def contract(tmp_path: Path) -> Contract:
    """Return a contract with each type of field."""
    path = tmp_path / "schema.yaml"
    path.write_text(SCHEMA)
    return load_contract(path)


@pytest.fixture
def make_model(contract: Contract, tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a sealed model: softmax of a linear function, where missing counts as zero."""

    def make(name: str = "model.onnx", scale: float = 1, **changed: str | None) -> Path:
        path = tmp_path / name
        path.write_bytes(seal(build(contract, changed, scale)))
        return path

    return make


@pytest.fixture
def model_path(make_model: Callable[..., Path]) -> Path:
    """Return the path of a sound model."""
    return make_model()


KINDS = """\
keys: {id: order no., group: customer}
features:
  ordered: {type: datetime}
  born: {type: date, missing: true}
  shop: {type: category, open: true, missing: true}
  note: {type: text, max_length: 100, missing: true}
  "share (%)": {type: number, expected: [0, 100]}
target:
  late: {type: boolean}
"""
ORDER = {
    "ordered": "2024-05-31T14:30:00+02:00",
    "born": "1990-01-01",
    "shop": "Zürich",
    "note": "two words",
    "share (%)": 1,
    "order no.": 17,
}


@pytest.fixture
def kinds_path(tmp_path: Path) -> Path:
    """Return the path of a model whose contract has all kinds of fields; it looks at the share alone."""
    (tmp_path / "kinds.yaml").write_text(KINDS, encoding="utf-8")
    contract = load_contract(tmp_path / "kinds.yaml")
    changed: dict[str, str | None] = {
        "vocabulary": '{"values": {"shop": ["Zürich", "Genf"]}, "seen": {"shop": 2}}',
        "golden": '{"rows": [{"ordered": "2024-05-31", "share (%)": 0}], "outputs": [[0.5, 0.5]]}',
    }
    weights = np.zeros((6, 2), dtype=np.float32)
    weights[5] = [-0.05, 0.05]
    path = tmp_path / "kinds.onnx"
    path.write_bytes(seal(build(contract, changed, weights=weights, bias=np.zeros(2, dtype=np.float32))))
    return path


def build(
    contract: Contract,
    changed: dict[str, str | None],
    scale: float = 1,
    weights: npt.NDArray[np.float32] = WEIGHTS,
    bias: npt.NDArray[np.float32] = BIAS,
) -> bytes:
    """Return a serialised model for a contract; `changed` replaces entries of its metadata, or takes them out.

    With a large `scale` of its weights, its scores overflow.
    """
    nodes = [
        helper.make_node("Cast", [NUMBERS], ["single"], to=TensorProto.FLOAT),
        helper.make_node("IsNaN", ["single"], ["missing"]),
        helper.make_node("Where", ["missing", "zero", "single"], ["present"]),
        helper.make_node("Gemm", ["present", "weights", "bias"], ["scores"]),
        helper.make_node("Softmax", ["scores"], [OUTPUT]),
    ]
    constants = {"zero": np.zeros(1, dtype=np.float32), "weights": np.float32(scale) * weights, "bias": bias}
    graph = helper.make_graph(
        nodes,
        "model",
        [helper.make_tensor_value_info(NUMBERS, TensorProto.DOUBLE, [None, len(weights)])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [None, 2])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    metadata = {
        "format": FORMAT,
        "contract": contract.model_dump_json(),
        "lineage": '{"inputs": {"schema.yaml": "0"}, "params": {"seed": 1}}',
        "baseline": '{"rows": 1, "features": {}, "output": {"missing": 0}}',
        "golden": '{"rows": [{"length": 0, "colour": "red"}], "outputs": [[0.98201379, 0.01798621]]}',
    }
    onnx.helper.set_model_props(model, {key: value for key, value in (metadata | changed).items() if value is not None})
    payload: bytes = model.SerializeToString()
    return payload
