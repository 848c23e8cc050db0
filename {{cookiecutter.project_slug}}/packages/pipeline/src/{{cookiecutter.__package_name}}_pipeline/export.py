"""Export features and a fitted estimator, with their contract, as one ONNX file that describes and verifies itself."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import pyarrow as pa
from onnx import ModelProto, compose, helper
from onnx.helper import set_model_props

from {{ cookiecutter.__package_name }}_batch.tables import Checked, check_batch, decode, to_records
from {{ cookiecutter.__package_name }}_predict.artefact import (
    FORMAT,
    NUMBERS,
    OUTPUT,
    WORDS,
    ColumnStatistics,
    Decision,
    Golden,
    Lineage,
    ReferenceStatistics,
    agree,
    scale_of,
    seal,
)
from {{ cookiecutter.__package_name }}_predict.contract import Contract
from {{ cookiecutter.__package_name }}_predict.encoding import Encoded, Words, length_of
from {{ cookiecutter.__package_name }}_predict.errors import ConfigError
from {{ cookiecutter.__package_name }}_predict.fields import MISSING, AnyField, Category, Text

from .converters import Estimator, Outputs, convert, find_difference, unify
from .cross_validation import compute_outputs
from .dataset import Dataset
from .expressions import FeatureError
from .feature_graph import MATRIX, write_graph
from .features import Features, Matrix

GOLDEN_ROWS = 8
MOST_LEVELS = 100
OTHER_LEVELS = "(other values)"
UNSEEN = "(a value that the training rows lack)"
NO_WORDS = Words(words=[], weights=[])
PERCENTILES = np.linspace(0, 1, 101)
ROWS_AT_ONCE, MOST_HOLES, MOST_ALONE = 4096, 2000, 500
OUTPUTS = ("probabilities", "variable", "lightgbm_probabilities", "lightgbm_variable")  # of converters


@dataclass(frozen=True)
class Fitted:
    """What training has made: features, a fitted estimator, and how its outputs become a prediction."""

    features: Features
    estimator: Estimator
    decision: Decision


def export(fitted: Fitted, rows: Dataset, lineage: Lineage) -> bytes:
    """Return the bytes of the model file; equal arguments give equal bytes.

    Args:
        fitted: what training has made.
        rows: the training rows.
        lineage: what it was made from.

    Raises:
        FeatureError: the graph computes another matrix than numpy.
        ConfigError: the estimator cannot be converted, or the converted one gives other outputs.
    """
    contract, features = rows.contract, fitted.features
    encoded = rows.encode(features.encoder)
    matrix = features.compute(encoded)
    graph = write_graph(features)
    check_graph(graph, features, encoded, matrix)
    converted = convert(fitted.estimator, matrix.shape[1])
    outputs = compute_outputs(fitted.estimator, matrix, len(contract.classes))
    for part in (matrix, make_holes(matrix, rows, features)):
        check_estimator(converted, fitted.estimator, part, scale_of(outputs, len(contract.classes)), contract)
    model = join(graph, converted)
    metadata = {
        "baseline": describe_training(rows, encoded, features, outputs).model_dump_json(),
        "contract": contract.model_dump_json(),
        "decision": fitted.decision.model_dump_json(),
        "format": FORMAT,
        "golden": make_golden(fitted, rows, encoded, scale_of(outputs, len(contract.classes))).model_dump_json(),
        "lineage": lineage.model_dump_json(),
        "vocabulary": features.encoder.vocabulary.model_dump_json(),
    }
    set_model_props(model, metadata)
    return seal(model.SerializeToString(deterministic=True))


def join(graph: ModelProto, estimator: ModelProto) -> ModelProto:
    """Return one model of features and an estimator, with a single output."""
    names = [output.name for output in estimator.graph.output]
    name = next(name for name in (*OUTPUTS, *names) if name in names)
    unify(graph, estimator)
    source = estimator.graph.input[0].name
    joined = compose.merge_models(
        graph, estimator, [(MATRIX, source)], prefix2="estimator_", outputs=[f"estimator_{name}"]
    )
    joined.graph.node.append(helper.make_node("Identity", [joined.graph.output[0].name], [OUTPUT]))
    joined.graph.output[0].name = OUTPUT
    joined.graph.name = "model"
    return joined


def run_graph(
    model: ModelProto, rows: Encoded, features: Features, output: str, size: int = ROWS_AT_ONCE
) -> npt.NDArray[np.float32]:
    """Return what a graph computes for rows, as production does: in one thread, so many rows at a time."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), _options(), providers=["CPUExecutionProvider"])
    parts = []
    for start in range(0, len(rows.numbers), size):
        inputs: dict[str, npt.NDArray[Any]] = {NUMBERS: rows.numbers[start : start + size]}
        if rows.texts:
            inputs[WORDS] = features.encoder.weigh_words(rows.texts, start, start + size)
        parts.append(session.run([output], inputs)[0])
    return np.concatenate(parts)


