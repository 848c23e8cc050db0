"""Write tables to open files: CSV, Parquet or JSON Lines."""

from collections.abc import Iterator
from typing import IO, Self

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from pydantic_core import to_json

from {{ cookiecutter.__package_name }}_predict.errors import DataError

from .readers import LINES, table_suffix

ROWS_AT_ONCE = 10_000


class LinesWriter:
    """Writes rows as lines of JSON, as the writers of Arrow write theirs."""

    def __init__(self, file: IO[bytes]) -> None:
        """Write to an open file."""
        self._file = file

    def __enter__(self) -> Self:
        """Return the writer."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the file open."""

    def write(self, table: pa.Table | pa.RecordBatch) -> None:
        """Write rows; times are in ISO 8601."""
        for start in range(0, table.num_rows, ROWS_AT_ONCE):
            self._file.writelines(self._make_lines(table.slice(start, ROWS_AT_ONCE)))

    @staticmethod
    def _make_lines(table: pa.Table | pa.RecordBatch) -> Iterator[bytes]:
        for row in table.to_pylist():
            yield to_json(row, inf_nan_mode="null") + b"\n"


def open_writer(file: IO[bytes], name: str, schema: pa.Schema) -> pa_csv.CSVWriter | pq.ParquetWriter | LinesWriter:
    """Return a writer for an open file; the suffix of its name says which.

    Raises:
        DataError: the suffix is unknown, or CSV cannot hold a column.
    """
    suffix = table_suffix(name)
    if suffix == ".parquet":
        return pq.ParquetWriter(file, schema)
    if suffix in LINES:
        return LinesWriter(file)
    if nested := [field.name for field in schema if pa.types.is_nested(field.type)]:
        raise DataError(f"{name} cannot hold the nested column {nested[0]!r}; name an output that ends in .parquet")
    return pa_csv.CSVWriter(file, schema)
