"""The contract for Arrow tables: check whole columns at once, and encode them.

Values have the same limits as `contract` sets for JSON, and are rejected with the same reasons. Since a table may come
from CSV, numbers, booleans and dates may be texts, and booleans may be 0 and 1, or yes and no.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from {{ cookiecutter.__package_name }}_predict.contract import Contract
from {{ cookiecutter.__package_name }}_predict.encoding import Encoded, Encoder
from {{ cookiecutter.__package_name }}_predict.errors import DataError, list_names
from {{ cookiecutter.__package_name }}_predict.fields import (
    LONGEST_VALUE,
    MISSING,
    UNKNOWN,
    AnyField,
    Boolean,
    Category,
    Date,
    Number,
    Text,
)

from .moments import DAY, read_seconds, write_iso, write_timestamps

NULLS = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None")
BOOLEANS = ("false", "true", "0", "1", "no", "yes")  # in pairs
Column = npt.NDArray[np.float64]
Values = Any  # a numpy array of numbers, or an Arrow array of texts; Arrow has no types
Fields = Mapping[str, AnyField]
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"


@dataclass(frozen=True)
class Checked:
    """The result of checking one batch.

    Attributes:
        columns: each field, of shape (rows,). Open categories and texts are Arrow strings, null where a value is
            missing or invalid; all others are the numbers that stand for their values, NaN where one is.
        good: whether each row keeps the contract.
        reasons: the reason for each rejected row, by its index.
        refused: for each field, how many of its values are invalid.
    """

    columns: dict[str, Values]
    good: npt.NDArray[np.bool_]
    reasons: dict[int, str]
    refused: dict[str, int]


def check_batch(batch: pa.RecordBatch, fields: Fields, name: str) -> Checked:
    """Check the columns of a batch or a table against fields of the contract.

    A text such as `NA` counts as missing (see `NULLS`), unless it is one of a category's values; of a field of free
    text, only an empty one does.

    Args:
        batch: the rows; columns that are not in the contract are ignored.
        fields: what each column must hold.
        name: the source, for messages.

    Raises:
        DataError: a column is missing.
    """
    if absent := [column for column in fields if column not in batch.schema.names]:
        raise DataError(
            f"column {absent[0]!r} is missing from {name}; expected: {list_names(fields)}; "
            "correct the source or schema.yaml"
        )
    columns, reasons, refused = dict[str, Values](), dict[int, str](), {}
    good = np.ones(batch.num_rows, dtype=bool)
    for column, field in fields.items():
        source = _plain(batch.column(column))
        missing = _missing(source, field)
        columns[column] = values = _decode(source, field, missing)
        accepted = ~_absent(values) | (missing & field.missing)
        good &= accepted
        refused[column] = int((~accepted).sum())
        for index in np.flatnonzero(~accepted).tolist():
            found = "nothing" if missing[index] else field.show(_value(source, index))
            reason = f"{column}: found {found}, expected {field.accepts}"
            reasons[index] = f"{reasons[index]}; {reason}" if index in reasons else reason
    return Checked(columns, good, reasons, refused)


def take_good(checked: Checked) -> Checked:
    """Return the accepted rows alone."""
    if checked.good.all():
        return checked
    columns = {name: _filter(column, checked.good) for name, column in checked.columns.items()}
    return Checked(columns, checked.good[checked.good], {}, {})


def encode(checked: Checked, contract: Contract, encoder: Encoder) -> Encoded:
    """Encode the accepted rows, as `Encoder.encode` does for JSON."""
    columns = list[Column]()
    for name, field in contract.features.items():
        column = _filter(checked.columns[name], checked.good)
        if isinstance(field, Category):
            columns.append(_encode_category(column, encoder.values[name]))
        elif isinstance(field, Text):
            columns.extend(_measure(column, field))
        else:
            columns.append(column)
    texts = {name: _filter(checked.columns[name], checked.good).to_pylist() for name in encoder.vocabulary.words}
    return Encoded(np.column_stack(columns), texts)


def decode(checked: Checked, fields: Fields) -> pa.Table:
    """Return the accepted rows as a table with the contract's types: double, int64, string, bool, date32, timestamp."""
    good = take_good(checked)
    return pa.table({name: _typed(good.columns[name], field) for name, field in fields.items()})


def to_records(checked: Checked, fields: Fields) -> list[dict[str, object]]:
    """Return the accepted rows as JSON has them."""
    good = take_good(checked)
    table = decode(good, fields)
    columns = [
        [write_iso(value, day=field.type == "date") for value in good.columns[name].tolist()]
        if isinstance(field, Date)
        else table.column(name).to_pylist()
        for name, field in fields.items()
    ]
    return [dict(zip(fields, row, strict=True)) for row in zip(*columns, strict=True)]


def empty_table(fields: Fields) -> pa.Table:
    """Return a table without rows that has the columns of `decode`."""
    return decode(check_batch(pa.table({name: pa.array([], pa.string()) for name in fields}), fields, ""), fields)


def as_texts(column: pa.Array) -> pa.Array:
    """Return a column as text; null where there is no value, or no text for it."""
    return _cast(column, pa.string())