def check_graph(graph: ModelProto, features: Features, rows: Encoded, matrix: Matrix) -> None:
    """Compare the matrix of the graph with that of numpy, and rows alone with rows in a batch, bit for bit.

    Raises:
        FeatureError: they differ; the message names the feature and a row.
    """
    found = run_graph(graph, rows, features, MATRIX)
    few = slice(0, min(len(matrix), MOST_ALONE))
    part = Encoded(rows.numbers[few], {name: texts[few] for name, texts in rows.texts.items()})
    alone = run_graph(graph, part, features, MATRIX, size=1)
    found[few] = np.where((alone == found[few]) | np.isnan(found[few]), found[few], alone)
    same = (found == matrix) | (np.isnan(found) & np.isnan(matrix))
    if not same.all():
        row, column = (int(index[0]) for index in np.nonzero(~same))
        raise FeatureError(
            f"features.py: {features.names[column]!r} is {float(matrix[row, column])!r} in training row {row + 1}, but "
            f"production would compute {float(found[row, column])!r} ({int((~same.all(axis=1)).sum())} rows differ); "
            "write the formula with other functions, for example with f.round"
        )


def make_holes(matrix: Matrix, rows: Dataset, features: Features) -> Matrix:
    """Return some rows of the matrix as they would be with values missing that may be."""
    few = rows.take(np.arange(min(len(rows), MOST_HOLES)))
    encoded = few.encode(features.encoder)
    numbers, rng = encoded.numbers.copy(), np.random.default_rng(0)
    for place, name in enumerate(features.encoder.columns):
        field = rows.contract.features.get(name)
        if field is not None and field.missing:
            absent = MISSING if isinstance(field, Category) else np.nan
            numbers[:, place] = np.where(rng.random(len(few)) < 0.3, absent, numbers[:, place])
    holes = features.compute(Encoded(numbers, encoded.texts))
    return holes if len(holes) else matrix[:0]


def check_estimator(
    converted: ModelProto, estimator: Estimator, matrix: Matrix, scale: float, contract: Contract
) -> None:
    """Compare the converted estimator with the library, row by row.

    Raises:
        ConfigError: they differ; the message names the step and a row.
    """
    expected = compute_outputs(estimator, matrix, len(contract.classes))
    found = run_estimator(converted, matrix)
    if found.shape != expected.shape or len(wrong := np.flatnonzero(~agree(found, expected, scale))):
        step = find_difference(estimator, matrix, run_estimator, scale)
        row = int(wrong[0]) if found.shape == expected.shape else 0
        raise ConfigError(
            f"estimator.py: {step} computes something else once it is converted to ONNX: in row {row + 1}, "
            f"{found[row].tolist()} instead of {expected[row].tolist()}; fill missing values before, or choose another"
        )


