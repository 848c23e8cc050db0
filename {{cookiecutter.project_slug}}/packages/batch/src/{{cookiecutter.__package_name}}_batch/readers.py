"""Read CSV, Parquet and JSON Lines files of any size in batches; the error for a damaged file names it."""

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from pydantic_core import from_json, to_json

from {{ cookiecutter.__package_name }}_predict.errors import DataError

from .blocks import BYTES_PER_BLOCK, MOST_SHOWN, read_blocks
from .dialect import PLAIN, Dialect

LINES = (".jsonl", ".ndjson")  # https://jsonlines.org
SUFFIXES = (".csv", ".parquet", *LINES)
KINDS = f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
ROWS_PER_BATCH = 1 << 16


def table_suffix(name: str) -> str:
    """Return the suffix of a table's file name or address.

    Raises:
        DataError: it is none of CSV, Parquet and JSON Lines.
    """
    suffix = Path(name.partition("?")[0]).suffix.lower()
    if suffix not in SUFFIXES:
        raise DataError(f"{name} is not a table this program reads; expected a name that ends in {KINDS}")
    return suffix


def read_batches(
    file: IO[bytes], name: str, malformed: Callable[[str], None], dialect: Dialect = PLAIN
) -> Iterator[tuple[pa.RecordBatch, float]]:
    """Yield the batches of an open file, each with the share of the file that has been read.

    All CSV columns are read as text: the contract, not a guess from the first rows, defines what is a number.

    Args:
        file: the file, seekable.
        name: its name, whose suffix determines the format.
        malformed: called with a reason for each line that is skipped: of CSV, one with too many or too few columns, or
            of a value with line breaks where the dialect allows none; of JSON Lines, one that is not an object.
        dialect: how a CSV file is written; its values stay as they are (see `translate`).

    Raises:
        DataError: the file is damaged, empty, not in the dialect's encoding, or has two columns with the same name.
    """
    with readable(name):
        suffix = table_suffix(name)
        if suffix == ".csv":
            yield from _csv_batches(file, name, malformed, dialect)
        elif suffix in LINES:
            yield from _json_batches(file, malformed)
        else:
            yield from _parquet_batches(file, name)


@contextmanager
def readable(name: str) -> Iterator[None]:
    """Convert the errors that libraries raise for a damaged table into one that names it.

    Raises:
        DataError: the table is damaged or not in UTF-8.
    """
    try:
        yield
    except LookupError as error:
        raise DataError(f"source.encoding in config/default.yaml is unknown ({error}); expected, say, utf-8") from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"{name} cannot be decoded as {error.encoding} ({error.reason}); convert it to UTF-8, or set "
            "source.encoding"
        ) from error
    except (pa.ArrowException, csv.Error, OverflowError, OSError) as error:
        raise DataError(f"{name} cannot be read as a table: {error}; correct or fetch it again") from error


def _csv_batches(
    file: IO[bytes], name: str, malformed: Callable[[str], None], dialect: Dialect
) -> Iterator[tuple[pa.RecordBatch, float]]:
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    encoding = "utf-8-sig" if dialect.encoding == "utf-8" else dialect.encoding
    text = io.TextIOWrapper(file, encoding=encoding, newline="")
    header = next(csv.reader(text, delimiter=dialect.separator), [])
    text.detach()
    if not header or len(set(header)) < len(header):
        raise DataError(
            f"{name} has the header {header!s:.80}; expected a first line with the names of its columns, each once"
        )
    if not dialect.newlines and any(re.search(r"[\r\n]", column) for column in header):
        raise DataError(
            f"{name} has a line break in its header, {header!s:.80}; correct it, or allow them (source.newlines)"
        )
    file.seek(0)
    invalid = 0

    def skip(row: pa_csv.InvalidRow) -> str:
        nonlocal invalid
        invalid += 1
        for line in filter(None, re.split(r"[\r\n]", row.text)):
            malformed(f"found {row.actual_columns} columns, expected {row.expected_columns}: {line[:MOST_SHOWN]}")
        return "skip"

    parsing = pa_csv.ParseOptions(
        delimiter=dialect.separator, newlines_in_values=dialect.newlines, invalid_row_handler=skip
    )
    texts = pa_csv.ConvertOptions(column_types=dict.fromkeys(header, pa.string()), strings_can_be_null=False)
    named = False
    for block, rows in read_blocks(file, name, dialect, malformed):
        invalid = 0
        # the first block has the header; a block fits into memory twice
        reading = pa_csv.ReadOptions(
            use_threads=False, block_size=len(block) + 1, column_names=header if named else None
        )
        table = pa_csv.read_csv(pa.BufferReader(block), reading, parsing, texts)
        if (found := table.num_rows + invalid + (not named)) != rows:
            raise DataError(
                f"{name} has a part with {rows} rows, of which {found} were read; report this, with the file"
            )
        named = True
        for batch in table.combine_chunks().to_batches():
            yield batch, file.tell() / size


def _parquet_batches(file: IO[bytes], name: str) -> Iterator[tuple[pa.RecordBatch, float]]:
    reader = pq.ParquetFile(file, pre_buffer=False)
    names = reader.schema_arrow.names
    if len(set(names)) < len(names):
        raise DataError(f"{name} has two columns with the same name: {', '.join(names)}; rename one")
    done = 0
    for batch in reader.iter_batches(batch_size=ROWS_PER_BATCH):
        done += batch.num_rows
        yield batch, done / reader.metadata.num_rows


def _json_batches(file: IO[bytes], malformed: Callable[[str], None]) -> Iterator[tuple[pa.RecordBatch, float]]:
    """Yield the objects in the lines of a file; each batch has all names that came before it, too."""
    size, names = file.seek(0, io.SEEK_END), dict[str, None]()
    file.seek(0)
    while lines := file.readlines(BYTES_PER_BLOCK):
        rows = [row for row in (_read_object(line, malformed) for line in lines if line.strip()) if row is not None]
        for row in rows:
            names.update(dict.fromkeys(row))
        if rows:
            columns = {name: _make_array([row.get(name) for row in rows]) for name in names}
            yield pa.RecordBatch.from_pydict(columns), file.tell() / size


def _read_object(line: bytes, malformed: Callable[[str], None]) -> dict[str, Any] | None:
    try:
        row = from_json(line)
    except ValueError:
        row = None
    if isinstance(row, dict):
        return row
    malformed(f"found no JSON object: {line.strip()[:MOST_SHOWN].decode(errors='replace')}")
    return None


def _make_array(values: Sequence[Any]) -> pa.Array:
    """Return JSON values as an array; where they are of several types, as texts."""
    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError):
        texts = [value if value is None or isinstance(value, str) else to_json(value).decode() for value in values]
        return pa.array(texts, pa.string())


def add_columns(batch: pa.RecordBatch, values: Mapping[str, str]) -> pa.RecordBatch:
    """Return a batch with further columns, each of which holds one value."""
    columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    added = {name: pa.array([value] * batch.num_rows, pa.string()) for name, value in values.items()}
    return pa.RecordBatch.from_pydict({**added, **columns}) if added else batch
