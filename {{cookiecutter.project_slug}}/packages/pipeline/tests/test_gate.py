"""The gate: a good candidate becomes the model, anything else leaves it as it was."""

import json
import math
from collections.abc import Callable

import onnx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from {{ cookiecutter.__package_name }}_pipeline import gate
from {{ cookiecutter.__package_name }}_pipeline.gate import Gate, GateError
from {{ cookiecutter.__package_name }}_pipeline.project import Project
from {{ cookiecutter.__package_name }}_predict.errors import DataError, ModelError
from {{ cookiecutter.__package_name }}_predict.model import Model

REGRESSION = pytest.mark.parametrize("kind", ["regression"])
CLASSIFICATION = pytest.mark.parametrize("kind", ["classification"])
WithParams = Callable[..., Project]


def test_gate_lets_a_good_candidate_become_the_model(evaluated: Project) -> None:
    gate.run(evaluated)
    candidate, model = onnx.load(evaluated.paths.candidate), onnx.load(evaluated.paths.model)
    assert model.graph == candidate.graph
    assert Model.load(evaluated.paths.candidate).metrics == {}
    assert Model.load(evaluated.paths.model).metrics == json.loads(evaluated.paths.metrics.read_text())
    assert all(row["passed"] for row in json.loads(evaluated.paths.gate.read_text()))


@REGRESSION
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"minimum": {"r2": 0.9999}}, "r2: found 0.9.*, expected at least 0.9999 .gate.minimum.r2."),
        ({"maximum": {"mae": 0.001}}, "mae: found 0.*, expected at most 0.001"),
        ({"min_gain_over_dummy": 2}, "gain in r2 over the dummy baseline: found .*, expected at least 2"),
        ({"max_single_feature_score": 0.1}, "leakage: r2 from length alone: found .*, expected at most 0.1"),
    ],
)
def test_gate_refuses_what_misses_a_limit(
    with_params: WithParams, changes: dict[str, object], message: str, evaluated: Project
) -> None:
    evaluated.paths.model.write_bytes(b"the model before")
    with pytest.raises(GateError, match=message):
        gate.run(with_params(evaluated, "gate", **changes))
    assert evaluated.paths.model.read_bytes() == b"the model before"
    assert not all(row["passed"] for row in json.loads(evaluated.paths.gate.read_text()))


def test_gate_never_passes_what_is_not_a_number() -> None:
    assert not any(Gate("r2", "minimum.r2", math.nan, 0.5, at_least=side).passed for side in (True, False))


@REGRESSION
def test_gate_refuses_a_candidate_that_is_no_model(evaluated: Project) -> None:
    evaluated.paths.model.write_bytes(b"the model before")
    evaluated.paths.candidate.write_bytes(b"junk")
    with pytest.raises(ModelError, match="truncated or foreign"):
        gate.run(evaluated)
    assert evaluated.paths.model.read_bytes() == b"the model before"


@CLASSIFICATION
def test_gate_refuses_a_class_with_one_row(evaluated: Project) -> None:
    table = pq.read_table(evaluated.paths.train)
    kinds = table.column("kind").to_pylist()
    keep = [kind != "medium" or index == kinds.index("medium") for index, kind in enumerate(kinds)]
    pq.write_table(table.filter(pa.array(keep)), evaluated.paths.train)
    with pytest.raises(DataError, match="kind medium has 1 training rows, expected two or more"):
        gate.run(evaluated)


@CLASSIFICATION
def test_gate_names_a_feature_that_gives_the_target_away(evaluated: Project) -> None:
    table = pq.read_table(evaluated.paths.train)
    codes = [float(evaluated.contract.classes.index(kind)) for kind in table.column("kind").to_pylist()]
    pq.write_table(table.set_column(0, "length", pa.array(codes)), evaluated.paths.train)
    with pytest.raises(GateError, match="leakage: balanced_accuracy from length alone: found 1, expected at most 0.98"):
        gate.run(evaluated)