def run_estimator(model: ModelProto, matrix: Matrix) -> Outputs:
    """Return the probabilities, numbers or columns that a converted estimator or a step computes."""
    names = [output.name for output in model.graph.output]
    name = next(name for name in (*OUTPUTS, *names) if name in names)
    session = onnxruntime.InferenceSession(model.SerializeToString(), _options(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run([name], {model.graph.input[0].name: matrix})[0], dtype=np.float64)


def _options() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return options


def make_golden(fitted: Fitted, rows: Dataset, encoded: Encoded, scale: float) -> Golden:
    """Return rows that cover every kind of value: the range of each feature, missing ones and unknown ones.

    They are composed feature by feature; those that equal a training row are left out, unless all do.
    """
    contract = rows.contract
    features = fitted.features
    values = {name: _spread(name, field, rows, features) for name, field in contract.features.items()}
    count = max(map(len, values.values()))
    columns = {name: pa.array(column[index % len(column)] for index in range(count)) for name, column in values.items()}
    checked = check_batch(pa.table(columns), contract.features, "the golden rows")
    composed = to_records(checked, contract.features)
    unknown = [record for record in composed if not _is_known(record, encoded, features)]
    records = unknown or composed  # with a single feature, each value is that of a training row
    matrix = features.compute(features.encoder.encode(contract.check(records)))
    outputs = compute_outputs(fitted.estimator, matrix, len(contract.classes))
    return Golden(rows=records, outputs=outputs.tolist(), scale=scale)


def _is_known(record: dict[str, object], rows: Encoded, features: Features) -> bool:
    numbers = features.encoder.encode([record]).numbers
    return bool((rows.numbers == numbers).all(axis=1).any())


def _spread(name: str, field: AnyField, rows: Dataset, features: Features) -> list[object]:
    """Return values of a field that divide its range evenly, and missing and unknown ones where allowed."""
    steps, column = np.linspace(0, 1, GOLDEN_ROWS), rows.checked.columns[name]
    known = features.encoder.values.get(name, ())
    if isinstance(field, Text):
        words = features.encoder.vocabulary.words.get(name, NO_WORDS).words or ["word"]
        values: list[object] = [" ".join(words[count::11][:count])[: field.max_length] for count in range(GOLDEN_ROWS)]
    elif isinstance(field, Category):
        values = [known[int(step * (len(known) - 1))] for step in steps] if known else []
        values += [UNSEEN] if field.open else []
    else:
        present = column[~np.isnan(column)]
        found = np.quantile(present, steps, method="nearest") if len(present) else np.empty(0)
        values = (
            decode(Checked({name: found}, np.ones(len(found), dtype=bool), {}, {}), {name: field}).column(0).to_pylist()
        )
    return [*values, None] if field.missing or not values else values


def describe_training(rows: Dataset, encoded: Encoded, features: Features, outputs: Outputs) -> ReferenceStatistics:
    """Return the reference statistics: how the training rows and the model's outputs on them are distributed."""
    contract, unusual = rows.contract, features.encoder.count_unusual(encoded)
    numbers = dict(zip(features.encoder.columns, encoded.numbers.T, strict=True))
    columns = {}
    for name, field in contract.features.items():
        if isinstance(field, Category):
            found = _levels(numbers[name], features.encoder.values[name])
        else:
            found = _percentiles(numbers[length_of(name) if isinstance(field, Text) else name])
        columns[name] = found.model_copy(update={"unusual": round(unusual.get(name, 0) / len(rows), 6)})
    classes = contract.classes
    output = _levels(outputs.argmax(axis=1), classes) if classes else _percentiles(outputs[:, 0])
    return ReferenceStatistics(rows=len(rows), features=columns, output=output)


def _levels(codes: npt.NDArray[np.floating | np.integer], values: tuple[str, ...]) -> ColumnStatistics:
    """Return the counts of the most frequent values of a category, and of all others together."""
    counts = np.bincount(codes[codes >= 0].astype(np.int64), minlength=len(values))
    most = {value: int(count) for value, count in zip(values[:MOST_LEVELS], counts[:MOST_LEVELS], strict=False)}
    rest = {OTHER_LEVELS: int(counts[MOST_LEVELS:].sum())} if len(values) > MOST_LEVELS else {}
    return ColumnStatistics(missing=_share(codes < 0), counts=most | rest)


def _percentiles(values: npt.NDArray[np.floating]) -> ColumnStatistics:
    present = values[~np.isnan(values)].astype(np.float64)
    quantiles = np.quantile(present, PERCENTILES).tolist() if len(present) else []
    return ColumnStatistics(missing=_share(np.isnan(values)), quantiles=quantiles)


def _share(mask: npt.NDArray[np.bool_]) -> float:
    return round(float(mask.mean()), 6)
