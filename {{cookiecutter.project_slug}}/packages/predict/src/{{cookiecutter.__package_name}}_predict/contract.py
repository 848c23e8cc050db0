"""The contract: what a row is, and how to check JSON rows accordingly.

A person writes the contract in `schema.yaml`; a model file contains the same contract as JSON.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pydantic import Field, ValidationError, model_validator
from pydantic_core import CoreSchema, ErrorDetails, SchemaValidator, core_schema

from .errors import DataError, list_names
from .fields import (
    MOST_SHOWN,
    AnyField,
    Boolean,
    Category,
    Date,
    Feature,
    FieldSpec,
    Name,
    Number,
    Spec,
    TargetField,
    Text,
)
from .yamlfile import load_yaml

Row = Mapping[str, object]
MOST_PROBLEMS = 20
RESERVED = ("prediction", "probability_", "rejected_", "unusual")


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


class Keys(Spec):
    """The columns that identify a row, its time and its group; the model does not see them unless they are features.

    Attributes:
        id: different in each row.
        time: when the row was observed, in ISO 8601.
        group: what several rows have in common, such as a customer.
        sensitive: whether the id and the group are personal, see `FieldSpec`.
    """

    id: Name | None = None
    time: Name | None = None
    group: Name | None = None
    sensitive: bool = False


class Contract(Spec):
    """The keys and the features of a row, in the order of the model's columns, and the target."""

    keys: Keys = Keys()
    features: dict[Name, Feature] = Field(min_length=1)
    target: dict[Name, TargetField] = Field(min_length=1, max_length=1)

    @model_validator(mode="after")
    def _names_are_free(self) -> "Contract":
        for name in (*self.features, *self.target, *self.key_fields):
            if name.startswith(RESERVED):
                raise ValueError(f"the name {name!r} is reserved for outputs ({', '.join(RESERVED)}…); rename it")
        texts = [name for name, field in self.features.items() if isinstance(field, Text)]
        for name in (f"{text} ({part})" for text in texts for part in ("length", "words")):
            if name in self.features:
                raise ValueError(f"the name {name!r} is that of a column of a text; rename it")
        return self

    @model_validator(mode="after")
    def _target_is_sound(self) -> "Contract":
        if self.target_name in self.features:
            raise ValueError(f"{self.target_name!r} is both a feature and the target")
        if self.target_field.sensitive:
            raise ValueError(f"the target {self.target_name!r} may not be sensitive: answers and the log show it")
        if self.target_field.missing:
            raise ValueError(f"the target {self.target_name!r} may not be missing")
        if isinstance(self.target_field, Category) and len(self.target_field.values) < 2:
            raise ValueError(f"the target {self.target_name!r} needs a list of two values or more")
        return self

    @model_validator(mode="after")
    def _keys_are_sound(self) -> "Contract":
        named = [name for name in (self.keys.id, self.keys.time, self.keys.group) if name]
        if self.target_name in named:
            raise ValueError(f"{self.target_name!r} is both a key and the target")
        keys = (name for name in (self.keys.id, self.keys.group) if self.keys.sensitive and name in self.features)
        if shown := [name for name in keys if name and not self.features[name].sensitive]:
            raise ValueError(
                f"keys: sensitive: {shown[0]!r} is a feature, too; say `sensitive: true` there, or leave it out of the "
                "features"
            )
        if self.keys.time and not isinstance(self.features.get(self.keys.time, Date(type="datetime")), Date):
            raise ValueError(f"keys: time: {self.keys.time!r} is a feature, but neither a date nor a datetime")
        return self

    @property
    def target_name(self) -> str:
        """The column to predict."""
        return next(iter(self.target))

    @property
    def target_field(self) -> Number | Category | Boolean:
        """The definition of the column to predict."""
        return self.target[self.target_name]

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The classes to predict, in the order of the model's probabilities; empty for a regression."""
        if isinstance(self.target_field, Boolean):
            return ("false", "true")
        return self.target_field.values if isinstance(self.target_field, Category) else ()

    @cached_property
    def labels(self) -> tuple[str | bool, ...]:
        """The classes as an answer gives them: those of a boolean target are true and false."""
        return (False, True) if isinstance(self.target_field, Boolean) else self.classes

    @cached_property
    def key_fields(self) -> dict[str, Category | Date]:
        """The fields of the keys that are not features."""
        kinds: dict[str | None, Category | Date] = {
            self.keys.id: self._key,
            self.keys.group: self._key,
            self.keys.time: Date(type="datetime"),
        }
        return {name: field for name, field in kinds.items() if name and name not in self.features}

    @property
    def _key(self) -> Category:
        key = Category(type="category", open=True)
        return key.model_copy(update={"sensitive": self.keys.sensitive})  # no model file holds the values of keys

    @cached_property
    def sensitive(self) -> tuple[str, ...]:
        """The names of the sensitive fields."""
        return tuple(name for name, field in {**self.features, **self.key_fields}.items() if field.sensitive)

    def show(self, value: object) -> str:
        """Return something that is no row as a message shows it: without its content, if rows may be sensitive."""
        if self.sensitive and isinstance(value, dict | list | str):
            return f"a value that is not shown ({type(value).__name__})"
        return f"{value!r:.{MOST_SHOWN}}"

    @cached_property
    def table_fields(self) -> dict[str, AnyField]:
        """The fields of a training row: keys, features and target; a row without a target is left out of training."""
        target = self.target_field.model_copy(update={"missing": True})
        return {**self.key_fields, **self.features, self.target_name: target}

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

    def differences(self, other: "Contract") -> list[str]:
        """Return the names of the fields that differ from another contract, in anything but what they say to people."""
        mine, theirs = self._definitions(), other._definitions()
        names = [name for name in (mine | theirs) if mine.get(name) != theirs.get(name)]
        names += ["keys"] if self.keys != other.keys else []
        return names or (["the order of the features"] if list(mine) != list(theirs) else [])

    def _definitions(self) -> dict[str, FieldSpec]:
        fields: dict[str, FieldSpec] = {**self.features, **self.target}
        return {name: field.model_copy(update={"description": "", "since": ""}) for name, field in fields.items()}

    @cached_property
    def row_schema(self) -> CoreSchema:
        """The schema of a JSON row for pydantic-core."""
        features = {
            name: core_schema.typed_dict_field(
                core_schema.nullable_schema(field.json_value) if field.missing else field.json_value,
                required=not field.missing,
            )
            for name, field in self.features.items()
        }
        keys = {
            name: core_schema.typed_dict_field(core_schema.nullable_schema(_key_value(field)), required=False)
            for name, field in self.key_fields.items()
        }
        return core_schema.typed_dict_schema({**features, **keys}, extra_behavior="forbid", strict=True)

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
        fields = {**self.features, **self.key_fields}
        names = list_names(fields)
        if name is None:
            return Fault(row, None, self.show(item["input"]), f"an object with the fields {names}")
        if name not in fields:
            return Fault(row, name[:80], "an unknown field", f"only {names}")
        field, nothing = fields[name], item["type"] == "missing" or item["input"] is None
        return Fault(row, name, "nothing" if nothing else field.show(item["input"]), field.accepts)

    def _problems(self, error: ValidationError) -> str:
        errors = error.errors(include_url=False)
        if errors[0]["type"] == "json_invalid":
            return f"not valid JSON: {errors[0]['ctx']['error']}; expected an object or a list of objects"
        lines = list(map(str, self.faults(errors)))
        more = [f"and {len(lines) - MOST_PROBLEMS} more"] if len(lines) > MOST_PROBLEMS else []
        return "\n".join([*lines[:MOST_PROBLEMS], *more])


def _key_value(field: Category | Date) -> CoreSchema:
    """Return the schema of a key in JSON, where it may be an integer."""
    if isinstance(field, Date):
        return field.json_value
    return core_schema.union_schema([field.json_value, core_schema.int_schema(strict=True)])


def load_contract(path: Path) -> Contract:
    """Return the contract in a YAML file.

    Raises:
        ConfigError: the file is absent or invalid; the message names each line and the reason.
    """
    return load_yaml(path, Contract)
