"""Draft a contract from a table, for a person to review: what each column is, and why."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import yaml

from {{ cookiecutter.__package_name }}_batch.dialect import Dialect
from {{ cookiecutter.__package_name }}_batch.tables import NULLS, is_text
from {{ cookiecutter.__package_name }}_predict.contract import Contract
from {{ cookiecutter.__package_name }}_predict.errors import DataError, list_names
from {{ cookiecutter.__package_name }}_predict.fields import INTEGER_MAX, LONGEST_VALUE
from {{ cookiecutter.__package_name }}_predict.yamlfile import parse_yaml

from .detect import detect_dialect, read_source
from .table_column import BOOLEAN, MOMENT, MOST_CLOSED, NAMED_ID, NUMBER, WORDS_OF_TEXT, TableColumn

Problem = Literal["classification", "regression"]
MOST_CLASSES, FEWEST_PER_CLASS = 20, 10
MOST_TEXT_CLASSES = 100
DATE_TYPES = ("date", "datetime")
SENTINELS = (-999999, -99999, -9999, -999, -99, 999, 9999, 99999, 999999)
HEADER = """\
# Drafted from {name}: {rows} rows. Check each line, and add units and descriptions. `expected` is the range of these
# rows: other values are accepted, and reported as unusual. Set `minimum` and `maximum` where one must be rejected.
"""


@dataclass
class Draft:
    """A contract as drafted.

    Attributes:
        name: of the table's file.
        rows: how many it has.
        target: the definition of the target, by its name.
        features: the definitions of the features.
        keys: the columns of the keys.
        notes: what the reviewer should know, by column.
        dialect: how the file is written.
        counts: of each class, if the target has classes.
    """

    name: str
    rows: int
    target: dict[str, dict[str, Any]]
    features: dict[str, dict[str, Any]]
    keys: dict[str, str]
    notes: list[str]
    dialect: Dialect
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def problem(self) -> Problem:
        """The kind of problem."""
        return "classification" if self.counts else "regression"

    def __str__(self) -> str:
        """Return the text of `schema.yaml`."""
        notes = "".join(f"# - {note}\n" for note in self.notes)
        parts = {**({"keys": self.keys} if self.keys else {}), "features": self.features, "target": self.target}
        body = yaml.safe_dump(parts, sort_keys=False, allow_unicode=True, width=120, default_flow_style=None)
        return HEADER.format(name=self.name, rows=self.rows) + notes + body


def draft_contract(
    source: Path,
    target: str,
    problem: Problem | None = None,
    time: str | None = None,
    group: str | None = None,
    dialect: Dialect | None = None,
) -> Draft:
    """Return the draft of a contract for a CSV or Parquet file; its rows keep it, except for a few invalid values.

    Args:
        source: the file.
        target: the column to predict.
        problem: whether the target is a class or a number; None decides by its values.
        time: the column with the time of a row.
        group: the column with what several rows have in common.
        dialect: how a CSV file is written; None finds out.

    Raises:
        DataError: the file cannot be read, lacks a column, or has no column that can be a feature or the target.
    """
    dialect = dialect or detect_dialect(source)
    table = read_source(source, dialect)
    for name in (target, time, group):
        if name is not None and name not in table.column_names:
            raise DataError(f"{source} has no column {name!r}; expected one of {list_names(table.column_names)}")
    columns = {name: TableColumn(name, table.column(name), dialect) for name in table.column_names}
    notes = ["line breaks: values in quotes contain some, see source.newlines"] if dialect.newlines else []
    keys = {kind: name for kind, name in (("time", time), ("group", group)) if name}
    goal, counts = _draft_target(columns.pop(target), problem, notes)
    features: dict[str, dict[str, Any]] = {}
    for name, column in columns.items():
        if name == group:
            continue
        if name == time and not column.is_date:
            raise DataError(
                f"{source}: the time {name!r} holds {column.examples}, expected dates such as 2024-05-31; a year "
                "alone is a number: leave --time out, or make it a date"
            )
        found = _draft_feature(column, notes)
        if found is None and column.is_identifier and "id" not in keys:
            keys["id"] = name
        if found is not None:
            features[name] = found
    _guess_keys(columns, features, keys, notes)
    keys = {kind: keys[kind] for kind in ("id", "time", "group") if kind in keys}
    for kind, name in keys.items():
        if columns[name].missing:
            lost = columns[name].rows - len(columns[name].present)
            effect = "a split by time needs it in each row" if name in features else "they are rejected"
            notes.append(f"check: {lost} rows have no {name!r}, the key {kind}; {effect}")
    if not features:
        raise DataError(f"{source}: apart from the target, no column can be a feature: {'; '.join(notes)}")
    dates = {name: form for name, form in dialect.dates.items() if features.get(name, {}).get("type") in DATE_TYPES}
    dialect = dialect.model_copy(update={"dates": dates})
    draft = Draft(source.name, table.num_rows, {target: goal}, features, keys, notes, dialect, counts)
    parse_yaml(str(draft), f"the draft from {source}", Contract)
    return draft


def _guess_keys(
    columns: Mapping[str, TableColumn],
    features: Mapping[str, Mapping[str, Any]],
    keys: dict[str, str],
    notes: list[str],
) -> None:
    """Add the only column of dates as the time, and name a column by which rows may belong together."""
    dates = [name for name, found in features.items() if found["type"] in DATE_TYPES]
    if "time" not in keys and len(dates) == 1 and not columns[dates[0]].missing:
        keys["time"] = dates[0]
        notes.append(
            f"time: {dates[0]!r} is the only column of dates and becomes keys: time; if the model predicts what comes "
            f"later, pass --time {dates[0]!r}, so that the newest rows are the holdout"
        )
    groups = [column for name, column in columns.items() if name not in keys.values() and column.may_be_group]
    if "group" not in keys and groups:
        column = max(groups, key=lambda column: len(column.values))
        each = len(column.present) / len(column.values)
        notes.append(
            f"group? {column.name!r} has {len(column.values)} different values in {each:.1f} rows each "
            f"({column.examples}); if the model will meet new ones, pass --group {column.name!r}, so that none is both "
            "in training and in the holdout; otherwise the metrics are too good"
        )


def _draft_feature(column: TableColumn, notes: list[str]) -> dict[str, Any] | None:
    """Return the definition of a feature, or None if the column cannot be one; tell the reviewer why."""
    name, missing = column.name, column.missing
    notes.extend(_note_missing(column))
    if not name.strip():
        notes.append("left out: a column without a name, probably a row index")
    elif column.nested:
        notes.append(f"left out: {name!r} holds lists or structures; write a column for each part")
    elif not len(column.present):
        notes.append(f"left out: {name!r} has no values")
    elif len(column.values) == 1:
        notes.extend(_note_nulls(column))
        notes.append(f"left out: {name!r} is {column.examples} in each row that has a value")
    elif column.is_identifier:
        notes.append(
            f"left out: {name!r} is different in each of {len(column.present)} rows ({column.examples}): an "
            "identifier? The first such column becomes keys: id; add it under features if it helps to predict"
        )
    elif column.fits(NUMBER) and not column.has_leading_zeros:
        return _draft_number(column, notes)
    elif column.is_date:
        return _draft_date(column, notes)
    elif column.fits(BOOLEAN):
        return {"type": "boolean", **missing}
    elif column.words >= WORDS_OF_TEXT and len(column.values) > MOST_CLOSED:
        longest = max(1000, 2 * column.longest)
        notes.append(f"text: {name!r} has {column.words:.0f} words on average ({column.examples}); words are counted")
        return {"type": "text", "max_length": longest, **missing}
    elif len(column.values) <= MOST_CLOSED:
        notes.extend(_note_nulls(column))
        return {"type": "category", "values": sorted(column.values.to_pylist()), **missing}
    elif column.longest > LONGEST_VALUE:
        return {"type": "text", "max_length": 2 * column.longest, **missing}
    else:
        notes.extend(_note_nulls(column))
        notes.append(
            f"open category: {name!r} has {len(column.values)} different values ({column.examples}); new ones are "
            "accepted and reported; list them under `values` to reject others"
        )
        return {"type": "category", "open": True, **missing}
    return None


def _note_missing(column: TableColumn) -> Iterator[str]:
    for mark in column.dialect.missing:
        if count := pc.sum(pc.equal(column.texts, mark)).as_py():
            share = count / column.rows
            yield f"missing: {share:.1%} of {column.name!r} are {mark!r} ({count} rows); see source.missing"


def _note_nulls(column: TableColumn) -> Iterator[str]:
    """Yield a note if texts such as None count as missing, since they may be values of their own."""
    texts = column.texts.filter(pc.is_in(column.texts, pa.array(NULLS[1:])))
    if is_text(column.raw) and len(texts):
        found = ", ".join(map(repr, pc.unique(texts).to_pylist()))
        yield f"missing: {found} in {len(texts)} rows of {column.name!r}; list it under `values` if it is a value"


def _draft_number(column: TableColumn, notes: list[str]) -> dict[str, Any] | None:
    name, numbers = column.name, column.parse(NUMBER)
    present = numbers[~np.isnan(numbers)]
    broken = len(column.present) - len(present)
    if broken:
        pairs = zip(column.texts.to_pylist(), numbers, strict=True)
        bad = dict.fromkeys(text for text, number in pairs if text and np.isnan(number))
        shown = ", ".join(f"{text!r:.40}" for text in bad if text not in NULLS)
        notes.append(f"check: {broken} values of {name!r} are not numbers ({shown:.120}); their rows are rejected")
    sign = column.dialect.thousands
    if sign and is_text(column.raw):
        grouped = column.values.filter(pc.match_substring(column.values, sign))
        if len(grouped):
            notes.append(f"check: {grouped[0].as_py()!r} of {name!r} is read without {sign!r}, see source.thousands")
    if set(np.unique(present)) == {0.0, 1.0}:
        return {"type": "boolean", **column.missing}
    whole = bool((present == np.round(present)).all())
    if whole and np.abs(present).max() > INTEGER_MAX:
        notes.append(f"left out: {name!r} has integers beyond 2^53 ({column.examples}); an identifier? See keys")
        return None
    for sentinel in SENTINELS:
        count = int((present == sentinel).sum())
        others = present[present != sentinel]
        if count and len(others) and abs(sentinel - np.median(others)) > 3 * np.ptp(others):
            notes.append(
                f"check: {sentinel} in {count} rows of {name!r} is far from {others.min():g} to {others.max():g}: a "
                "missing code? Then add it to source.missing in config/default.yaml"
            )
    if bool(NAMED_ID.search(name)) and whole and len(column.values) > MOST_CLOSED:
        notes.append(
            f"check: {name!r} is named like a code ({column.examples}) and taken as a number; as names of things, "
            "write `type: category, open: true`"
        )
    low, high = float(present.min()), float(present.max())
    bounds = [int(low), int(high)] if whole else [low, high]
    return {"type": "integer" if whole else "number", "expected": bounds, **column.missing}


def _draft_date(column: TableColumn, notes: list[str]) -> dict[str, Any]:
    seconds = column.parse(MOMENT)
    present = seconds[~np.isnan(seconds)]
    broken = len(column.present) - len(present)
    if broken:
        notes.append(f"check: {broken} values of {column.name!r} are not dates; their rows are rejected")
    if form := column.dialect.dates.get(column.name):
        unsure = "; check whether the day or the month comes first" if "/" in form else ""
        notes.append(f"date: {column.name!r} ({column.examples}) is read as {form}, see source.dates{unsure}")
    return {"type": "date" if (present % 86400 == 0).all() else "datetime", **column.missing}


def _draft_target(
    column: TableColumn, problem: Problem | None, notes: list[str]
) -> tuple[dict[str, Any], dict[str, int]]:
    """Return the definition of the target, and the number of rows of each class, if it has classes.

    Raises:
        DataError: it can be neither a class nor a number.
    """
    name, absent = column.name, column.rows - len(column.present)
    if absent:
        notes.append(f"target: {absent} of {column.rows} rows have no {name!r}; they are left out of training")
    numeric = column.fits(NUMBER)
    if problem == "regression" and not numeric:
        raise DataError(f"the target {name!r} holds {column.examples}, expected numbers for a regression")
    if numeric and problem != "classification":
        numbers = column.parse(NUMBER)
        present = numbers[~np.isnan(numbers)]
        levels, counts = np.unique(present, return_counts=True)
        whole = bool((levels == np.round(levels)).all())
        few = whole and 1 < len(levels) <= MOST_CLASSES and counts.min() >= FEWEST_PER_CLASS
        if problem == "regression" or not few:
            notes.append(f"target: {name!r} is taken as a number; for classes, pass --problem classification")
            exact = whole and np.abs(levels).max() <= INTEGER_MAX
            return {"type": "integer" if exact else "number"}, {}
    found = {value: count for value, count in _count(column).items() if count > 1}
    notes.extend(_note_nulls(column))
    if numeric:
        notes.append(
            f"target: {name!r} has {len(found)} different integers, taken as classes; for a number, pass --problem "
            "regression"
        )
    if rare := [value for value in _count(column) if value not in found]:
        notes.append(f"target: {', '.join(map(repr, rare)):.80} occur once each; their rows are rejected")
    if not 1 < len(found) <= MOST_TEXT_CLASSES:
        raise DataError(
            f"the target {name!r} has {len(found)} different values ({column.examples}), expected numbers, or 2 to "
            f"{MOST_TEXT_CLASSES} classes with two rows or more"
        )
    if column.fits(BOOLEAN) and len(found) == 2:
        flags = column.parse(BOOLEAN)
        return {"type": "boolean"}, {"false": int((flags == 0).sum()), "true": int((flags == 1).sum())}
    values = sorted(found, key=_order)
    if len(values) == 2:  # the second is the positive one
        values.sort(key=lambda value: -found[value])
    return {"type": "category", "values": values}, found


def _count(column: TableColumn) -> Mapping[str, int]:
    counts = pc.value_counts(column.present)
    return dict(zip(counts.field("values").to_pylist(), counts.field("counts").to_pylist(), strict=True))


def _order(text: str) -> tuple[float, str]:
    try:
        return float(text), text
    except ValueError:
        return np.inf, text
