"""How a CSV file is written, and how its texts become what the contract expects: plain numbers, and ISO 8601."""

from typing import Annotated, Literal

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field

from {{ cookiecutter.__package_name }}_predict.fields import Date, Number

from .tables import Fields, is_text

ISO = "%Y-%m-%dT%H:%M:%S"


class Dialect(BaseModel):
    """How a CSV file is written.

    Attributes:
        encoding: of the characters, by a name that Python knows.
        separator: between two values.
        decimal: before the fraction of a number.
        thousands: between groups of three digits; null if there is none.
        dates: formats of dates that are not in ISO 8601, as for `strptime`.
        missing: further texts that stand for a missing value.
        newlines: whether a value in quotes may contain line breaks.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    encoding: str = "utf-8"
    separator: Annotated[str, Field(min_length=1, max_length=1)] = ","
    decimal: Literal[".", ","] = "."
    thousands: Literal[",", ".", " ", "'"] | None = None
    dates: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    newlines: bool = True


PLAIN = Dialect()


def translate(batch: pa.RecordBatch, fields: Fields, dialect: Dialect) -> pa.RecordBatch:
    """Return a batch whose texts are written as the contract expects; what cannot be read stays as it is.

    A percent sign after a number is left out.
    """
    columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    for name, field in fields.items():
        if name not in columns or not is_text(columns[name]):
            continue
        column = columns[name]
        if dialect.missing:
            column = pc.if_else(pc.is_in(column, pa.array(dialect.missing)), None, column)
        if isinstance(field, Number):
            column = translate_numbers(column, dialect)
        if isinstance(field, Date):
            column = translate_dates(column, dialect.dates)
        columns[name] = column
    return pa.RecordBatch.from_pydict(columns)


def translate_numbers(texts: pa.Array, dialect: Dialect) -> pa.Array:
    """Return numbers with a point before the fraction, and without separators of thousands and percent signs."""
    found = pc.replace_substring_regex(texts, r"^\s*([^%]*?)\s*%?\s*$", r"\1")
    decimal = f"\\{dialect.decimal}"
    if dialect.thousands:
        grouped = pc.match_substring_regex(found, rf"^[+-]?\d\d?\d?(\{dialect.thousands}\d\d\d)+({decimal}\d*)?$")
        found = pc.if_else(grouped, pc.replace_substring(found, dialect.thousands, ""), found)
    if dialect.decimal == ",":
        written = pc.match_substring_regex(found, r"^[+-]?\d*,\d+([eE][+-]?\d+)?$")
        found = pc.if_else(written, pc.replace_substring(found, ",", "."), found)
    return found


def translate_dates(texts: pa.Array, formats: tuple[str, ...]) -> pa.Array:
    """Return dates in one of the formats as ISO 8601."""
    for form in formats:
        parsed = pc.strptime(pc.utf8_trim_whitespace(texts), format=form, unit="s", error_is_null=True)
        texts = pc.if_else(pc.is_valid(parsed), pc.strftime(parsed, ISO), texts)
    return texts
