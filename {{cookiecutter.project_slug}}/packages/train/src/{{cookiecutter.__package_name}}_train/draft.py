"""Draft a schema from a table, for a person to correct."""

from pathlib import Path

import pandas as pd
import yaml

from .prediction import NULLS, Contract, DataError, parse_yaml, table_suffix

MOST_VALUES = 50
HEADER = """\
# Drafted from {name}: {rows} rows. Check each line: a range or a list of values here is what these rows happened to
# hold, and production will refuse whatever lies outside.
"""


def draft_schema(source: Path, target: str) -> str:
    """Return the text of a `schema.yaml` for a CSV or Parquet file.

    Raises:
        DataError: the file cannot be read, has no such column, or nothing in it can be a feature or the target.
    """
    frame = _load_frame(source)
    if target not in frame.columns:
        raise DataError(f"{source} has no column {target!r}; expected one of {', '.join(map(str, frame.columns))}")
    drafts = {str(name): _draft_field(frame[name]) for name in frame.columns}
    goal = {key: value for key, value in (drafts.pop(target) or {}).items() if key != "missing"}
    if goal.get("type") == "boolean":
        goal = {"type": "category", "values": sorted(frame[target].dropna().astype(str).unique())}
    left_out = [name for name, field in drafts.items() if field is None]
    features = {name: field for name, field in drafts.items() if field is not None}
    if not goal or not features:
        raise DataError(f"{source}: the target and one feature at least must be numbers or have few different values")
    text = HEADER.format(name=source.name, rows=len(frame))
    for name in left_out:
        text += f"# left out: {name!r} is a date, or has more than {MOST_VALUES} different texts\n"
    text += yaml.safe_dump({"features": features, "target": {target: goal}}, sort_keys=False, allow_unicode=True)
    parse_yaml(text, f"the draft from {source}", Contract)
    return text


def _load_frame(source: Path) -> pd.DataFrame:
    try:
        if table_suffix(source.name) == ".csv":
            return pd.read_csv(source, keep_default_na=False, na_values=list(NULLS))
        return pd.read_parquet(source)
    except (OSError, ValueError) as error:
        raise DataError(f"{source} cannot be read as a table: {error}") from error


def _draft_field(column: "pd.Series[str]") -> dict[str, object] | None:
    """Return the field for a column, or nothing where it is no feature."""
    missing: dict[str, object] = {"missing": True} if column.isna().any() else {}
    present = column.dropna()
    if pd.api.types.is_bool_dtype(present.infer_objects()):
        return {"type": "boolean", **missing}
    if present.empty or pd.api.types.is_datetime64_any_dtype(column):
        return None
    if pd.api.types.is_numeric_dtype(column):
        numbers = present.astype(float)
        whole = bool((numbers == numbers.round()).all())
        low, high = float(numbers.min()), float(numbers.max())
        bounds = {"minimum": int(low), "maximum": int(high)} if whole else {"minimum": low, "maximum": high}
        return {"type": "integer" if whole else "number", **bounds, **missing}
    values = sorted(present.astype(str).unique())
    return {"type": "category", "values": values, **missing} if len(values) <= MOST_VALUES else None
