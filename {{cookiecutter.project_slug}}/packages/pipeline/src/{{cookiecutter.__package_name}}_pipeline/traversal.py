"""Walk through expressions: compute their values with numpy, and find out what they contain."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from .expressions import Column

Values = npt.NDArray[Any]
NUMPY: dict[str, Callable[..., Any]] = {
    "Abs": np.abs,
    "Add": np.add,
    "And": np.logical_and,
    "Div": np.divide,
    "Equal": np.equal,
    "Floor": np.floor,
    "Greater": np.greater,
    "GreaterOrEqual": np.greater_equal,
    "IsNaN": np.isnan,
    "Less": np.less,
    "LessOrEqual": np.less_equal,
    "Log": np.log,
    "Max": np.maximum,
    "Min": np.minimum,
    "Mod": np.fmod,
    "Mul": np.multiply,
    "Neg": np.negative,
    "Not": np.logical_not,
    "Or": np.logical_or,
    "Round": np.round,
    "Sign": np.sign,
    "Sqrt": np.sqrt,
    "Sub": np.subtract,
    "Where": np.where,
    "Xor": np.logical_xor,
}
STEPS = {
    "Bucket",
    "Equal",
    "Floor",
    "Greater",
    "GreaterOrEqual",
    "Less",
    "LessOrEqual",
    "Mod",
    "Round",
    "Sign",
    "Table",
}


def evaluate(
    column: Column, inputs: Mapping[str, Values], values: Mapping[str, tuple[str, ...]], known: dict[int, Values]
) -> Values:
    """Return a column's values for rows, of shape (rows,).

    Args:
        column: the column.
        inputs: the values of the columns of the contract, as `Encoder` encodes them.
        values: of each category.
        known: what has been computed for these rows; extended.
    """
    if id(column) not in known:
        parts = [
            evaluate(part, inputs, values, known) if isinstance(part, Column) else part for part in column.arguments
        ]
        if column.operation == "Input":
            found = inputs[column.name]
        elif column.table is not None:
            found = column.table.over(values[column.name])[np.asarray(parts[0], dtype=np.int64)]
        elif column.operation == "Table":
            found = np.array(column.constants)[np.asarray(parts[0], dtype=np.int64)]
        elif column.operation == "Bucket":
            found = (np.asarray(parts[0])[:, None] >= np.array(column.constants)).sum(axis=1).astype(np.float64)
        else:
            with np.errstate(all="ignore"):
                found = NUMPY[column.operation](*parts)
        known[id(column)] = found
    return known[id(column)]


def sign(column: Column) -> str:
    """Return what a column computes, as a text."""
    known: dict[int, str] = {}

    def visit(part: Column | float) -> str:
        if not isinstance(part, Column):
            return repr(part)
        if id(part) not in known:
            table = "" if part.table is None else part.table.describe()
            arguments = " ".join(map(visit, part.arguments))
            text = f"{part.operation} {part.name} {table} {part.constants} {arguments}"
            known[id(part)] = hashlib.sha256(text.encode()).hexdigest()
        return known[id(part)]

    return visit(column)


def steps_on_logarithm(column: Column) -> bool:
    """Return whether a column takes steps on a logarithm: a difference in the last bit would become a large one."""
    known: dict[int, bool] = {}  # whether a column depends on a logarithm
    found = False

    def visit(part: Column) -> bool:
        nonlocal found
        if id(part) not in known:
            visited = [visit(other) for other in part.arguments if isinstance(other, Column)]
            depends = any(visited)
            found = found or (depends and part.operation in STEPS)
            known[id(part)] = depends or part.operation == "Log"
        return known[id(part)]

    visit(column)
    return found


def find_lookups(column: Column, name: str) -> Iterator[Mapping[str, float]]:
    """Yield the tables in which a column looks the values of a category up."""
    if column.table is not None and column.name == name:
        yield column.table.table
    for part in column.arguments:
        if isinstance(part, Column):
            yield from find_lookups(part, name)
