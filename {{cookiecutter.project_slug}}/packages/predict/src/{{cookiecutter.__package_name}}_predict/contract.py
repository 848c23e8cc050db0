"""The contract: what a row is, and how to check and encode JSON rows accordingly.

A person writes the contract in `schema.yaml`; a model file contains the same contract as JSON.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import Field, ValidationError, model_validator
from pydantic_core import CoreSchema, ErrorDetails, SchemaValidator, core_schema

from .errors import DataError
from .fields import Category, Feature, FieldSpec, Name, Number, Spec, TargetField
from .yamlfile import load_yaml

Matrix = npt.NDArray[np.float32]
Row = Mapping[str, object]
MOST_PROBLEMS = 20
RESERVED = ("prediction", "probability_", "rejected_")


@dataclass(frozen=True)
class Fault:
    """One place where rows break the contract.

    Attributes:
        row: the index of the row, from zero; None if there is only one.
        field: the name of the unknown, missing or invalid field; None if the row itself is invalid.
        found: what was found, in words.
        expected: what was expected, in words.
    """

    row: int | None
    field: str | None
    found: str
    expected: str

    def __str__(self) -> str:
        """Return the fault as text, with rows counted from one."""
        row = "" if self.row is None else f"row {self.row + 1}: "
        return f"{row}{'' if self.field is None else f'{self.field}: '}found {self.found}, expected {self.expected}"


class Contract(Spec):
    """The features of a row, in the order of the model's columns, and the target."""

    features: dict[Name, Feature] = Field(min_length=1)
    target: dict[Name, TargetField] = Field(min_length=1, max_length=1)

    @model_validator(mode="after")
    def _names_are_free(self) -> "Contract":
        for name in (*self.features, *self.target):
            if name.startswith(RESERVED):
                raise ValueError(f"the name {name!r} is reserved for outputs ({', '.join(RESERVED)}…); rename it")
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
        """The definition of the column to predict."""
        return self.target[self.target_name]

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The classes to predict, in the order of the model's probabilities; empty for a regression."""
        return self.target_field.values if isinstance(self.target_field, Category) else ()

    def example(self) -> dict[str, object]:
        """Return an example of a row that keeps the contract."""
        return {name: field.example for name, field in self.features.items()}

    def check(self, rows: Sequence[Row]) -> list[dict[str, object]]:
        """Check rows, and return them.

        Raises:
            DataError: rows break the contract; the message has a line for each invalid field of each row.
        """
        try:
            plain = [dict(row) if isinstance(row, Mapping) else row for row in rows]
            return self._rows.validate_python(plain)  # type: ignore[no-any-return]  # as row_schema defines
        except ValidationError as error:
            raise DataError(self._problems(error)) from error

    def check_json(self, text: str | bytes) -> list[dict[str, object]]:
        """Check the rows in a JSON object or a JSON list of objects, and return them (see `check`)."""
        many = text.lstrip()[:1] in ("[", b"[")
        try:
            return self._rows.validate_json(text) if many else [self._row.validate_json(text)]
        except ValidationError as error:
            raise DataError(self._problems(error)) from error

    def encode(self, rows: Sequence[Row]) -> Matrix:
        """Return checked rows as a matrix of shape (rows, features); missing values are NaN."""
        codes = self._codes
        table = [[np.nan if (value := row.get(name)) is None else code(value) for name, code in codes] for row in rows]
        return np.array(table, dtype=np.float32).reshape(len(rows), len(self.features))

    def differences(self, other: "Contract") -> list[str]:
        """Return the names of the fields that differ from another contract, in anything but their descriptions."""
        mine, theirs = self._definitions(), other._definitions()
        names = [name for name in (mine | theirs) if mine.get(name) != theirs.get(name)]
        return names or (["the order of the features"] if list(mine) != list(theirs) else [])

    def _definitions(self) -> dict[str, FieldSpec]:
        fields: dict[str, FieldSpec] = {**self.features, **self.target}
        return {name: field.model_copy(update={"description": ""}) for name, field in fields.items()}

    @cached_property
    def row_schema(self) -> CoreSchema:
        """The schema of a JSON row for pydantic-core."""
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
    def _codes(self) -> list[tuple[str, Callable[[object], float]]]:
        return [(name, field.code) for name, field in self.features.items()]

    @cached_property
    def _row(self) -> SchemaValidator:
        return SchemaValidator(self.row_schema)

    @cached_property
    def _rows(self) -> SchemaValidator:
        return SchemaValidator(core_schema.list_schema(self.row_schema))

    def faults(self, errors: Iterable[ErrorDetails]) -> list[Fault]:
        """Convert the errors that pydantic-core reports for `row_schema`, or a list of it, to unique faults."""
        # pydantic-core reports a value that fits no member of a union once for each member
        return list(dict.fromkeys(map(self._fault, errors)))

    def _fault(self, item: ErrorDetails) -> Fault:
        row = next((part for part in item["loc"][:1] if isinstance(part, int)), None)
        name = next((part for part in item["loc"] if isinstance(part, str)), None)
        names = ", ".join(self.features)
        if name is None:
            return Fault(row, None, f"{item['input']!r:.80}", f"an object with the fields {names}")
        if name not in self.features:
            return Fault(row, name[:80], "an unknown field", f"only {names}")
        found = "nothing" if item["type"] == "missing" or item["input"] is None else repr(item["input"])
        return Fault(row, name, f"{found:.80}", self.features[name].expected)

    def _problems(self, error: ValidationError) -> str:
        errors = error.errors(include_url=False)
        if errors[0]["type"] == "json_invalid":
            return f"not valid JSON: {errors[0]['ctx']['error']}; expected an object or a list of objects"
        lines = list(map(str, self.faults(errors)))
        more = [f"and {len(lines) - MOST_PROBLEMS} more"] if len(lines) > MOST_PROBLEMS else []
        return "\n".join([*lines[:MOST_PROBLEMS], *more])


def load_contract(path: Path) -> Contract:
    """Return the contract in a YAML file.

    Raises:
        ConfigError: the file is absent or invalid; the message names each line and the reason.
    """
    return load_yaml(path, Contract)
