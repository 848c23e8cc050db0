"""Columns as expressions: what features.py computes with, once, for training and for the model file.

A column is a node of a graph: an operation and its arguments. numpy evaluates the graph on the training rows, and
`feature_graph` writes it as ONNX. Only operations are supported of which both compute the same bits. Whatever else
Python could do with a column raises a `FeatureError` that says what to write instead.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, NoReturn

import numpy as np
import numpy.typing as npt

from {{ cookiecutter.__package_name }}_predict.errors import ConfigError
from {{ cookiecutter.__package_name }}_predict.fields import parse_seconds

Kind = Literal["number", "boolean", "date", "category", "text"]
DECIDES = (
    "uses a column to decide (if, and, or, not, in, min, max, 0 < x < 1); "
    "write f.where(condition, a, b), &, |, ~, f.minimum or f.maximum"
)
FOREIGN = "passes a column to {}; a model file supports only operators and the functions of f"
ONE_ROW = "indexes a column or takes its length; a feature of a row must depend on this row alone"


class FeatureError(ConfigError):
    """features.py does something that a model file cannot carry."""


@dataclass(frozen=True, eq=False, repr=False)
class Column:
    """A column of the contract, or one computed from others; all operators work on whole columns.

    Attributes:
        kind: what its values are; booleans are true and false, dates are seconds since 1970 in UTC.
        operation: `Input`, `Lookup`, `Table`, `Bucket`, or the ONNX operator that computes it.
        arguments: columns and numbers, in the operator's order.
        name: of an input; the source of a lookup otherwise.
        table: of a lookup: the number for each value, and `default`.
        constants: of `Table`, the number for each index; of `Bucket`, the edges.
        whole: whether all its numbers are known to be whole.
        values: of an input that is a category with a list of values.
    """

    kind: Kind
    operation: str
    arguments: tuple["Column | float", ...] = ()
    name: str = ""
    table: "Lookup | None" = None
    constants: tuple[float, ...] = ()
    whole: bool = False
    values: tuple[str, ...] = ()

    def _combine(self, operation: str, other: object, *, swap: bool = False, kind: Kind = "number") -> "Column":
        pair = (number_of(self), number_of(other))
        return Column(kind, operation, pair[::-1] if swap else pair)

    def __add__(self, other: object) -> "Column":
        return self._combine("Add", other)

    def __radd__(self, other: object) -> "Column":
        return self._combine("Add", other, swap=True)

    def __sub__(self, other: object) -> "Column":
        return self._combine("Sub", other)

    def __rsub__(self, other: object) -> "Column":
        return self._combine("Sub", other, swap=True)

    def __mul__(self, other: object) -> "Column":
        return self._combine("Mul", other)

    def __rmul__(self, other: object) -> "Column":
        return self._combine("Mul", other, swap=True)

    def __truediv__(self, other: object) -> "Column":
        return self._combine("Div", other)

    def __rtruediv__(self, other: object) -> "Column":
        return self._combine("Div", other, swap=True)

    def __floordiv__(self, other: object) -> "Column":
        return Column("number", "Floor", (self / other,))

    def __rfloordiv__(self, other: object) -> "Column":
        return Column("number", "Floor", (other / self,))

    def __rmod__(self, other: object) -> "Column":
        return _modulo(number_of(other), number_of(self))

    def __mod__(self, other: object) -> "Column":
        return _modulo(number_of(self), number_of(other))

    def __divmod__(self, other: object) -> tuple["Column", "Column"]:
        return self // other, self % other

    def __neg__(self) -> "Column":
        return Column("number", "Neg", (number_of(self),))

    def __abs__(self) -> "Column":
        return Column("number", "Abs", (number_of(self),))

    def _compare(self, operation: str, other: object) -> "Column":
        if self.kind == "text":
            raise FeatureError(f"compares {describe(self)}; a text has only f.length, f.word_count and f.is_missing")
        if self.kind == "category":
            raise FeatureError(f"orders {describe(self)}; write == or !=, or f.lookup with a table of numbers")
        if self.kind == "date" and isinstance(other, str):
            other = _parse_date(other)
        return self._combine(operation, other, kind="boolean")

    def __lt__(self, other: object) -> "Column":
        return self._compare("Less", other)

    def __le__(self, other: object) -> "Column":
        return self._compare("LessOrEqual", other)

    def __gt__(self, other: object) -> "Column":
        return self._compare("Greater", other)

    def __ge__(self, other: object) -> "Column":
        return self._compare("GreaterOrEqual", other)

    def __eq__(self, other: object) -> "Column":  # type: ignore[override]  # as in numpy, it compares the rows
        if self.kind != "category":
            return self._compare("Equal", other)
        if not isinstance(other, str):
            raise FeatureError(f"compares {describe(self)} with {describe(other)}; write one of its values, a text")
        if self.values and other not in self.values:
            raise FeatureError(
                f"compares {describe(self)} with {other!r}, which is none of its values: {', '.join(self.values):.200}"
            )
        found = Lookup({other: 1.0}, 0.0)
        return Column("number", "Lookup", (self,), self.name, found) == 1.0

    def __ne__(self, other: object) -> "Column":  # type: ignore[override]  # as above
        return ~(self == other)

    def _logic(self, operation: str, other: object) -> "Column":
        return Column("boolean", operation, (condition_of(self), condition_of(other)))

    def __and__(self, other: object) -> "Column":
        return self._logic("And", other)

    def __or__(self, other: object) -> "Column":
        return self._logic("Or", other)

    def __xor__(self, other: object) -> "Column":
        return self._logic("Xor", other)

    def __invert__(self) -> "Column":
        return Column("boolean", "Not", (condition_of(self),))

    def __pow__(self, _: object) -> NoReturn:
        raise FeatureError("uses **, whose last bit can differ in production; write x * x, or f.sqrt(x)")

    __rpow__ = __pow__

    def __bool__(self) -> NoReturn:
        raise FeatureError(DECIDES)

    def __contains__(self, _: object) -> NoReturn:
        raise FeatureError("uses `in`; write ==, with | between two conditions")

    def __float__(self, *_: object) -> NoReturn:
        raise FeatureError(FOREIGN.format("a function of Python"))

    __int__ = __index__ = __round__ = __trunc__ = __floor__ = __ceil__ = __float__

    def __iter__(self) -> NoReturn:
        raise FeatureError("loops over the rows of a column; write it for the whole column at once")

    def __len__(self) -> NoReturn:
        raise FeatureError(ONE_ROW)

    def __getitem__(self, _: object) -> NoReturn:
        raise FeatureError(ONE_ROW)

    def __setitem__(self, _: object, __: object) -> NoReturn:
        raise FeatureError("writes into a column; give the result of f.where(condition, a, b) a new name")

    def __str__(self, *_: object) -> NoReturn:
        raise FeatureError("converts a column to a text; compare it with ==, or use f.lookup")

    __repr__ = __format__ = __str__
    __hash__ = object.__hash__

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        raise FeatureError(
            f"calls .{name} on a column, which has no methods; a model file supports operators and the functions of f"
        )

    def __array__(self, *_: object, **__: object) -> NoReturn:
        raise FeatureError(FOREIGN.format("numpy"))

    def __array_function__(self, function: Callable[..., Any], *_: object) -> NoReturn:
        raise FeatureError(FOREIGN.format(f"numpy.{function.__name__}"))

    def __array_ufunc__(self, function: np.ufunc, method: str, *inputs: Any, **_: object) -> "Column":
        swapped = {"add": "Add", "subtract": "Sub", "multiply": "Mul", "divide": "Div"}.get(function.__name__)
        if swapped and method == "__call__" and np.ndim(inputs[0]) == 0:  # a number of numpy's
            return self._combine(swapped, inputs[0], swap=True)
        raise FeatureError(FOREIGN.format(f"numpy.{function.__name__}"))


def _modulo(x: Column | float, divisor: Column | float) -> Column:
    rest = Column("number", "Mod", (x, divisor))  # of the sign of the dividend; Python's has that of the divisor
    opposite = Column("boolean", "Less", (rest * divisor, 0.0))
    return Column("number", "Where", (opposite, rest + divisor, rest))


class Lookup:
    """The number for each value of a category."""

    def __init__(self, table: Mapping[str, float], default: float) -> None:
        """Look values up in a table; others, and missing ones, get the default."""
        self.table = {str(value): float(number) for value, number in table.items()}
        self.default = float(default)

    def describe(self) -> str:
        """Return what makes two lookups the same, as a text."""
        return f"{self.table} {self.default}"

    def over(self, values: tuple[str, ...]) -> npt.NDArray[np.float64]:
        """Return the numbers for a category's values, for an unknown and for a missing one, of shape (values + 2,)."""
        return np.array([self.table.get(value, self.default) for value in (*values, None, None)])  # type: ignore[arg-type]


