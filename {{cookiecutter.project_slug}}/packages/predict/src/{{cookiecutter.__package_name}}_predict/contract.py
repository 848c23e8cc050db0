"""The contract: what a row is, and everything that follows from it for rows of JSON.

`schema.yaml` is the contract as a person writes it; a model file carries the same contract as JSON.
"""

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import CoreSchema, ErrorDetails, SchemaValidator, core_schema

from .errors import DataError
from .yamlfile import load_yaml

FLOAT_MAX = float(np.finfo(np.float32).max)
INTEGER_MAX = 2.0**53  # beyond it, a double skips integers
Matrix = npt.NDArray[np.float32]
Name = Annotated[str, Field(min_length=1)]
Row = Mapping[str, object]
MOST_PROBLEMS = 20
RESERVED = ("prediction", "probability_", "rejected_")


class _Spec(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Field(_Spec):
    description: str = ""
    missing: bool = False


class Number(_Field):
    """A number or an integer, with an inclusive range and a unit; models see it as float32."""

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
        """The least value allowed."""
        return self.minimum if self.minimum is not None else -self._limit

    @property
    def high(self) -> float:
        """The greatest value allowed."""
        return self.maximum if self.maximum is not None else self._limit

    @property
    def _limit(self) -> float:
        return INTEGER_MAX if self.type == "integer" else FLOAT_MAX

    @property
    def expected(self) -> str:
        """What a value must be, in words."""
        noun = "an integer" if self.type == "integer" else "a number"
        low = "" if self.minimum is None else f" from {self.minimum:.15g}"
        high = "" if self.maximum is None else f" up to {self.maximum:.15g}"
        return f"{noun}{low}{high}{self.unit and f' {self.unit}'}{' or null' if self.missing else ''}"

    @property
    def json_value(self) -> CoreSchema:
        """What JSON may hold, for pydantic-core."""
        if self.type == "integer":
            low, high = math.ceil(self.low), math.floor(self.high)
            whole = core_schema.float_schema(ge=low, le=high, multiple_of=1, strict=True)  # 7.0, as some clients write
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

    def code(self, value: object) -> float:
        """Return a checked value as the model sees it."""
        return float(value)  # type: ignore[arg-type]  # checked before: an int or a float


class Category(_Field):
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
        """What a value must be, in words."""
        return f"one of {', '.join(map(repr, self.values))}{' or null' if self.missing else ''}"

    @property
    def json_value(self) -> CoreSchema:
        """What JSON may hold, for pydantic-core."""
        return core_schema.literal_schema(list(self.values))

    @property
    def example(self) -> object:
        """The first value."""
        return self.values[0]

    @cached_property
    def codes(self) -> dict[str, float]:
        """The index of each value."""
        return {value: float(index) for index, value in enumerate(self.values)}

    def code(self, value: object) -> float:
        """Return a checked value as the model sees it."""
        return self.codes[str(value)]


class Boolean(_Field):
    """True or false; models see 1 and 0."""

    type: Literal["boolean"]

    @property
    def expected(self) -> str:
        """What a value must be, in words."""
        return f"true or false{' or null' if self.missing else ''}"

    @property
    def json_value(self) -> CoreSchema:
        """What JSON may hold, for pydantic-core."""
        return core_schema.bool_schema(strict=True)

    @property
    def example(self) -> object:
        """A value."""
        return True

    def code(self, value: object) -> float:
        """Return a checked value as the model sees it."""
        return float(bool(value))


Feature = Annotated[Number | Category | Boolean, Field(discriminator="type")]
TargetField = Annotated[Number | Category, Field(discriminator="type")]


class Contract(_Spec):
    """The features of a row, in the order of the model's columns, and the target."""

    features: dict[Name, Feature] = Field(min_length=1)
    target: dict[Name, TargetField] = Field(min_length=1, max_length=1)

    @model_validator(mode="after")
    def _names_are_free(self) -> "Contract":
        for name in (*self.features, *self.target):
            if name.startswith(RESERVED):
                raise ValueError(f"the name {name!r} is kept for outputs ({', '.join(RESERVED)}…); rename the column")
        return self

    @model_validator(mode="after")
    def _target_is_sound(self) -> "Contract":
        if self.target_name in self.features:
            raise ValueError(f"{self.target_name!r} is both a feature and the target")
        if self.target_field.missing:
            raise ValueError(f"the target {self.target_name!r} may not be missing")
        if isinstance(self.target_field, Category) and len(self.target_field.values) < 2:
            raise ValueError(f"the target {self.target_name!r} needs two values or more")
        return self

    @property
    def target_name(self) -> str:
        """The column to predict."""
        return next(iter(self.target))

    @property
    def target_field(self) -> Number | Category:
        """What the column to predict holds."""
        return self.target[self.target_name]

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes to predict, in the order of the model's probabilities; empty for a regression."""
        return self.target_field.values if isinstance(self.target_field, Category) else ()

    def example(self) -> dict[str, object]:
        """Return a row that keeps the contract."""
        return {name: field.example for name, field in self.features.items()}

    def check(self, rows: Sequence[Row]) -> list[dict[str, object]]:
        """Return the rows, checked.

        Raises:
            DataError: one line for each field of each row that breaks the contract.
        """
        try:
            plain = [dict(row) if isinstance(row, Mapping) else row for row in rows]
            return self._rows.validate_python(plain)  # type: ignore[no-any-return]  # the schema says so
        except ValidationError as error:
            raise DataError(self._problems(error)) from error

    def check_json(self, text: str | bytes) -> list[dict[str, object]]:
        """Return the rows of a JSON object or a JSON list of objects, checked (see `check`)."""
        many = text.lstrip()[:1] in ("[", b"[")
        try:
            return self._rows.validate_json(text) if many else [self._row.validate_json(text)]
        except ValidationError as error:
            raise DataError(self._problems(error)) from error

    def encode(self, rows: Sequence[Row]) -> Matrix:
        """Return checked rows as a matrix of shape (rows, features); a missing value is NaN."""
        coders = [(name, field.code) for name, field in self.features.items()]
        table = [[np.nan if (value := row.get(name)) is None else code(value) for name, code in coders] for row in rows]
        return np.array(table, dtype=np.float32).reshape(len(rows), len(self.features))

    def differences(self, other: "Contract") -> list[str]:
        """Return the names of the fields that another contract lacks, adds or defines otherwise, bar descriptions."""
        mine, theirs = self._definitions(), other._definitions()
        names = [name for name in (mine | theirs) if mine.get(name) != theirs.get(name)]
        return names or (["the order of the features"] if list(mine) != list(theirs) else [])

    def _definitions(self) -> dict[str, _Field]:
        fields: dict[str, _Field] = {**self.features, **self.target}
        return {name: field.model_copy(update={"description": ""}) for name, field in fields.items()}

    @cached_property
    def row_schema(self) -> CoreSchema:
        """What a JSON object must be, for pydantic-core."""
        return core_schema.typed_dict_schema(
            {
                name: core_schema.typed_dict_field(
                    core_schema.nullable_schema(field.json_value) if field.missing else field.json_value,
                    required=not field.missing,
                )
                for name, field in self.features.items()
            },
            extra_behavior="forbid",
            strict=True,
        )

    @cached_property
    def _row(self) -> SchemaValidator:
        return SchemaValidator(self.row_schema)

    @cached_property
    def _rows(self) -> SchemaValidator:
        return SchemaValidator(core_schema.list_schema(self.row_schema))

    def _problems(self, error: ValidationError) -> str:
        # a value that fits no member of a union is reported once for each: one sentence is enough
        lines = list(dict.fromkeys(map(self._problem, error.errors(include_url=False))))
        more = [f"and {len(lines) - MOST_PROBLEMS} more"] if len(lines) > MOST_PROBLEMS else []
        return "\n".join([*lines[:MOST_PROBLEMS], *more])

    def _problem(self, item: ErrorDetails) -> str:
        row = next((f"row {part + 1}: " for part in item["loc"][:1] if isinstance(part, int)), "")
        name = next((part for part in item["loc"] if isinstance(part, str)), None)
        if item["type"] == "json_invalid":
            return f"not valid JSON: {item['ctx']['error']}; expected an object or a list of objects"
        if name is None:
            return f"{row}found {item['input']!r:.80}; expected an object with the fields {', '.join(self.features)}"
        if name not in self.features:
            return f"{row}{name!r:.80}: unknown field; expected only {', '.join(self.features)}"
        found = "nothing" if item["type"] == "missing" or item["input"] is None else repr(item["input"])
        return f"{row}{name}: found {found:.80}, expected {self.features[name].expected}"


def load_contract(path: Path) -> Contract:
    """Return the contract that a person wrote in a YAML file.

    Raises:
        ConfigError: the file is absent or wrong; the message names each line and the reason.
    """
    return load_yaml(path, Contract)
