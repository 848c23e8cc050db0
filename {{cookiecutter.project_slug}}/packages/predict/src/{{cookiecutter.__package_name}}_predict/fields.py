"""The field types of a contract: what a value must be, how JSON represents it, and how the model sees it."""

import math
from collections.abc import Callable
from functools import cached_property
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import CoreSchema, core_schema

FLOAT_MAX = float(np.finfo(np.float32).max)
INTEGER_MAX = 2.0**53  # above it, double precision skips integers
Name = Annotated[str, Field(min_length=1)]


class Spec(BaseModel):
    """Base of all parts of a contract: unknown keys are rejected, and instances are immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class FieldSpec(Spec):
    """Base of the field types: a description, and whether a value may be missing."""

    description: str = ""
    missing: bool = False


class Number(FieldSpec):
    """A number or an integer, with an inclusive range and a unit; models see a float32."""

    type: Literal["number", "integer"]
    minimum: float | None = Field(None, ge=-FLOAT_MAX, le=FLOAT_MAX)
    maximum: float | None = Field(None, ge=-FLOAT_MAX, le=FLOAT_MAX)
    unit: str = ""

    @model_validator(mode="after")
    def _range_is_not_empty(self) -> "Number":
        if self.low > self.high:
            raise ValueError(f"minimum {self.low:.15g} is above maximum {self.high:.15g}")
        if self.type == "integer" and math.ceil(self.low) > math.floor(self.high):
            raise ValueError(f"no integer lies from {self.low:.15g} up to {self.high:.15g}")
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
    def _limit(self) -> float:
        return INTEGER_MAX if self.type == "integer" else FLOAT_MAX

    @property
    def expected(self) -> str:
        """A description of valid values."""
        noun = "an integer" if self.type == "integer" else "a number"
        low = "" if self.minimum is None else f" from {self.minimum:.15g}"
        high = "" if self.maximum is None else f" up to {self.maximum:.15g}"
        return f"{noun}{low}{high}{self.unit and f' {self.unit}'}{' or null' if self.missing else ''}"

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
        """A value in the middle of the range."""
        low = self.minimum if self.minimum is not None else min(0.0, self.high)
        high = self.maximum if self.maximum is not None else max(low, 1.0)
        if self.type == "integer":
            return math.floor((math.ceil(low) + math.floor(high)) / 2)
        middle = low / 2 + high / 2
        return middle if not low <= (short := float(f"{middle:.3g}")) <= high else short

    @property
    def code(self) -> Callable[[Any], float]:
        """The function from a checked value to the number that the model sees."""
        return float


class Category(FieldSpec):
    """One of a fixed list of texts; models see its index in that list."""

    type: Literal["category"]
    values: tuple[Name, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _values_differ(self) -> "Category":
        if len(set(self.values)) < len(self.values):
            raise ValueError(f"the values are not all different: {', '.join(self.values)}")
        return self

    @property
    def expected(self) -> str:
        """A description of valid values."""
        return f"one of {', '.join(map(repr, self.values))}{' or null' if self.missing else ''}"

    @property
    def json_value(self) -> CoreSchema:
        """The schema of a JSON value for pydantic-core."""
        return core_schema.literal_schema(list(self.values))

    @property
    def example(self) -> object:
        """The first value."""
        return self.values[0]

    @cached_property
    def codes(self) -> dict[str, float]:
        """The index of each value."""
        return {value: float(index) for index, value in enumerate(self.values)}

    @property
    def code(self) -> Callable[[Any], float]:
        """The function from a checked value to the number that the model sees."""
        return self.codes.__getitem__


class Boolean(FieldSpec):
    """True or false; models see 1 and 0."""

    type: Literal["boolean"]

    @property
    def expected(self) -> str:
        """A description of valid values."""
        return f"true or false{' or null' if self.missing else ''}"

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
        """The function from a checked value to the number that the model sees."""
        return float


Feature = Annotated[Number | Category | Boolean, Field(discriminator="type")]
TargetField = Annotated[Number | Category, Field(discriminator="type")]
