"""A CSV file of rejected rows: the source and number of each, the reason, and its values that are not sensitive.

A row's number counts the well-formed rows of its file; a malformed line has no number.
"""

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv

from {{ cookiecutter.__package_name }}_predict.atomic import whole_file
from {{ cookiecutter.__package_name }}_predict.errors import DataError

from .tables import Checked, Fields, as_texts

MANY = 1000  # rows


class Rejects:
    """The rejected rows, written as they are found.

    Attributes:
        count: how many there are.
        first: the source, number and reason of the first one.
        fields: how many values of each field were invalid.
    """

    def __init__(self, writer: pa_csv.CSVWriter, schema: pa.Schema, *, show_lines: bool) -> None:
        """Write to an open CSV writer; of malformed lines, the reason alone or the beginning as well."""
        self._show_lines = show_lines
        self.count = 0
        self.first = ""
        self.fields = Counter[str]()
        self._writer = writer
        self._schema = schema
        self._malformed = deque[str]()  # thread-safe: swapping a list for an empty one could lose lines

    def add_malformed(self, reason: str) -> None:
        """Keep a malformed line; the reader calls this, from its own thread."""
        self._malformed.append(reason if self._show_lines else reason.partition(": ")[0])

    def write(self, source: str, batch: pa.RecordBatch, checked: Checked, rows_before: int) -> None:
        """Write the malformed lines found since the last call, and the rejected rows of a batch.

        Args:
            source: the name of the file they come from.
            batch: the rows.
            checked: the result of checking them.
            rows_before: how many rows of the source precede the batch.

        Raises:
            DataError: the source begins with many rows in none of which a field is valid: one sentence says more than
                a line for each row.
        """
        self.write_malformed(source)
        self.fields.update(checked.refused)
        if not rows_before and batch.num_rows >= MANY:
            for name in (name for name, count in checked.refused.items() if count == batch.num_rows):
                raise DataError(
                    f"{source}: {name} is invalid in each of the first {batch.num_rows} rows; the first: "
                    f"{checked.reasons[0]}; correct the column, or what schema.yaml says of it"
                )
        if indices := sorted(checked.reasons):
            bad = batch.take(pa.array(indices))
            reasons = [checked.reasons[index] for index in indices]
            values = {name: as_texts(bad.column(name)) for name in self._schema.names[3:]}
            self._write(source, [rows_before + index + 1 for index in indices], reasons, values)

    def write_malformed(self, source: str) -> None:
        """Write the malformed lines found since the last call; their row number is empty."""
        reasons = [self._malformed.popleft() for _ in range(len(self._malformed))]
        if reasons:
            empty = pa.nulls(len(reasons), pa.string())
            self._write(source, [None] * len(reasons), reasons, dict.fromkeys(self._schema.names[3:], empty))

    def _write(self, source: str, rows: Sequence[int | None], reasons: list[str], values: dict[str, pa.Array]) -> None:
        places = {"rejected_from": [source] * len(rows), "rejected_row": rows, "rejected_because": reasons}
        self._writer.write_table(pa.table({**places, **values}, schema=self._schema))
        self.first = self.first or f"{source}, row {rows[0] or '?'}: {reasons[0]}"
        self.count += len(rows)


@contextmanager
def rejects_file(path: Path, fields: Fields) -> Iterator[Rejects]:
    """Yield the rejects, which are written to `path` if the block succeeds.

    After the source and the reason, the file has the columns of the fields that are not sensitive.

    Raises:
        DataError: the file cannot be written.
    """
    texts = [(name, pa.string()) for name, field in fields.items() if not field.sensitive]
    places = [("rejected_from", pa.string()), ("rejected_row", pa.int64()), ("rejected_because", pa.string())]
    schema = pa.schema([*places, *texts])
    with whole_file(path) as file, pa_csv.CSVWriter(file, schema) as writer:
        yield Rejects(writer, schema, show_lines=len(texts) == len(fields))
