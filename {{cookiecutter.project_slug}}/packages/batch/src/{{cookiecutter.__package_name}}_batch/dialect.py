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
        dates: the format of each column of dates that is not in ISO 8601, as for `strptime`.
        missing: further texts that stand for a missing value.
        newlines: whether a value in quotes may contain line breaks.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    encoding: str = "utf-8"
    separator: Annotated[str, Field(min_length=1, max_length=1)] = ","
    decimal: Literal[".", ","] = "."
    thousands: Literal[",", ".", " ", "'"] | None = None
    dates: dict[str, str] = {}
    missing: tuple[str, ...] = ()
    newlines: bool = False


PLAIN = Dialect()


def translate(batch: pa.RecordBatch, fields: Fields, dialect: Dialect) -> pa.RecordBatch:
    """Return a batch whose texts are written as the contract expects; what cannot be read stays as it is.

    A percent sign after a number is left out. A mark such as `-` stands for a missing value, unless it is one of a
    category's values.
    """
    columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    for name, field in fields.items():
        if name not in columns or not is_text(columns[name]):
            continue
        column = columns[name]
        if marks := [mark for mark in dialect.missing if mark not in getattr(field, "values", ())]:
            column = pc.if_else(pc.is_in(column, pa.array(marks)), None, column)
        if isinstance(field, Number):
            column = translate_numbers(column, dialect)
        if isinstance(field, Date) and name in dialect.dates:
            column = translate_dates(column, dialect.dates[name])
        columns[name] = column
    return pa.RecordBatch.from_pydict(columns)


def translate_numbers(texts: pa.Array, dialect: Dialect) -> pa.Array:
    """Return numbers with a point before the fraction, and without separators of thousands and percent signs."""
    found = pc.replace_substring_regex(texts, r"^\s*([^%]*?)\s*%?\s*$", r"\1")
    decimal = f"\\{dialect.decimal}"
    if dialect.thousands:
        grouped = pc.match_substring_regex(found, rf"^[+-]?[1-9]\d?\d?(\{dialect.thousands}\d\d\d)+({decimal}\d*)?$")
        found = pc.if_else(grouped, pc.replace_substring(found, dialect.thousands, ""), found)
    if dialect.decimal == ",":
        written = pc.match_substring_regex(found, r"^[+-]?\d*,\d+([eE][+-]?\d+)?$")
        found = pc.if_else(written, pc.replace_substring(found, ",", "."), found)
    return found


def translate_dates(texts: pa.Array, form: str) -> pa.Array:
    """Return texts with those that are dates in a format as ISO 8601."""
    moments = parse_dates(texts, form)
    return pc.if_else(pc.is_valid(moments), pc.strftime(moments, ISO), texts)


def parse_dates(texts: pa.Array, form: str) -> pa.Array:
    """Return the moments of texts in a format, null where a text is in another; `%Y` stands for four digits."""
    written = pc.utf8_trim_whitespace(texts)
    if "%Y" in form:
        written = pc.if_else(pc.match_substring_regex(written, r"(^|\D)\d{4}(\D|$)"), written, None)
    return pc.strptime(written, format=form, unit="s", error_is_null=True)