def _plain(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if pa.types.is_dictionary(column.type):
        return column.dictionary_decode()
    return column.cast(pa.string()) if pa.types.is_string_view(column.type) else column


def _value(source: pa.Array, index: int) -> object:
    # without pandas, pyarrow cannot convert a time in nanoseconds to a Python value
    return as_texts(source)[index].as_py() if pa.types.is_temporal(source.type) else source[index].as_py()


def _missing(source: pa.Array, field: AnyField) -> npt.NDArray[np.bool_]:
    missing = pc.is_null(source, nan_is_null=True)
    if is_text(source):
        values = field.values if isinstance(field, Category) else ()
        nulls = NULLS[:1] if isinstance(field, Text) else NULLS  # a text may well be the word NA
        missing = pc.or_(missing, pc.is_in(source, pa.array([text for text in nulls if text not in values])))
    found: npt.NDArray[np.bool_] = missing.to_numpy(zero_copy_only=False)
    return found & field.missing if isinstance(field, Text) and is_text(source) else found


def is_text(source: pa.Array) -> bool:
    """Return whether a column holds texts."""
    return bool(pa.types.is_string(source.type) or pa.types.is_large_string(source.type))


def _absent(values: Values) -> npt.NDArray[np.bool_]:
    """Return where a checked column has no value."""
    found: npt.NDArray[np.bool_]
    found = np.isnan(values) if isinstance(values, np.ndarray) else values.is_null().to_numpy(zero_copy_only=False)
    return found


def _filter(column: Values, good: npt.NDArray[np.bool_]) -> Values:
    if good.all():
        return column
    return column[good] if isinstance(column, np.ndarray) else column.filter(pa.array(good))


def _decode(source: pa.Array, field: AnyField, missing: npt.NDArray[np.bool_]) -> Values:
    """Return a column as `Checked` has it."""
    if isinstance(field, Number):
        values = _numbers(source)
        refused = ~((values >= field.low) & (values <= field.high))
        if field.type == "integer":
            refused |= values != np.round(values)
        return np.where(refused, np.nan, values)
    if isinstance(field, Date):
        if not (is_text(source) or pa.types.is_date(source.type) or pa.types.is_timestamp(source.type)):
            return np.full(len(source), np.nan)
        seconds = read_seconds(source)
        return np.where(seconds % DAY != 0, np.nan, seconds) if field.type == "date" else seconds
    texts = as_texts(source)
    if isinstance(field, Boolean):
        return _floats(pc.index_in(pc.utf8_lower(texts), pa.array(BOOLEANS))) % 2
    if isinstance(field, Category) and not field.open:
        return _floats(pc.index_in(texts, pa.array(field.values)))
    length, longest = pc.utf8_length(texts), field.max_length if isinstance(field, Text) else LONGEST_VALUE
    refused = pc.or_(pc.greater(length, longest), pa.array(missing))
    return pc.if_else(refused, None, texts)


def _numbers(source: pa.Array) -> Column:
    if pa.types.is_boolean(source.type) or pa.types.is_temporal(source.type):
        return np.full(len(source), np.nan)
    if not is_text(source):
        return _floats(_cast(source, pa.float64()))
    texts = pc.utf8_trim_whitespace(source)
    try:
        return _floats(texts.cast(pa.float64()))
    except pa.ArrowInvalid:
        return _floats(pc.if_else(pc.match_substring_regex(texts, _NUMBER), texts, None).cast(pa.float64()))


def _cast(source: pa.Array, kind: pa.DataType) -> pa.Array:
    try:
        return source.cast(kind, safe=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return pa.nulls(len(source), kind)


def _floats(column: pa.Array) -> Column:
    values: Column = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    return values


def _encode_category(column: Values, values: tuple[str, ...]) -> Column:
    if isinstance(column, np.ndarray):
        return np.where(np.isnan(column), MISSING, column)
    codes = _floats(pc.index_in(column, pa.array(values, pa.string())))
    return np.where(np.isnan(codes), np.where(_absent(column), MISSING, UNKNOWN), codes)


def _measure(column: pa.Array, field: Text) -> tuple[Column, Column]:
    """Return the lengths and the numbers of words of texts."""
    texts, empty = column.to_pylist(), np.nan if field.missing else 0.0
    lengths = [float(len(text)) if text else np.nan if text is None else empty for text in texts]
    counts = [float(len(text.split())) if text else np.nan if text is None else empty for text in texts]
    return np.array(lengths, dtype=np.float64), np.array(counts, dtype=np.float64)


def _typed(values: Values, field: AnyField) -> pa.Array:
    if not isinstance(values, np.ndarray):
        return values
    missing = np.isnan(values)
    if isinstance(field, Category):
        indices = pa.array(np.where(missing, 0, values).astype(np.int32), mask=missing)
        return pa.DictionaryArray.from_arrays(indices, pa.array(field.values)).dictionary_decode()
    if isinstance(field, Boolean):
        return pa.array(values == 1, mask=missing)
    if isinstance(field, Date):
        times = write_timestamps(values)
        return times.cast(pa.date32()) if field.type == "date" else times
    if field.type == "integer":
        return pa.array(np.where(missing, 0, values).astype(np.int64), mask=missing)
    return pa.array(values, mask=missing)
