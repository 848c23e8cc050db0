"""Export features and a fitted estimator, with their contract, as one ONNX file that describes and verifies itself."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from onnx import ModelProto, compose, helper
from onnx.helper import set_model_props

from {{ cookiecutter.__package_name }}_predict.artefact import (
    FORMAT,
    OUTPUT,
    Decision,
    Lineage,
    scale_of,
    seal,
)

from .converters import add_calibration, check_estimator, convert, output_of, unify
from .dataset import Dataset
from .feature_graph import MATRIX, check_graph, write_graph
from .golden import make_golden
from .learner import Fitted
from .metrics import Outputs
from .reference import describe_training

MOST_HOLES, HOLES = 2000, 0.3


def export(fitted: Fitted, decision: Decision, rows: Dataset, lineage: Lineage) -> tuple[bytes, Outputs]:
    """Return the bytes of the model file, and the library's outputs for the training rows.

    Equal arguments give equal bytes.

    Args:
        fitted: features and an estimator.
        decision: how outputs become a prediction.
        rows: the training rows.
        lineage: what it was made from.

    Raises:
        FeatureError: the graph computes another matrix than numpy.
        ConfigError: the estimator cannot be converted, or the converted one gives other outputs.
    """
    features = fitted.features
    encoded = rows.encode(features.encoder)
    matrix = features.compute(encoded)
    outputs = fitted.compute_outputs(matrix)
    scale = scale_of(outputs, len(rows.contract.classes))
    graph = write_graph(features)
    check_graph(graph, features, encoded, matrix)
    converted = convert(fitted.estimator, matrix.shape[1])
    if fitted.calibration is not None:
        converted = add_calibration(converted, fitted.calibration)
    check_estimator(converted, fitted.estimator, matrix, outputs, scale)
    holes = features.compute(make_holes(rows).encode(features.encoder))
    check_estimator(converted, fitted.estimator, holes, fitted.compute_outputs(holes), scale)
    model = join(graph, converted)
    metadata = {
        "baseline": describe_training(rows, encoded, features, outputs, decision).model_dump_json(),
        "contract": rows.contract.model_dump_json(),
        "decision": decision.model_dump_json(),
        "format": FORMAT,
        "golden": make_golden(fitted, rows, encoded, scale).model_dump_json(),
        "lineage": lineage.model_dump_json(),
        "vocabulary": features.encoder.vocabulary.model_dump_json(),
    }
    set_model_props(model, metadata)
    return seal(model.SerializeToString(deterministic=True)), outputs


def join(graph: ModelProto, estimator: ModelProto) -> ModelProto:
    """Return one model of features and an estimator, with a single output."""
    unify(graph, estimator)
    source = estimator.graph.input[0].name
    joined = compose.merge_models(
        graph, estimator, [(MATRIX, source)], prefix2="estimator_", outputs=[f"estimator_{output_of(estimator)}"]
    )
    joined.graph.node.append(helper.make_node("Identity", [joined.graph.output[0].name], [OUTPUT]))
    joined.graph.output[0].name = OUTPUT
    joined.graph.name = "model"
    return joined


def make_holes(rows: Dataset) -> Dataset:
    """Return some of the rows, with values missing that may be."""
    few, rng = rows.take(np.arange(min(len(rows), MOST_HOLES))), np.random.default_rng(0)
    columns = dict(few.checked.columns)
    for name, field in rows.contract.features.items():
        if field.missing:
            lost, column = rng.random(len(few)) < HOLES, columns[name]
            columns[name] = (
                np.where(lost, np.nan, column)
                if isinstance(column, np.ndarray)
                else pc.if_else(pa.array(lost), None, column)
            )
    return replace(few, checked=replace(few.checked, columns=columns))
