"""Draft a contract from a table, for a person to review: what each column is, and why."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import yaml

from {{ cookiecutter.__package_name }}_batch.dialect import Dialect, translate
from {{ cookiecutter.__package_name }}_batch.tables import NULLS, check_batch, is_text
from {{ cookiecutter.__package_name }}_predict.contract import Contract
from {{ cookiecutter.__package_name }}_predict.errors import DataError
from {{ cookiecutter.__package_name }}_predict.fields import (
    INTEGER_MAX,
    LONGEST_VALUE,
    AnyField,
    Boolean,
    Date,
    Number,
)
from {{ cookiecutter.__package_name }}_predict.yamlfile import parse_yaml

from .detect import detect_dialect, read_source

Problem = Literal["classification", "regression"]
MOST_CLOSED = 20  # different values of a category that are listed; with more, it is open
MOST_CLASSES, FEWEST_PER_CLASS = 20, 10
MOST_TEXT_CLASSES = 100
MOST_BROKEN = 0.1  # share of the present values; above it, a column is not of that kind
WORDS_OF_TEXT = 4  # on average, from which on a column holds texts
SENTINELS = (-999999, -99999, -9999, -999, -99, 999, 9999, 99999, 999999)
NAMED_ID = re.compile(r"(^|[_\s.])(id|no|nr|key|index|uuid|number|code)\.?$|id_str$|Id$", re.IGNORECASE)
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
            raise DataError(f"{source} has no column {name!r}; expected one of {', '.join(table.column_names)}")
    columns = {name: _Column(name, table.column(name), dialect) for name in table.column_names}
    notes = list[str]()
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
    keys = {kind: keys[kind] for kind in ("id", "time", "group") if kind in keys}
    if not features:
        raise DataError(f"{source}: apart from the target, no column can be a feature: {'; '.join(notes)}")
    draft = Draft(source.name, table.num_rows, {target: goal}, features, keys, notes, dialect, counts)
    parse_yaml(str(draft), f"the draft from {source}", Contract)
    return draft


class _Column:
    """A column of a table, and what its values look like."""

    def __init__(self, name: str, column: pa.ChunkedArray, dialect: Dialect) -> None:
        self.name, self.dialect = name, dialect
        self.raw = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        if pa.types.is_dictionary(self.raw.type):
            self.raw = self.raw.dictionary_decode()
        self.rows = len(self.raw)
        self.nested = pa.types.is_nested(self.raw.type)
        self.texts = pa.nulls(self.rows, pa.string()) if self.nested else self.raw.cast(pa.string())
        marks = pa.array([*NULLS, *dialect.missing])
        marked = pc.fill_null(pc.is_in(self.texts, marks), fill_value=True)
        absent = pc.or_(pc.is_null(self.raw, nan_is_null=True), marked)
        self.present = self.texts.filter(pc.invert(absent))
        self.values = pc.unique(self.present)

    @property
    def missing(self) -> dict[str, bool]:
        return {"missing": True} if len(self.present) < self.rows else {}

    @property
    def examples(self) -> str:
        return ", ".join(f"{text!r:.40}" for text in self.values.slice(0, 3).to_pylist())

    @property
    def different(self) -> bool:
        return len(self.values) == len(self.present) > MOST_CLOSED

    def parse(self, kind: AnyField) -> npt.NDArray[np.float64]:
        """Return the numbers for the column as a kind of field; NaN where a value is missing or of another kind."""
        batch = pa.RecordBatch.from_arrays([self.raw], ["x"])
        found = check_batch(translate(batch, {"x": kind}, self.dialect), {"x": kind}, self.name)
        return np.asarray(found.columns["x"])

    def fits(self, kind: AnyField) -> bool:
        """Return whether most present values are of a kind."""
        parsed = int((~np.isnan(self.parse(kind))).sum()) if len(self.present) else 0
        return parsed > 0 and parsed >= (1 - MOST_BROKEN) * len(self.present)

    @property
    def is_date(self) -> bool:
        typed = pa.types.is_temporal(self.raw.type)
        return typed or (is_text(self.raw) and not self.fits(NUMBER) and self.fits(MOMENT))

    @property
    def has_leading_zeros(self) -> bool:
        """Whether numbers begin with a zero, as codes do: as numbers, they would lose it."""
        return bool(pc.any(pc.match_substring_regex(self.values, r"^0\d")).as_py())

    @property
    def is_identifier(self) -> bool:
        """Whether a value is different in each row, and is neither a measurement nor a text."""
        if not self.different or self.is_date or not self.name.strip():
            return False
        if self.fits(NUMBER) and not self.has_leading_zeros:
            numbers = self.parse(NUMBER)
            present = numbers[~np.isnan(numbers)]
            whole = bool((present == np.round(present)).all())
            counting = whole and present.max() - present.min() == len(present) - 1
            return whole and (counting or present.max() > INTEGER_MAX or bool(NAMED_ID.search(self.name)))
        return self.words < WORDS_OF_TEXT

    @property
    def words(self) -> float:
        """The mean number of words of the values."""
        sample = self.values.slice(0, 1000).to_pylist()
        return float(np.mean([len(text.split()) for text in sample])) if sample else 0.0


NUMBER = Number(type="number", missing=True)
MOMENT = Date(type="datetime", missing=True)
BOOLEAN = Boolean(type="boolean", missing=True)


def _draft_feature(column: _Column, notes: list[str]) -> dict[str, Any] | None:
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
        notes.append(f"left out: {name!r} is {column.examples} in each row")
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
        longest = max(1000, 2 * int(pc.max(pc.utf8_length(column.present)).as_py()))
        notes.append(f"text: {name!r} has {column.words:.0f} words on average ({column.examples}); words are counted")
        return {"type": "text", "max_length": longest, **missing}
    elif len(column.values) <= MOST_CLOSED:
        return {"type": "category", "values": sorted(column.values.to_pylist()), **missing}
    elif (longest := int(pc.max(pc.utf8_length(column.present)).as_py())) > LONGEST_VALUE:
        return {"type": "text", "max_length": 2 * longest, **missing}
    else:
        notes.append(
            f"open category: {name!r} has {len(column.values)} different values ({column.examples}); new ones are "
            "accepted and reported; list them under `values` to reject others"
        )
        return {"type": "category", "open": True, **missing}
    return None


def _note_missing(column: _Column) -> Iterator[str]:
    for mark in column.dialect.missing:
        if count := pc.sum(pc.equal(column.texts, mark)).as_py():
            share = count / column.rows
            yield f"missing: {share:.1%} of {column.name!r} are {mark!r} ({count} rows); see source.missing"


def _draft_number(column: _Column, notes: list[str]) -> dict[str, Any] | None:
    name, numbers = column.name, column.parse(NUMBER)
    present = numbers[~np.isnan(numbers)]
    broken = len(column.present) - len(present)
    if broken:
        pairs = zip(column.texts.to_pylist(), numbers, strict=True)
        bad = dict.fromkeys(text for text, number in pairs if text and np.isnan(number))
        shown = ", ".join(f"{text!r:.40}" for text in bad if text not in NULLS)
        notes.append(f"check: {broken} values of {name!r} are not numbers ({shown:.120}); their rows are rejected")
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


def _draft_date(column: _Column, notes: list[str]) -> dict[str, Any]:
    seconds = column.parse(MOMENT)
    present = seconds[~np.isnan(seconds)]
    broken = len(column.present) - len(present)
    if broken:
        notes.append(f"check: {broken} values of {column.name!r} are not dates; their rows are rejected")
    forms = [form for form in column.dialect.dates if "T" not in (column.values[0].as_py() or "")]
    if forms and not pa.types.is_temporal(column.raw.type):
        unsure = "; check whether the day or the month comes first" if any("/" in form for form in forms) else ""
        notes.append(f"date: {column.name!r} ({column.examples}), see source.dates {', '.join(forms)}{unsure}")
    return {"type": "date" if (present % 86400 == 0).all() else "datetime", **column.missing}


def _draft_target(column: _Column, problem: Problem | None, notes: list[str]) -> tuple[dict[str, Any], dict[str, int]]:
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
            return {"type": "integer" if whole else "number"}, {}
    found = {value: count for value, count in _count(column).items() if count > 1}
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


def _count(column: _Column) -> Mapping[str, int]:
    counts = pc.value_counts(column.present)
    return dict(zip(counts.field("values").to_pylist(), counts.field("counts").to_pylist(), strict=True))


def _order(text: str) -> tuple[float, str]:
    try:
        return float(text), text
    except ValueError:
        return np.inf, text
