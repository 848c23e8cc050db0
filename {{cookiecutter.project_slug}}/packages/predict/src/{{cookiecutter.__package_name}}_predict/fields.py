"""The field types of a contract: what a value must be, how JSON represents it, and the number that stands for it."""

import math
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import CoreSchema, core_schema

from .errors import list_names

FLOAT_MAX = float(np.finfo(np.float32).max)
INTEGER_MAX = 2.0**53  # above it, double precision skips integers
MISSING, UNKNOWN = -1.0, -2.0  # in place of the index of a category's value
MOST_SHOWN = 80  # characters of a value, in a message
LONGEST_VALUE = 200  # characters of a value of an open category, or of a key
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Name = Annotated[str, Field(min_length=1)]


class Spec(BaseModel):
    """Base of all parts of a contract: unknown keys are rejected, and instances are immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class FieldSpec(Spec):
    """Base of the field types.

    Attributes:
        description: for people.
        since: the version that brought the field, for clients.
        missing: whether a value may be missing.
        sensitive: whether values are personal: no message, log or file of rejected rows shows them, and no model file
            describes them.
    """

    description: str = ""
    since: str = ""
    missing: bool = False
    sensitive: bool = False

    @property
    def or_null(self) -> str:
        """The end of a description of valid values."""
        return " or null" if self.missing else ""

    def show(self, value: object) -> str:
        """Return a value as a message shows it."""
        return "a value that is not shown" if self.sensitive else f"{value!r:.{MOST_SHOWN}}"


class Number(FieldSpec):
    """A number or an integer in double precision, with a unit.

    Attributes:
        minimum: smaller values are rejected.
        maximum: larger values are rejected.
        expected: the usual range; values outside are accepted, and reported as unusual.
        unit: of the values.
    """

    type: Literal["number", "integer"]
    minimum: float | None = Field(None, ge=-FLOAT_MAX, le=FLOAT_MAX)
    maximum: float | None = Field(None, ge=-FLOAT_MAX, le=FLOAT_MAX)
    expected: tuple[float, float] | None = None
    unit: str = ""

    @model_validator(mode="after")
    def _ranges_are_not_empty(self) -> "Number":
        if self.low > self.high:
            raise ValueError(f"minimum {self.low:.15g} is above maximum {self.high:.15g}")
        if self.type == "integer" and math.ceil(self.low) > math.floor(self.high):
            raise ValueError(f"no integer lies from {self.low:.15g} up to {self.high:.15g}")
        if self.expected and not self.low <= self.expected[0] <= self.expected[1] <= self.high:
            raise ValueError(
                f"expected: found {self.expected[0]:.15g} to {self.expected[1]:.15g}, "
                f"expected a range within {self.low:.15g} to {self.high:.15g}"
            )
        return self

    @property
    def low(self) -> float:
        """The smallest value allowed."""
        return self.minimum if self.minimum is not None else -self._limit

    @property
    def high(self) -> float:
        """The largest value allowed."""
        return self.maximum if self.maximum is not None else self._limit

    @property
    def usual(self) -> tuple[float, float]:
        """The usual range, or else the one that is allowed, of which 0 and 1 stand in for missing ends."""
        low = self.minimum if self.minimum is not None else min(0.0, self.high)
        high = self.maximum if self.maximum is not None else max(low, 1.0)
        return self.expected or (low, high)

    @property
    def _limit(self) -> float:
        return INTEGER_MAX if self.type == "integer" else FLOAT_MAX

    @property
    def accepts(self) -> str:
        """A description of valid values."""
        noun = "an integer" if self.type == "integer" else "a number"
        low = "" if self.minimum is None else f" from {self.minimum:.15g}"
        high = "" if self.maximum is None else f" up to {self.maximum:.15g}"
        return f"{noun}{low}{high}{self.unit and f' {self.unit}'}{self.or_null}"

    @property
    def json_value(self) -> CoreSchema:
        """The schema of a JSON value for pydantic-core."""
        if self.type == "integer":
            low, high = math.ceil(self.low), math.floor(self.high)
            written_whole = core_schema.float_schema(ge=low, le=high, strict=True)  # 7.0, as some clients write
            whole = core_schema.chain_schema([written_whole, core_schema.int_schema()])  # no fraction allowed
            return core_schema.union_schema([core_schema.int_schema(ge=low, le=high, strict=True), whole])
        return core_schema.float_schema(ge=self.low, le=self.high, allow_inf_nan=False, strict=True)

    @property
    def example(self) -> object:
        """A value in the middle of the usual range, or else of the whole range."""
        low, high = self.usual
        if self.type == "integer":
            return max(math.ceil(low), math.floor((math.ceil(low) + math.floor(high)) / 2))
        middle = low / 2 + high / 2
        return middle if not low <= (short := float(f"{middle:.3g}")) <= high else short

    @property
    def code(self) -> Callable[[Any], float]:
        """The function from a checked value to the number that stands for it."""
        return float


class Category(FieldSpec):
    """One of a fixed list of texts or, if it is open, any text; its index in the list stands for it.

    The values of an open category are learned from the training rows, and kept in the model file. Others are accepted,
    and reported as unusual.
    """

    type: Literal["category"]
    values: tuple[Name, ...] = ()
    open: bool = False

    @model_validator(mode="after")
    def _values_are_sound(self) -> "Category":
        if len(set(self.values)) < len(self.values):
            raise ValueError(f"the values are not all different: {list_names(self.values)}")
        if self.open == bool(self.values):
            raise ValueError("a category has either `values` or `open: true`, which learns them from the training rows")
        if self.open and self.sensitive:
            raise ValueError("the model file would hold the values of a sensitive open category; list its `values`")
        return self

    @property
    def accepts(self) -> str:
        """A description of valid values."""
        if self.open:
            return f"a text of 1 to {LONGEST_VALUE} characters{self.or_null}"
        return f"one of {', '.join(map(repr, self.values))}{self.or_null}"

    @property
    def json_value(self) -> CoreSchema:
        """The schema of a JSON value for pydantic-core."""
        if self.open:
            return core_schema.str_schema(min_length=1, max_length=LONGEST_VALUE, strict=True)
        return core_schema.literal_schema(list(self.values))

    @property
    def example(self) -> object:
        """The first value."""
        return self.values[0] if self.values else "any text"


class Boolean(FieldSpec):
    """True or false, which stand for 1 and 0."""

    type: Literal["boolean"]

    @property
    def accepts(self) -> str:
        """A description of valid values."""
        return f"true or false{self.or_null}"

    @property
    def json_value(self) -> CoreSchema:
        """The schema of a JSON value for pydantic-core."""
        return core_schema.bool_schema(strict=True)

    @property
    def example(self) -> object:
        """A valid value."""
        return True

    @property
    def code(self) -> Callable[[Any], float]:
        """The function from a checked value to the number that stands for it."""
        return float


class Date(FieldSpec):
    """A date, or a date with a time, in ISO 8601; the seconds since 1970 in UTC stand for it.

    A time without a zone is in UTC, here and everywhere in the project; one with a zone is converted.
    """

    type: Literal["date", "datetime"]

    @property
    def accepts(self) -> str:
        """A description of valid values."""
        form = "a date such as 2024-05-31" if self.type == "date" else "a time such as 2024-05-31T14:30:00Z"
        return f"{form}{self.or_null}"

    @property
    def json_value(self) -> CoreSchema:
        """The schema of a JSON value for pydantic-core; the checked value is a text."""
        return core_schema.no_info_plain_validator_function(self._check)

    @property
    def example(self) -> object:
        """A valid value."""
        return "2024-05-31" if self.type == "date" else "2024-05-31T14:30:00Z"

    @property
    def code(self) -> Callable[[Any], float]:
        """The function from a checked value to the number that stands for it."""
        return parse_seconds

    def _check(self, value: object) -> str:
        text = value.isoformat() if isinstance(value, date) else value  # a datetime is a date, too
        if not isinstance(text, str):
            raise ValueError(self.accepts)
        if parse_seconds(text) % 86400 and self.type == "date":
            raise ValueError(self.accepts)
        return text


class Text(FieldSpec):
    """A free text; its length and its number of words stand for it, and its words are counted."""

    type: Literal["text"]
    max_length: int = Field(10_000, ge=1)

    @model_validator(mode="after")
    def _is_not_sensitive(self) -> "Text":
        if self.sensitive:
            raise ValueError("the model file would hold words of a sensitive text; leave it out of the features")
        return self

    @property
    def accepts(self) -> str:
        """A description of valid values."""
        return f"a text of at most {self.max_length} characters{self.or_null}"

    @property
    def json_value(self) -> CoreSchema:
        """The schema of a JSON value for pydantic-core."""
        return core_schema.str_schema(max_length=self.max_length, strict=True)

    @property
    def example(self) -> object:
        """A valid value."""
        return "some words"[: self.max_length]


@lru_cache(maxsize=4096)  # a text is checked, and then encoded
def parse_seconds(text: str) -> float:
    """Return the seconds from 1970 in UTC to a date or a time in ISO 8601; without a zone, it is in UTC.

    Raises:
        ValueError: the text is not one.
    """
    moment = datetime.fromisoformat(text)
    since = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - EPOCH
    return join_seconds(since.days * 86400 + since.seconds, since.microseconds)


def join_seconds(whole: int, microseconds: int) -> float:
    """Return a number of seconds; tables compute it in the same way, so that both get the same bits."""
    return float(whole) + microseconds / 1e6


Feature = Annotated[Number | Category | Boolean | Date | Text, Field(discriminator="type")]
TargetField = Annotated[Number | Category | Boolean, Field(discriminator="type")]
AnyField = Number | Category | Boolean | Date | Text


def list_codes(values: tuple[str, ...]) -> dict[str | None, float]:
    """Return the number that stands for each value of a category, and for a missing one."""
    return {**{value: float(index) for index, value in enumerate(values)}, None: MISSING}
