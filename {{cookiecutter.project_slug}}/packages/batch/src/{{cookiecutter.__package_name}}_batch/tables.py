"""The contract for Arrow tables: check whole columns at once, and encode them.

Values have the same limits as `contract` sets for JSON, and are rejected with the same reasons. Since a table may come
from CSV, numbers and booleans may be texts, and booleans may be 0 and 1.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from {{ cookiecutter.__package_name }}_predict.contract import Contract, Matrix
from {{ cookiecutter.__package_name }}_predict.errors import DataError
from {{ cookiecutter.__package_name }}_predict.fields import Boolean, Category, Number

NULLS = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None")
MAX_REASON_VALUE = 80
Column = npt.NDArray[np.float64]
Fields = Mapping[str, Number | Category | Boolean]
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"


@dataclass(frozen=True)
class Checked:
    """The result of checking one batch.

    Attributes:
        columns: each field as the model sees it, of shape (rows,); NaN where a value is missing or invalid.
        good: whether each row keeps the contract.
        reasons: the reason for each rejected row, by its index.
        refused: for each field, how many of its values are invalid.
    """

    columns: dict[str, Column]
    good: npt.NDArray[np.bool_]
    reasons: dict[int, str]
    refused: dict[str, int]


def check_batch(batch: pa.RecordBatch, fields: Fields, name: str) -> Checked:
    """Check the columns of a batch or a table against fields of the contract.

    A text such as `NA` counts as missing (see `NULLS`), unless it is one of a category's values.

    Args:
        batch: the rows; columns that are not in the contract are ignored.
        fields: what each column must hold.
        name: the source, for messages.

    Raises:
        DataError: a column is missing.
    """
    if absent := [column for column in fields if column not in batch.schema.names]:
        raise DataError(
            f"column {absent[0]!r} is missing from {name}; expected: {', '.join(fields)}; "
            "correct the source or schema.yaml"
        )
    columns, reasons, refused = {}, dict[int, str](), {}
    good = np.ones(batch.num_rows, dtype=bool)
    for column, field in fields.items():
        source = _plain(batch.column(column))
        missing = _missing(source, field)
        values = _decode(source, field)
        accepted = ~np.isnan(values) | (missing & field.missing)
        columns[column] = values
        good &= accepted
        refused[column] = int((~accepted).sum())
        for index in np.flatnonzero(~accepted).tolist():
            found = "nothing" if missing[index] else f"{_value(source, index)!r:.{MAX_REASON_VALUE}}"
            reason = f"{column}: found {found}, expected {field.expected}"
            reasons[index] = f"{reasons[index]}; {reason}" if index in reasons else reason
    return Checked(columns, good, reasons, refused)


def encode(checked: Checked, contract: Contract) -> Matrix:
    """Return the accepted rows as a matrix of shape (accepted rows, features), equal to that of `Contract.encode`."""
    columns = [checked.columns[name] for name in contract.features]
    if not checked.good.all():
        columns = [column[checked.good] for column in columns]
    return np.column_stack(columns).astype(np.float32)


def decode(checked: Checked, fields: Fields) -> pa.Table:
    """Return the accepted rows as a table with the contract's types: double, int64, string and bool."""
    return pa.table({name: _typed(checked.columns[name][checked.good], field) for name, field in fields.items()})


def empty_table(fields: Fields) -> pa.Table:
    """Return a table without rows that has the columns of `decode`."""
    nothing = np.empty(0)
    return decode(Checked(dict.fromkeys(fields, nothing), nothing.astype(bool), {}, {}), fields)


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


def _missing(source: pa.Array, field: Number | Category | Boolean) -> npt.NDArray[np.bool_]:
    missing = pc.is_null(source, nan_is_null=True)
    if _is_text(source):
        values = field.values if isinstance(field, Category) else ()
        missing = pc.or_(missing, pc.is_in(source, pa.array([text for text in NULLS if text not in values])))
    found: npt.NDArray[np.bool_] = missing.to_numpy(zero_copy_only=False)
    return found


def _is_text(source: pa.Array) -> bool:
    return bool(pa.types.is_string(source.type) or pa.types.is_large_string(source.type))


def _decode(source: pa.Array, field: Number | Category | Boolean) -> Column:
    """Return a column as the model sees it; NaN where a value is missing or invalid."""
    if isinstance(field, Number):
        values = _numbers(source)
        refused = ~((values >= field.low) & (values <= field.high))
        if field.type == "integer":
            refused |= values != np.round(values)
        return np.where(refused, np.nan, values)
    texts = as_texts(source)
    if isinstance(field, Boolean):
        return _floats(pc.index_in(pc.utf8_lower(texts), pa.array(["false", "true", "0", "1"]))) % 2
    return _floats(pc.index_in(texts, pa.array(field.values)))


def _numbers(source: pa.Array) -> Column:
    if pa.types.is_boolean(source.type) or pa.types.is_temporal(source.type):
        return np.full(len(source), np.nan)
    if not _is_text(source):
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


def _typed(values: Column, field: Number | Category | Boolean) -> pa.Array:
    missing = np.isnan(values)
    if isinstance(field, Category):
        indices = pa.array(np.where(missing, 0, values).astype(np.int32), mask=missing)
        return pa.DictionaryArray.from_arrays(indices, pa.array(field.values)).dictionary_decode()
    if isinstance(field, Boolean):
        return pa.array(values == 1, mask=missing)
    if field.type == "integer":
        return pa.array(np.where(missing, 0, values).astype(np.int64), mask=missing)
    return pa.array(values, mask=missing)
