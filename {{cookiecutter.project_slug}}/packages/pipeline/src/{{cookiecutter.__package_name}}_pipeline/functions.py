"""The functions `f` of features.py: what a model file can carry, with the same result in training and in production."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from {{ cookiecutter.__package_name }}_predict.encoding import length_of, word_count_of
from {{ cookiecutter.__package_name }}_predict.errors import list_names

from .expressions import Column, FeatureError, Lookup, condition_of, describe, is_finite_number, number_of

DAY = 86400.0
LONGEST_TABLE = 1000
Operand = Column | float


def _wrap(x: Column, period: float) -> Column:
    """Return whole numbers modulo a period, in fewer steps than %, which is exact for fractions, too."""
    return x - period * (x // period)


class Columns:
    """The columns of the contract: `c.amount`, or `c["Bill length (%)"]` for a name that is no identifier."""

    def __init__(self, columns: Mapping[str, Column]) -> None:
        """Offer columns by their names."""
        self._columns = dict(columns)

    def keys(self) -> Sequence[str]:
        """Return the names, so that `{**c}` has every column."""
        return list(self._columns)

    def __getitem__(self, name: str) -> Column:
        if name not in self._columns:
            raise FeatureError(
                f"uses the column {name!r}, which schema.yaml does not have; it has {list_names(self._columns)}"
            )
        return self._columns[name]

    def __getattr__(self, name: str) -> Column:
        if name.startswith("__"):
            raise AttributeError(name)
        return self[name]


class Functions:
    """The functions that a model file can carry.

    Attributes:
        missing: the missing value.
        fitted: the tables that `fit` in features.py has made from the training rows.
    """

    missing = math.nan

    def __init__(self, fitted: Mapping[str, Any]) -> None:
        """Offer the functions, with the tables of `fit`."""
        self.fitted = fitted

    def where(self, condition: Column, yes: Operand, no: Operand) -> Column:
        """Return `yes` in the rows where a condition holds, and `no` in the others."""
        return Column("number", "Where", (condition_of(condition), number_of(yes), number_of(no)))

    def is_missing(self, x: Column) -> Column:
        """Return whether a value is missing."""
        if isinstance(x, Column) and x.kind == "category":
            return Column("boolean", "Equal", (x, -1.0))
        if isinstance(x, Column) and x.kind == "text":
            return Column("boolean", "IsNaN", (self.length(x),))
        return Column("boolean", "IsNaN", (self._column(x, "is_missing"),))

    def log1p(self, x: Column) -> Column:
        """Return the natural logarithm of 1 + x; not finite at -1, missing below."""
        return Column("number", "Log", (self._column(x, "log1p") + 1.0,))

    def sqrt(self, x: Column) -> Column:
        """Return the square root; missing below 0."""
        return Column("number", "Sqrt", (self._column(x, "sqrt"),))

    def abs(self, x: Column) -> Column:
        """Return the absolute value."""
        return abs(self._column(x, "abs"))

    def floor(self, x: Column) -> Column:
        """Return the largest integer that is not above x."""
        return Column("number", "Floor", (self._column(x, "floor"),), whole=True)

    def round(self, x: Column) -> Column:
        """Return the nearest integer; the even one in the middle between two."""
        return Column("number", "Round", (self._column(x, "round"),), whole=True)

    def minimum(self, x: Operand, y: Operand) -> Column:
        """Return the smaller of two values; missing if one of them is."""
        return Column("number", "Min", (number_of(x), number_of(y)))

    def maximum(self, x: Operand, y: Operand) -> Column:
        """Return the larger of two values; missing if one of them is."""
        return Column("number", "Max", (number_of(x), number_of(y)))

    def clip(self, x: Column, low: float, high: float) -> Column:
        """Return x, or the nearer of two limits if it is beyond them."""
        return self.minimum(self.maximum(self._column(x, "clip"), low), high)

    def bucket(self, x: Column, edges: Sequence[float]) -> Column:
        """Return how many of the edges, in rising order, are at or below x; missing stays missing."""
        x = self._column(x, "bucket")
        if not edges or not all(map(is_finite_number, edges)) or sorted(set(edges)) != list(edges):
            raise FeatureError(f"calls f.bucket with the edges {edges!r:.60}; expected numbers in rising order")
        count = Column("number", "Bucket", (x,), constants=tuple(map(float, edges)))
        return replace(self.where(self.is_missing(x), self.missing, count), whole=True)

    def lookup(self, x: Column, table: Mapping[str, float], default: float) -> Column:
        """Return the number that a table has for each value of a category, or else the default."""
        if not isinstance(x, Column) or x.kind != "category":
            raise FeatureError(f"calls f.lookup with {describe(x)}; expected a category, and f.bucket for a number")
        if not isinstance(table, Mapping) or not all(isinstance(value, int | float) for value in table.values()):
            raise FeatureError(f"calls f.lookup with {table!r:.60}; expected a table with a number for each value")
        if table and x.values and not set(x.values) & set(map(str, table)):
            raise FeatureError(
                f"calls f.lookup with a table that has none of the values of {describe(x)}: {', '.join(x.values):.200}"
            )
        if isinstance(default, bool) or not isinstance(default, int | float):
            raise FeatureError(f"calls f.lookup with default={default!r:.40}; expected a number or f.missing")
        return Column("number", "Lookup", (x,), x.name, Lookup(table, default))

    def year(self, date: Column) -> Column:
        """Return the year of a date, in UTC."""
        year, month, _ = self._civil(date, "year")
        return replace(year + number_of(month <= 2), whole=True)

    def month(self, date: Column) -> Column:
        """Return the month of a date, 1 to 12, in UTC."""
        return replace(self._civil(date, "month")[1], whole=True)

    def day(self, date: Column) -> Column:
        """Return the day of the month of a date, 1 to 31, in UTC."""
        return replace(self._civil(date, "day")[2], whole=True)

    def weekday(self, date: Column) -> Column:
        """Return the day of the week of a date, 0 for Monday to 6, in UTC."""
        return replace(_wrap(self._date(date, "weekday") // DAY + 3.0, 7.0), whole=True)

    def hour(self, date: Column) -> Column:
        """Return the hour of a time, 0 to 23, in UTC."""
        return replace(_wrap(self._date(date, "hour") // 3600.0, 24.0), whole=True)

    def days_between(self, start: Column, end: Column) -> Column:
        """Return the days from one date to another, with a fraction; negative if the second is earlier."""
        return (self._date(end, "days_between") - self._date(start, "days_between")) / DAY

    def cycle_sin(self, x: Column, period: float) -> Column:
        """Return sin(2 π x / period).

        Of whole numbers, such as hours, with a whole period, it is read from a table. Otherwise it is the Taylor series
        to the power 15, on a quarter of the period to either side of zero, which is more exact than single precision.
        Of onnxruntime's own sine, single rows and batches differ in the last bit.
        """
        return self._cycle(x, period, 0.0, "cycle_sin")

    def cycle_cos(self, x: Column, period: float) -> Column:
        """Return cos(2 π x / period), in the same way."""
        return self._cycle(x, period, 0.25, "cycle_cos")

    def length(self, text: Column) -> Column:
        """Return the number of characters of a text."""
        return Column("number", "Input", (), length_of(self._text(text, "length").name))

    def word_count(self, text: Column) -> Column:
        """Return the number of words of a text, between white space."""
        return Column("number", "Input", (), word_count_of(self._text(text, "word_count").name))

    def __getattr__(self, name: str) -> None:
        if name.startswith("__"):
            raise AttributeError(name)
        known = ", ".join(key for key in vars(type(self)) if not key.startswith("_"))
        raise FeatureError(f"uses f.{name}, which does not exist; a model file supports: {known}")

    def _column(self, x: object, name: str) -> Column:
        found = number_of(x)
        if not isinstance(found, Column):
            raise FeatureError(f"calls f.{name} with {describe(x)}; expected a column")
        return found

    def _date(self, x: object, name: str) -> Column:
        if not isinstance(x, Column) or x.kind != "date":
            raise FeatureError(f"calls f.{name} with {describe(x)}; expected a date or a datetime of schema.yaml")
        return x

    def _text(self, x: object, name: str) -> Column:
        if not isinstance(x, Column) or x.kind != "text":
            raise FeatureError(f"calls f.{name} with {describe(x)}; expected a text of schema.yaml")
        return x

    def _civil(self, date: Column, name: str) -> tuple[Column, Column, Column]:
        """Return the year (of one that begins in March), the month and the day of a date.

        As in https://howardhinnant.github.io/date_algorithms.html#civil_from_days, in floating point.
        """
        days = self._date(date, name) // DAY + 719468.0
        era = days // 146097.0
        in_era = days - era * 146097.0
        year = (in_era - in_era // 1460.0 + in_era // 36524.0 - in_era // 146096.0) // 365.0
        in_year = in_era - (year * 365.0 + year // 4.0 - year // 100.0)
        fifth = (in_year * 5.0 + 2.0) // 153.0
        day = in_year - (fifth * 153.0 + 2.0) // 5.0 + 1.0
        month = fifth + 3.0 - 12.0 * number_of(fifth >= 10.0)
        return year + era * 400.0, month, day

    def _cycle(self, x: Column, period: float, shift: float, name: str) -> Column:
        if not is_finite_number(period) or period <= 0:
            raise FeatureError(f"calls f.{name} with the period {period!r:.40}; expected a number above 0")
        x = self._column(x, name)
        if x.whole and period == int(period) <= LONGEST_TABLE:
            places = (2 * math.pi * (index / period + shift) for index in range(int(period)))
            values = (*(round(math.sin(place), 12) for place in places), math.nan)  # on any platform the same
            return Column(
                "number", "Table", (self.where(self.is_missing(x), period, _wrap(x, period)),), constants=values
            )
        turns = x / period + shift
        phase = turns - self.floor(turns + 0.5)
        size = abs(phase)
        angle = self.minimum(size, 0.5 - size)
        square = angle * angle * (2 * math.pi) ** 2
        series: Operand = -1 / math.factorial(15)
        for power in range(13, 0, -2):
            series = square * series + (-1) ** ((power - 1) // 2) / math.factorial(power)
        return Column("number", "Sign", (phase,)) * (angle * (2 * math.pi) * series)