def number_of(value: object) -> Column | float:
    """Return a column or a number that an operator can take; conditions become 1 and 0.

    Raises:
        FeatureError: it is a text, a category, or something else that no operator can take.
    """
    if isinstance(value, Column):
        if value.kind in ("category", "text"):
            advice = "f.length or f.word_count" if value.kind == "text" else "== or f.lookup"
            raise FeatureError(f"calculates with {describe(value)}; write {advice}")
        if value.kind == "boolean":
            # a field is 1, 0 or missing already
            return (
                replace(value, kind="number")
                if value.operation == "Input"
                else Column("number", "Where", (value, 1.0, 0.0))
            )
        return value
    if isinstance(value, bool | int | float | np.number):
        return float(value)
    raise FeatureError(f"calculates with {describe(value)}; expected a column or a number")


def condition_of(value: object) -> Column:
    """Return a condition; a boolean field holds where it is true, and not where it is missing.

    Raises:
        FeatureError: the value is no condition.
    """
    if not isinstance(value, Column) or value.kind != "boolean":
        raise FeatureError(
            f"takes {describe(value)} as a condition; write one such as c.amount > 0, in brackets beside &, |, ~"
        )
    return Column("boolean", "Equal", (number_of(value), 1.0)) if value.operation == "Input" else value


def describe(value: object) -> str:
    """Return a value in words, for messages."""
    if isinstance(value, Column):
        return f"the {value.kind} {value.name!r}" if value.name and value.operation == "Input" else f"a {value.kind}"
    return f"{value!r:.40} ({type(value).__name__})"


def _parse_date(text: str) -> float:
    try:
        return parse_seconds(text)
    except ValueError as error:
        raise FeatureError(f"compares a date with {text!r}; write it as 2024-05-31 or 2024-05-31T14:30:00Z") from error


def is_finite_number(value: object) -> bool:
    """Return whether a value is a number, and neither infinite nor NaN."""
    return isinstance(value, int | float | np.number) and not isinstance(value, bool) and math.isfinite(value)
