"""Draft a contract from a table, for a person to review; all rows keep it, except for a few invalid values."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import yaml

from {{ cookiecutter.__package_name }}_batch.readers import read_batches, readable, table_suffix
from {{ cookiecutter.__package_name }}_batch.tables import NULLS, Checked, check_batch
from {{ cookiecutter.__package_name }}_predict.contract import Contract
from {{ cookiecutter.__package_name }}_predict.errors import DataError
from {{ cookiecutter.__package_name }}_predict.fields import INTEGER_MAX, Boolean, Number
from {{ cookiecutter.__package_name }}_predict.yamlfile import parse_yaml

MOST_VALUES = 50
SINGLE_MAX = 2**24  # above it, single precision skips integers
MOST_BROKEN = 0.1  # share of the present values; above it, a column is not of that type
HEADER = """\
# Drafted from {name}: {rows} rows. Check each line: a range or a list of values is only what these rows happened to
# contain, and production will reject everything else.
"""


def draft_contract(source: Path, target: str) -> str:
    """Return the text of a `schema.yaml` for a CSV or Parquet file.

    Raises:
        DataError: the file cannot be read, lacks the target, or has no column that can be a feature or the target.
        ConfigError: a column has a name or values that a contract cannot have.
    """
    table = _load_table(source)
    if target not in table.column_names:
        raise DataError(f"{source} has no column {target!r}; expected one of {', '.join(table.column_names)}")
    notes: list[str] = []
    fields = {name: _draft_field(name, table.column(name), notes) for name in table.column_names}
    goal = {key: value for key, value in (fields.pop(target) or {}).items() if key != "missing"}
    if goal.get("type") == "boolean":
        goal = {"type": "category", "values": _texts(table.column(target))}
    features = {name: field for name, field in fields.items() if field}
    if not goal:
        raise DataError(f"{source}: the target {target!r} has neither numbers nor a few distinct texts: {notes}")
    if not features:
        raise DataError(f"{source}: apart from the target, no column can be a feature: {notes}")
    text = HEADER.format(name=source.name, rows=table.num_rows) + "".join(f"# {note}\n" for note in notes)
    text += yaml.safe_dump({"features": features, "target": {target: goal}}, sort_keys=False, allow_unicode=True)
    parse_yaml(text, f"the draft from {source}", Contract)
    return text


def _load_table(source: Path) -> pa.Table:
    table_suffix(source.name)
    try:
        file = source.open("rb")
    except OSError as error:
        raise DataError(f"{source} cannot be read ({error.strerror}); expected a CSV or Parquet file") from error
    with file, readable(source.name):
        batches = [batch for batch, _ in read_batches(file, source.name, lambda _: None)]
        if not batches:
            raise DataError(f"{source} has no rows; expected at least one")
        return pa.Table.from_batches(batches).combine_chunks()


def _draft_field(name: str, column: pa.ChunkedArray, notes: list[str]) -> dict[str, object] | None:
    """Return the field for a column, or None if it cannot be a feature; add remarks for the reviewer to the notes."""
    table = pa.table({name: column})
    number = check_batch(table, {name: Number(type="number", missing=True)}, "the table")
    present = int((~np.isnan(number.columns[name])).sum()) + len(number.reasons)
    missing: dict[str, object] = {"missing": True} if present < len(column) else {}
    if present and _fits(number, present):
        _note_broken(name, number, notes)
        return _draft_number(name, number.columns[name], missing, notes)
    if present and _fits(check_batch(table, {name: Boolean(type="boolean", missing=True)}, "the table"), present):
        return {"type": "boolean", **missing}
    values = _texts(column)
    if not values or len(values) > MOST_VALUES or _are_dates(column, values):
        notes.append(f"left out: {name!r} is empty, a date, or has more than {MOST_VALUES} distinct texts")
        return None
    return {"type": "category", "values": values, **missing}


def _draft_number(
    name: str, column: npt.NDArray[np.float64], missing: dict[str, object], notes: list[str]
) -> dict[str, object] | None:
    numbers = column[~np.isnan(column)]
    whole = bool((numbers == numbers.round()).all())
    low, high = float(numbers.min()), float(numbers.max())
    if whole and max(abs(low), abs(high)) > INTEGER_MAX:
        notes.append(f"left out: {name!r} has integers beyond 2^53, which no model can distinguish; an identifier?")
        return None
    if whole and max(abs(low), abs(high)) > SINGLE_MAX:
        notes.append(f"check: {name!r} has integers beyond 16,777,216, which single precision rounds; an identifier?")
    bounds = {"minimum": int(low), "maximum": int(high)} if whole else {"minimum": low, "maximum": high}
    return {"type": "integer" if whole else "number", **bounds, **missing}


def _fits(checked: Checked, present: int) -> bool:
    return len(checked.reasons) <= MOST_BROKEN * present


def _note_broken(name: str, checked: Checked, notes: list[str]) -> None:
    if checked.reasons:
        row, reason = next(iter(checked.reasons.items()))
        notes.append(f"check: {name!r} is numeric except for {len(checked.reasons)} values; row {row + 1}: {reason}")


def _texts(column: pa.ChunkedArray) -> list[str]:
    if pa.types.is_nested(column.type):
        return []
    texts = pc.unique(column.cast(pa.string())).to_pylist()
    return sorted(text for text in texts if text is not None and text not in NULLS)


def _are_dates(column: pa.ChunkedArray, values: list[str]) -> bool:
    if pa.types.is_temporal(column.type):
        return True
    return bool(pd.to_datetime(pd.Series(values), errors="coerce", format="ISO8601").notna().all())
