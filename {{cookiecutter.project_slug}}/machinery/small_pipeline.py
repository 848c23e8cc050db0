"""A pipeline that takes a moment: the tests of operation run it through DVC, again and again.

It has the real stages `ingest` and `validate`, and two of its own: `train` splits, and fits a linear model by least
squares; `gate` measures it, and lets it become the model. `python -m machinery.small_pipeline STAGE` runs one.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from onnx import TensorProto, helper, numpy_helper

from {{ cookiecutter.__package_name }}_pipeline import ingest, validate
from {{ cookiecutter.__package_name }}_pipeline.dataset import load_dataset, read_table
from {{ cookiecutter.__package_name }}_pipeline.lineage import read_lineage
from {{ cookiecutter.__package_name }}_pipeline.metadata import add_metadata
from {{ cookiecutter.__package_name }}_pipeline.metrics import Answers, measure
from {{ cookiecutter.__package_name }}_pipeline.metrics_file import Evaluation
from {{ cookiecutter.__package_name }}_pipeline.project import CONFIG, Project
from {{ cookiecutter.__package_name }}_predict.artefact import (
    FORMAT,
    NUMBERS,
    OUTPUT,
    ColumnStatistics,
    Golden,
    ReferenceStatistics,
    seal,
)
from {{ cookiecutter.__package_name }}_predict.atomic import whole_file
from {{ cookiecutter.__package_name }}_predict.contract import Contract
from {{ cookiecutter.__package_name }}_predict.encoding import Encoder, Vocabulary
from {{ cookiecutter.__package_name }}_predict.errors import ProjectError
from {{ cookiecutter.__package_name }}_predict.model import Model

from .small_config import PATHS
from .small_recipe import RECIPE

STAGES = {
    "ingest": (["source"], ["raw"], []),
    "validate": (["raw", "schema"], ["clean", "rejected", "validation"], []),
    "train": (["clean", "schema"], ["train", "holdout", "candidate"], ["seed", "train"]),
    "gate": (["candidate", "holdout", "train"], ["gate", "model", "plots"], ["gate", "seed"]),
}
HOW: dict[str, dict[str, bool]] = {
    **{name: {"cache": False} for name in ("validation", "metrics", "gate", "plots")},
    "model": {"persist": True},
}
Floats = npt.NDArray[np.float64]


def describe_pipeline() -> dict[str, Any]:
    """Return what stands in the dvc.yaml of such a project."""
    stages: dict[str, Any] = {}
    for name, (deps, outs, params) in STAGES.items():
        written = [{_refer(out): HOW[out]} if out in HOW else _refer(out) for out in outs]
        command = f"python -m {__name__} {name}"
        stages[name] = {"cmd": command, "deps": list(map(_refer, deps)), "params": params, "outs": written}
    stages["gate"]["metrics"] = [{_refer("metrics"): {"cache": False}}]
    return {"vars": [str(CONFIG)], "stages": stages}


def run(*stages: str) -> None:
    """Run stages in the current folder."""
    for stage in stages:
        {"ingest": ingest.run, "validate": validate.run, "train": _train, "gate": _gate}[stage](Project.load(RECIPE))


def _train(project: Project) -> None:
    paths, contract, params = project.paths, project.contract, project.params
    table = read_table(paths.clean)
    held = np.random.default_rng(params.seed).random(table.num_rows) < params.split.holdout
    for path, rows in ((paths.train, ~held), (paths.holdout, held)):
        pq.write_table(table.filter(pa.array(rows)), path)
    dataset = load_dataset(read_table(paths.train), contract)
    encoder = Encoder(contract, Vocabulary())
    numbers = dataset.encode(encoder).numbers
    columns = np.nan_to_num(numbers)
    design = np.column_stack([columns, np.ones(len(columns))])
    weights = np.linalg.lstsq(design, dataset.target, rcond=None)[0] * min(1.0, params.train.trees / 20)
    statistics = ColumnStatistics(missing=0, quantiles=np.quantile(dataset.target, np.linspace(0, 1, 101)).tolist())
    golden = [contract.example()]
    outputs = np.append(encoder.encode(golden).numbers[0], 1) @ weights
    metadata = {
        "format": FORMAT,
        "contract": contract.model_dump_json(),
        "lineage": read_lineage(params).model_dump_json(),
        "golden": Golden(rows=golden, outputs=[[outputs]]).model_dump_json(),
        "baseline": _describe(numbers, contract, statistics).model_dump_json(),
    }
    paths.candidate.parent.mkdir(exist_ok=True)
    paths.candidate.write_bytes(_build(weights, len(contract.features), metadata))


def _describe(numbers: Floats, contract: Contract, output: ColumnStatistics) -> ReferenceStatistics:
    steps = np.linspace(0, 1, 101)
    columns = {}
    for (name, field), column in zip(contract.features.items(), numbers.T, strict=True):
        values = getattr(field, "values", ())
        absent = column < 0 if values else np.isnan(column)
        present = column[~absent]
        counts = {value: int((present == code).sum()) for code, value in enumerate(values)}
        quantiles = [] if values else np.quantile(present.astype(float), steps).tolist()
        columns[name] = ColumnStatistics(missing=float(absent.mean()), quantiles=quantiles, counts=counts)
    return ReferenceStatistics(rows=len(numbers), features=columns, output=output)


def _build(weights: Floats, features: int, metadata: dict[str, str]) -> bytes:
    nodes = [
        helper.make_node("Cast", [NUMBERS], ["single"], to=TensorProto.FLOAT),
        helper.make_node("IsNaN", ["single"], ["missing"]),
        helper.make_node("Where", ["missing", "zero", "single"], ["present"]),
        helper.make_node("Gemm", ["present", "weights", "bias"], [OUTPUT]),
    ]
    constants = {"zero": np.zeros(1), "weights": weights[:-1, None], "bias": weights[-1:]}
    graph = helper.make_graph(
        nodes,
        "model",
        [helper.make_tensor_value_info(NUMBERS, TensorProto.DOUBLE, [None, features])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [None, 1])],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    helper.set_model_props(model, metadata)
    return seal(model.SerializeToString(deterministic=True))


def _gate(project: Project) -> None:
    paths, contract, metrics = project.paths, project.contract, project.metrics
    model = Model.load(paths.candidate, contract=contract)
    train, holdout = (load_dataset(read_table(path), contract) for path in (paths.train, paths.holdout))
    outputs = model.run(holdout.encode(model.encoder)).astype(np.float64)
    mean = np.full((len(holdout.target), 1), train.target.mean())
    evaluation = Evaluation(
        model=measure(Answers(contract, holdout.target, outputs), metrics),
        dummy=measure(Answers(contract, holdout.target, mean), metrics),
        main="r2",
        rows={"train": len(train.target), "holdout": len(holdout.target)},
        skew=0,
    )
    paths.plots.mkdir(parents=True, exist_ok=True)
    (paths.plots / "residuals.png").write_bytes(b"a picture")
    paths.metrics.write_text(evaluation.model_dump_json(indent=2))
    gain = evaluation.model["r2"] - evaluation.dummy["r2"]
    passed = gain >= project.params.gate.min_gain_over_dummy
    paths.gate.write_text(json.dumps([{"name": "gain", "found": gain, "passed": passed}]))
    if not passed:
        raise ProjectError(f"the gate refused the candidate: a gain of {gain:.3g}")
    with whole_file(paths.model) as file:
        file.write(add_metadata(paths.candidate.read_bytes(), "metrics", evaluation.model_dump_json()))


def _refer(path: str) -> str:
    """Return a path for dvc.yaml: only the source's changes; DVC takes its time to look up the others."""
    return "${paths.source}" if path == "source" else PATHS[path]


if __name__ == "__main__":
    try:
        Path("reports").mkdir(exist_ok=True)
        run(sys.argv[1])
    except (ProjectError, OSError) as error:
        sys.exit(f"error: {error}")
