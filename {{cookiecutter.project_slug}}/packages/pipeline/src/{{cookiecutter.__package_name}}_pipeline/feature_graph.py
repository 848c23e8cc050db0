"""Write features as an ONNX graph that gives the same bits as numpy.

Its inputs are the matrix of encoded numbers and, where words count, that of their weights (see `encoding`); its output
is the estimator's matrix.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from {{ cookiecutter.__package_name }}_predict.artefact import NUMBERS, WORDS
from {{ cookiecutter.__package_name }}_predict.encoding import Encoded
from {{ cookiecutter.__package_name }}_predict.model import open_session

from .expressions import Column, FeatureError
from .features import Features, Matrix

OPSET, OPSET_ML, IR = 21, 3, 10
ROWS_AT_ONCE, MOST_ALONE = 4096, 500
MATRIX = "matrix"


def write_graph(features: Features) -> ModelProto:
    """Return a model that computes the matrix of features; equal features give equal bytes."""
    return _Writer(features).write()


def run_graph(graph: ModelProto, rows: Encoded, features: Features, size: int = ROWS_AT_ONCE) -> Matrix:
    """Return the matrix that a graph computes for rows, so many at a time, as production does."""
    session = open_session(graph.SerializeToString())
    parts = []
    for start in range(0, len(rows.numbers), size):
        inputs: dict[str, npt.NDArray[Any]] = {NUMBERS: rows.numbers[start : start + size]}
        if rows.texts:
            inputs[WORDS] = features.encoder.weigh_words(rows.texts, start, start + size)
        parts.append(session.run([MATRIX], inputs)[0])
    return np.concatenate(parts)


def check_graph(graph: ModelProto, features: Features, rows: Encoded, matrix: Matrix) -> None:
    """Compare the matrix of the graph with that of numpy, and rows alone with rows in a batch, bit for bit.

    Raises:
        FeatureError: they differ; the message names the feature and a row.
    """
    few = Encoded(rows.numbers[:MOST_ALONE], {name: texts[:MOST_ALONE] for name, texts in rows.texts.items()})
    for part, size in ((rows, ROWS_AT_ONCE), (few, 1)):
        found = run_graph(graph, part, features, size)
        expected = matrix[: len(found)]
        same = (found == expected) | (np.isnan(found) & np.isnan(expected))
        if not same.all():
            row, column = (int(index[0]) for index in np.nonzero(~same))
            raise FeatureError(
                f"features.py: {features.names[column]!r} is {float(matrix[row, column])!r} in training row {row + 1}, "
                f"but production would compute {float(found[row, column])!r} ({int((~same.all(axis=1)).sum())} rows "
                "differ); write the formula with other functions, for example with f.round"
            )


class _Writer:
    def __init__(self, features: Features) -> None:
        self._features = features
        self._nodes: list[NodeProto] = []
        self._constants: dict[tuple[object, ...], tuple[str, npt.NDArray[Any]]] = {}
        self._known: dict[tuple[object, ...], str] = {}  # the result of each node, by what it computes
        self._single: list[str] = []  # the columns of the encoded numbers, once they are split
        self._written: dict[int, str] = {}  # the same, by column: a column may be an argument of many

    def write(self) -> ModelProto:
        features = self._features
        blocks = [self._numbers()] if features.numbers else []
        for name, table in features.tables.items():
            blocks.append(self._node("GatherND", self._constant(table), self._index(name)))
        words = sum(len(found.words) for found in features.encoder.vocabulary.words.values())
        inputs = [helper.make_tensor_value_info(NUMBERS, TensorProto.DOUBLE, [None, len(features.encoder.columns)])]
        if words:
            inputs.append(helper.make_tensor_value_info(WORDS, TensorProto.FLOAT, [None, words]))
            blocks.append(WORDS)
        joined = self._node("Concat", *blocks, axis=1) if len(blocks) > 1 else blocks[0]
        self._nodes.append(helper.make_node("Identity", [joined], [MATRIX]))
        output = helper.make_tensor_value_info(MATRIX, TensorProto.FLOAT, [None, len(features.names)])
        constants = [numpy_helper.from_array(value, name) for name, value in self._constants.values()]
        graph = helper.make_graph(self._nodes, "features", inputs, [output], constants)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", OPSET_ML)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=IR)

    def _numbers(self) -> str:
        """Return the columns of numbers in single precision; columns that pass unchanged are taken together."""
        places = {name: index for index, name in enumerate(self._features.encoder.columns)}
        parts, passing = list[str](), list[int]()
        for column in (*self._features.numbers.values(), None):
            if column is not None and column.operation == "Input":
                passing.append(places[column.name])
                continue
            if passing:
                parts.append(self._take(passing))
                passing = []
            if column is not None:
                parts.append(self._emit(column))
        joined = self._node("Concat", *parts, axis=1) if len(parts) > 1 else parts[0]
        single = self._node("Cast", joined, to=TensorProto.FLOAT)
        infinite = self._node("IsInf", single)
        return self._node("Where", infinite, self._constant(np.float32(np.nan)), single)

    def _emit(self, column: Column) -> str:
        """Return the name of a column of shape (rows, 1)."""
        if id(column) not in self._written:
            self._written[id(column)] = self._compute(column)
        return self._written[id(column)]

    def _compute(self, column: Column) -> str:
        if column.operation == "Input":
            return self._take([self._features.encoder.columns.index(column.name)])
        if column.table is not None:
            table = column.table.over(self._features.encoder.values[column.name]).reshape(-1, 1)
            return self._node("GatherND", self._constant(table), self._index(column.name))
        parts = [
            self._emit(part) if isinstance(part, Column) else self._constant(np.float64(part))
            for part in column.arguments
        ]
        if column.operation == "Table":
            index = self._node("Cast", *parts, to=TensorProto.INT64)
            return self._node("GatherND", self._constant(np.array(column.constants).reshape(-1, 1)), index)
        if column.operation == "Bucket":
            edges = self._constant(np.array(column.constants).reshape(1, -1))
            reached = self._node("Cast", self._node("GreaterOrEqual", *parts, edges), to=TensorProto.DOUBLE)
            return self._node("ReduceSum", reached, self._constant(np.array([1])), keepdims=1)
        return self._node(column.operation, *parts, **({"fmod": 1} if column.operation == "Mod" else {}))

    def _take(self, places: list[int]) -> str:
        """Return some columns of the encoded numbers."""
        count = len(self._features.encoder.columns)
        if places == list(range(count)):
            return NUMBERS
        if len(places) == 1:
            if not self._single:
                self._single = [f"column_{place}" for place in range(count)]
                self._nodes.append(helper.make_node("Split", [NUMBERS], self._single, axis=1, num_outputs=count))
            return self._single[places[0]]
        return self._node("Gather", NUMBERS, self._constant(np.array(places, dtype=np.int64)), axis=1)

    def _index(self, name: str) -> str:
        """Return the codes of a category as integers."""
        return self._node("Cast", self._take([self._features.encoder.columns.index(name)]), to=TensorProto.INT64)

    def _node(self, operation: str, *inputs: str, **attributes: Any) -> str:
        key = (operation, inputs, tuple(attributes.items()))
        if key not in self._known:
            self._known[key] = f"feature_{len(self._known)}"
            self._nodes.append(helper.make_node(operation, inputs, [self._known[key]], **attributes))
        return self._known[key]

    def _constant(self, value: npt.NDArray[Any] | np.generic) -> str:
        array = np.asarray(value)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = f"constant_{len(self._constants)}", array
        return self._constants[key][0]
