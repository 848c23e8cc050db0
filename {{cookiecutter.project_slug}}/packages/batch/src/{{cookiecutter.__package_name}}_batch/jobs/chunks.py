"""The parts of a source: frozen when a run starts, each small enough for memory and one transaction."""

import codecs
import io
import re
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Annotated, Literal, NamedTuple

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from {{ cookiecutter.__package_name }}_predict.errors import DataError
from {{ cookiecutter.__package_name }}_predict.fields import Spec

from ..addresses import hide_secrets
from ..blocks import count_rows, split_blocks
from ..databases import Connection, quote, quote_text
from ..dialect import Dialect
from ..locations import find_tables, open_table, read_partition, reading
from ..readers import LINES, add_columns, read_batches, readable, table_suffix

ROWS, BYTES = 100_000, 8 << 20  # of a chunk: at least, unless it is the last one
LINES_AT_ONCE = 1 << 20  # bytes
# of a file in fsspec: local, and in object stores
STATE = ("size", "mtime", "ETag", "etag", "LastModified", "last_modified", "updated", "md5Hash")
UTF_8 = re.compile("utf[-_]?8", re.IGNORECASE)


class KeyRange(Spec):
    """The rows of a table whose keys are above `after`, and up to `upto`.

    Attributes:
        rows: how many there were when the run started.
    """

    kind: Literal["keys"] = "keys"
    after: int | str | None
    upto: int | str
    rows: int

    def select(self, columns: Iterable[str], table: str, key: str) -> str:
        """Return the query for the rows of a table that is called `source`, in the order of the key."""
        above = f"{quote(key)} > {_literal(self.after)} AND " if self.after is not None else ""
        where = f"{above}{quote(key)} <= {_literal(self.upto)}"
        return f"SELECT {', '.join(columns)} FROM {table} WHERE {where} ORDER BY source.{quote(key)}"


class FilePart(Spec):
    """A part of a file, from `start` up to `stop`, without it: row groups of Parquet, and bytes of other files.

    Attributes:
        whole: whether the file is read from its beginning to its end.
        state: what tells whether the file has changed since the run started.
    """

    kind: Literal["file"] = "file"
    name: str
    path: str
    start: int
    stop: int
    rows: int
    whole: bool = False
    state: str = ""


Chunk = Annotated[KeyRange | FilePart, Field(discriminator="kind")]


class Span(NamedTuple):
    """Where rows are, how many they are, and their size."""

    start: int
    stop: int
    rows: int
    size: int


def split_table(connection: Connection, table: str, key: str, *, unique: bool) -> list[Chunk]:
    """Return the chunks of a table.

    Args:
        connection: to its database.
        table: its name, or a query, called `source`, for a statement.
        key: the column whose values divide it.
        unique: whether an index makes sure that no value of the key occurs twice.

    Raises:
        DataError: the table has no rows, or the key has nulls, values that occur twice, or numbers with a fraction.
    """
    column = quote(key)
    as_text = "" if connection.database.file else "::text"
    total, present = connection.execute(f"SELECT count(*), count({column}) FROM {table}")[0]
    what = f"the key {key!r} in {connection.database.shown}"
    if not total:
        raise DataError(f"{table} in {connection.database.shown} has no rows; expected at least one to predict")
    if present < total:
        raise DataError(f"{what} is null in {total - present} rows; expected no nulls; choose another source.key")
    if not unique:
        count = f"SELECT {column} AS k, count(*) AS n FROM {table} GROUP BY {column} HAVING count(*) > 1 LIMIT 1"
        if found := connection.execute(f"SELECT k{as_text}, n FROM ({count}) AS counted"):
            raise DataError(
                f"{what} is {found[0][0]!r} in {found[0][1]} rows; expected unique values; choose another source.key"
            )
    numbered = f"SELECT {column} AS k, row_number() OVER (ORDER BY {column}) AS n FROM {table}"
    within = f"SELECT k{as_text} FROM ({numbered}) AS numbered WHERE n % {ROWS} = 0 ORDER BY n"
    ends = [end for (end,) in connection.execute(within)]
    if total % ROWS:
        last = f"SELECT {column} AS k FROM {table} ORDER BY {column} DESC LIMIT 1"
        ends += [end for (end,) in connection.execute(f"SELECT k{as_text} FROM ({last}) AS last")]
    if wrong := [end for end in ends if not isinstance(end, int | str)]:
        raise DataError(f"{what} has the value {wrong[0]!r}; expected integers or text; choose another source.key")
    sizes = [min(ROWS, total - start) for start in range(0, total, ROWS)]
    return [
        KeyRange(after=after, upto=upto, rows=rows)
        for after, upto, rows in zip([None, *ends], ends, sizes, strict=False)
    ]


