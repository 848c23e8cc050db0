"""Find out how a CSV file is written, from its first rows."""

import codecs
import csv
from collections import Counter
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from {{ cookiecutter.__package_name }}_batch.dialect import Dialect, parse_dates, translate_numbers
from {{ cookiecutter.__package_name }}_batch.readers import read_batches, readable, table_suffix
from {{ cookiecutter.__package_name }}_batch.tables import NULLS
from {{ cookiecutter.__package_name }}_predict.errors import DataError

SEPARATORS = (",", ";", "\t", "|")
MARKS = ("?", "-", "--", ".", "n/a", "#N/A", "\\N", "none", "unknown")  # texts that may stand for a missing value
DATES = (
    "%d.%m.%Y",
    "%d.%m.%Y %H:%M",
    "%d.%m.%Y %H:%M:%S",
    "%m/%d/%Y",
    "%m/%d/%Y %H:%M",
    "%m/%d/%Y %H:%M:%S",
    "%d/%m/%Y",
    "%d/%m/%Y %H:%M",
    "%d/%m/%Y %H:%M:%S",
    "%d.%m.%y",
    "%m/%d/%y",
    "%m/%d/%y %H:%M",
    "%d/%m/%y",
    "%d/%m/%y %H:%M",
    "%Y/%m/%d",
    "%Y/%m/%d %H:%M:%S",
    "%d-%b-%Y",
    "%d %b %Y",
)
BYTES, ROWS = 1 << 18, 10_000
MOST = 0.9  # of the present values, to say what a column holds
NUMBER = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*%?\s*$"
COMMA_DECIMAL = r"^\s*[+-]?\d+(\.\d\d\d)*,\d+\s*%?\s*$"
GROUPED = {
    ",": r"^\s*[+-]?[1-9]\d?\d?(,\d\d\d)+(\.\d+)?\s*%?\s*$",
    ".": r"^\s*[+-]?[1-9]\d?\d?(\.\d\d\d)+(,\d+)?\s*%?\s*$",
}


def read_source(path: Path, dialect: Dialect) -> pa.Table:
    """Return a table of CSV or Parquet.

    Raises:
        DataError: it cannot be read, or has no rows.
    """
    table_suffix(path.name)
    try:
        file = path.open("rb")
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); expected a CSV or Parquet file") from error
    with file, readable(path.name):
        batches = [batch for batch, _ in read_batches(file, path.name, lambda _: None, dialect) if batch.num_rows]
    if not batches:
        raise DataError(f"{path} has no rows; expected at least one")
    return pa.Table.from_batches(batches).combine_chunks()


def detect_dialect(path: Path) -> Dialect:
    """Return how a CSV file is written; settings that its first rows do not reveal keep their defaults.

    Raises:
        DataError: the file cannot be read.
    """
    if table_suffix(path.name) != ".csv":
        return Dialect()
    try:
        with path.open("rb") as file:
            head = file.read(BYTES)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); expected a CSV or Parquet file") from error
    encoding = _find_encoding(head)
    text = head.decode("utf-8-sig" if encoding == "utf-8" else encoding, errors="ignore")
    dialect = Dialect(encoding=encoding, separator=_find_separator(text), newlines=True)
    table = read_source(path, dialect)
    newlines = any(pc.any(pc.match_substring_regex(column, r"[\r\n]")).as_py() for column in table.columns)
    columns = [column.slice(0, ROWS).combine_chunks() for column in table.columns]
    missing = tuple(mark for mark in MARKS if any(_is_mark(column, mark) for column in columns))
    plain = [_present(column, missing) for column in columns]
    decimal: Literal[".", ","] = "," if any(_has_comma_decimals(column, dialect.separator) for column in plain) else "."
    thousands = next(
        (sign for sign in GROUPED if sign != decimal and any(_has_groups(c, sign, decimal) for c in plain)), None
    )
    dates = {
        name: form
        for name, column in zip(table.column_names, plain, strict=True)
        if (form := find_format(column)) is not None
    }
    found = {"decimal": decimal, "thousands": thousands, "missing": missing, "dates": dates, "newlines": newlines}
    return dialect.model_copy(update=found)


def find_format(column: pa.Array) -> str | None:
    """Return the format in which most texts of a column are dates; None for ISO 8601, and if they are no dates."""
    if not len(column) or not pc.any(pc.match_substring_regex(column, r"\d[/.\s-]")).as_py():
        return None
    best = max(DATES, key=lambda form: _share_of_dates(column, form))
    return best if _share_of_dates(column, best) > MOST else None


def _find_encoding(head: bytes) -> str:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        return "utf-8" if error.start > len(head) - 4 else "cp1252"  # the last character may be cut
    return "utf-8"


def _find_separator(text: str) -> str:
    """Return the separator that gives most lines the same number of columns, and the most of them."""
    lines = text.splitlines(keepends=True)[:200]

    def score(separator: str) -> tuple[float, int]:
        try:
            counts = Counter(len(row) for row in csv.reader(lines, delimiter=separator) if row)
        except csv.Error:  # such as a value of more than 128 KiB
            return 0.0, 0
        width, rows = counts.most_common(1)[0] if counts else (0, 0)
        return (rows / max(1, counts.total()) if width > 1 else 0.0), width

    return max(SEPARATORS, key=score)


def _present(column: pa.Array, missing: tuple[str, ...]) -> pa.Array:
    return column.filter(pc.invert(pc.is_in(column, pa.array([*NULLS, *missing]))))


def _is_mark(column: pa.Array, mark: str) -> bool:
    """Return whether a text stands for a missing value: most other values are numbers, or it has no other meaning."""
    count = pc.sum(pc.equal(column, mark)).as_py() or 0
    if not count:
        return False
    others = _present(column, MARKS)
    return bool(_share(others, NUMBER) > MOST or (mark in ("?", "#N/A", "\\N") and count < len(column)))


def _has_comma_decimals(column: pa.Array, separator: str) -> bool:
    """Return whether a comma stands before the fraction of numbers, rather than between groups of three digits."""
    grouped = separator == "," and _share(column, GROUPED[","]) > 1 - MOST
    return _share(column, COMMA_DECIMAL) > MOST and not grouped


def _has_groups(column: pa.Array, sign: str, decimal: str) -> bool:
    grouped = _share(column, GROUPED[sign])
    kind = Dialect(decimal="," if decimal == "," else ".", thousands="," if sign == "," else ".")
    return grouped > 0 and _share(column, NUMBER) < 1 and _share(translate_numbers(column, kind), NUMBER) > MOST


def _share(column: pa.Array, pattern: str) -> float:
    return pc.mean(pc.match_substring_regex(column, pattern)).as_py() or 0.0 if len(column) else 0.0


def _share_of_dates(column: pa.Array, form: str) -> float:
    return float(pc.mean(pc.is_valid(parse_dates(column.slice(0, 1000), form))).as_py())