def split_files(address: str, dialect: Dialect) -> tuple[list[Chunk], pa.Schema]:
    """Return the chunks of a source of files, and the columns of its first rows.

    Raises:
        DataError: a file cannot be read, or there is no row.
    """
    filesystem, tables = find_tables(address)
    chunks = list[Chunk]()
    for name, path in tables.items():
        with reading(address), open_table(filesystem, path) as file, readable(name):
            state = read_state(filesystem, path)
            chunks += [part.model_copy(update={"state": state}) for part in split_file(file, name, path, dialect)]
    first = next((chunk for chunk in chunks if isinstance(chunk, FilePart)), None)
    if first is None:
        raise DataError(f"{hide_secrets(address)} has no rows; expected at least one to predict")
    batch = next(read_part(filesystem, first, dialect, lambda _: None), None)
    return chunks, batch.schema if batch else pa.schema([])


def split_file(file: IO[bytes], name: str, path: str, dialect: Dialect) -> Iterator[FilePart]:
    """Yield the parts of an open file that have rows."""
    suffix, header = table_suffix(name), read_header(file)
    if suffix == ".parquet":
        spans = _join(_measure_groups(file), ROWS)
    elif suffix in LINES:
        spans = _join(_measure_lines(file), BYTES)
    elif UTF_8.fullmatch(dialect.encoding) and header.count(b'"') % 2 == 0:
        spans = _join(_measure_rows(file, name, dialect, header), BYTES)
    else:  # row offsets are unknown, or the header has a line break in a value
        rows = sum(span.rows for span in _measure_rows(file, name, dialect, header))
        spans = iter([Span(0, file.seek(0, io.SEEK_END), rows, 0)])
    for span in spans:
        if span.rows:
            whole = suffix == ".csv" and span.start == 0
            yield FilePart(name=name, path=path, start=span.start, stop=span.stop, rows=span.rows, whole=whole)


def read_part(
    filesystem: fsspec.AbstractFileSystem, part: FilePart, dialect: Dialect, malformed: Callable[[str], None]
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a part of a file, with the columns that its folders stand for (see `read_batches`).

    Raises:
        DataError: the file cannot be read, or has changed since the run started.
    """
    partition = read_partition(part.name)
    with reading(part.path):
        if read_state(filesystem, part.path) != part.state:
            raise DataError(
                f"{part.name} has changed since the run started; restore it, or abandon the run with --restart"
            )
    with reading(part.path), open_table(filesystem, part.path) as file, readable(part.name):
        if table_suffix(part.name) == ".parquet":
            batches = pq.ParquetFile(file, pre_buffer=False).iter_batches(row_groups=range(part.start, part.stop))
        else:
            content = file if part.whole else _cut(file, part)
            batches = (batch for batch, _ in read_batches(content, part.name, malformed, dialect))
        for batch in batches:
            yield add_columns(batch, partition)


def read_state(filesystem: fsspec.AbstractFileSystem, path: str) -> str:
    """Return what a file system says of the size and the version of a file."""
    filesystem.invalidate_cache()
    info = filesystem.info(path)
    return "-".join(str(info[name]) for name in STATE if info.get(name) is not None)


def read_header(file: IO[bytes]) -> bytes:
    """Return the first line of an open file with its line break."""
    file.seek(0)
    line = file.readline(BYTES)
    returned = line.find(b"\r")
    return line if returned in (-1, len(line) - 2) else line[: returned + 1]


def _cut(file: IO[bytes], part: FilePart) -> IO[bytes]:
    header = read_header(file) if table_suffix(part.name) == ".csv" else b""
    file.seek(part.start)
    return io.BytesIO(header + file.read(part.stop - part.start))


def _measure_groups(file: IO[bytes]) -> Iterator[Span]:
    metadata = pq.ParquetFile(file).metadata
    for index in range(metadata.num_row_groups):
        rows = metadata.row_group(index).num_rows
        yield Span(index, index + 1, rows, rows)


def _measure_lines(file: IO[bytes]) -> Iterator[Span]:
    start = file.seek(0)
    while lines := file.readlines(LINES_AT_ONCE):
        size = sum(map(len, lines))
        yield Span(start, start + size, sum(not line.isspace() for line in lines), size)
        start += size


def _measure_rows(file: IO[bytes], name: str, dialect: Dialect, header: bytes) -> Iterator[Span]:
    """Yield the blocks of rows after the header of a CSV file; their places are right if it is in UTF-8."""
    file.seek(0)
    start, after = len(codecs.BOM_UTF8) if header.startswith(codecs.BOM_UTF8) else 0, len(header)
    for rows, values in split_blocks(file, name, dialect):
        stop, count = start + len(rows), count_rows(rows, values if dialect.newlines else [])
        if start < after:
            start, count = after, count - 1
        yield Span(start, stop, count, stop - start)
        start = stop


def _join(spans: Iterable[Span], size: int) -> Iterator[Span]:
    """Join spans that follow each other until they have a size."""
    joined: Span | None = None
    for span in spans:
        joined = Span(joined.start, span.stop, joined.rows + span.rows, joined.size + span.size) if joined else span
        if joined.size >= size:
            yield joined
            joined = None
    if joined:
        yield joined


def _literal(value: int | str) -> str:
    return str(value) if isinstance(value, int) else quote_text(value)
