"""The unit of work: a chunk is read, checked, scored and written."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import fsspec
import pyarrow as pa

from {{ cookiecutter.__package_name }}_predict.errors import DataError, list_names
from {{ cookiecutter.__package_name }}_predict.model import Model

from ..databases import Connection
from ..dialect import translate
from ..readers import LINES, readable, table_suffix
from ..tables import check_batch
from .chunks import FilePart, KeyRange, read_part
from .database_store import DatabaseStore
from .file_store import FileStore
from .manifest import Counts, Manifest
from .patience import patiently
from .results import check_keys, make_malformed, make_rejected, make_result, plan_rejected, read_keys
from .settings import Job
from .stores import Store

ROWS_AT_ONCE = 1 << 16


@dataclass(frozen=True)
class Work:
    """What a process needs to score chunks of a run; the rest is in the sink."""

    job: Job
    run_id: str


def open_store(job: Job) -> Store:
    """Return the sink of a job; nothing is opened yet."""
    return DatabaseStore(job) if job.sink.database else FileStore(job)


class Worker:
    """Scores chunks, one after the other; keeps its model and its connections."""

    def __init__(self, work: Work) -> None:
        """Load the manifest and the model of a run.

        Raises:
            DataError: the run is not in the sink.
        """
        self._job, self._store = work.job, open_store(work.job)
        self._source: Connection | None = None
        manifest = patiently(lambda: self._store.find(work.run_id), self.close)
        if manifest is None:
            raise DataError(f"{work.run_id} is not in {work.job.sink.shown} any more; start it anew")
        self._manifest: Manifest = manifest
        content = patiently(lambda: self._store.read_model(work.run_id), self.close)
        self._model = Model.parse(content, Path(f"the model of {work.run_id}"))

    def score(self, number: int) -> Counts:
        """Score a chunk, and return its counts.

        Raises:
            DataError: the chunk cannot be read or written.
        """
        return patiently(lambda: self._score(number), self.close)

    def close(self) -> None:
        """Close the connections."""
        self._store.close()
        if self._source is not None:
            self._source.close()
            self._source = None

    def _score(self, number: int) -> Counts:
        chunk, run_id, keys = self._manifest.chunks[number], self._manifest.run_id, self._manifest.keys
        counts, malformed, read = Counts(), list[str](), 0
        schema, contract = self._manifest.schema, self._model.contract
        results, rejected = list[pa.Table](), list[pa.Table]()
        name = chunk.name if isinstance(chunk, FilePart) else self._job.source.shown
        for batch in self._read(chunk, malformed):
            with readable(name):
                read += batch.num_rows
                translated = translate(batch, contract.features, self._job.source.dialect)
                checked = check_batch(translated, contract.features, name)
                found = read_keys(batch, schema, keys)
                check_keys(checked, found, batch)
                results.append(make_result(self._model, checked, found, schema, run_id, self._manifest.started_at))
                rejected.append(make_rejected(contract, batch, checked, keys, run_id, name))
            first = f"{name}: {next(iter(checked.reasons.values()))}" if checked.reasons else ""
            invalid = {field: count for field, count in checked.refused.items() if count}
            counts.add(Counts(results[-1].num_rows, rejected[-1].num_rows, 0, first, invalid))
        if malformed:
            reasons = [reason.partition(": ")[0] for reason in malformed] if contract.sensitive else malformed
            rejected.append(make_malformed(reasons, keys, run_id, name))
            counts.add(Counts(rejected=len(malformed), first=f"{name}: {reasons[0]}"))
        counts.changed = abs(read + len(malformed) - chunk.rows)
        result = pa.concat_tables([schema.empty_table(), *results])
        return self._store.write(
            self._manifest, number, result, pa.concat_tables([plan_rejected(keys).empty_table(), *rejected]), counts
        )

    def _read(self, chunk: FilePart | KeyRange, malformed: list[str]) -> Iterator[pa.RecordBatch]:
        source = self._job.source
        if isinstance(chunk, FilePart):
            filesystem, _ = fsspec.url_to_fs(source.address)
            for batch in read_part(filesystem, chunk, source.dialect, malformed.append):
                yield self._complete(_without_views(batch), chunk)
            return
        if source.database is None or self._manifest.key is None:
            raise DataError(
                f"{source.shown} is no longer a database; restore the job's source, or abandon the run with --restart"
            )
        if self._source is None:
            self._source = Connection.open(source.database)
        statement = chunk.select(self._manifest.columns.values(), self._manifest.table, self._manifest.key)
        table = self._source.read(statement).combine_chunks()
        yield from table.to_batches(max_chunksize=ROWS_AT_ONCE)

    def _complete(self, batch: pa.RecordBatch, chunk: FilePart) -> pa.RecordBatch:
        """Return the columns that the run reads; JSON leaves out what is null in all rows."""
        wanted = list(self._manifest.columns)
        if not (absent := [name for name in wanted if name not in batch.schema.names]):
            return batch.select(wanted)
        if table_suffix(chunk.name) not in LINES:
            raise DataError(f"column {absent[0]!r} is missing from {chunk.name}; expected: {list_names(wanted)}")
        given = {name: batch.column(name) for name in wanted if name not in absent}
        return pa.RecordBatch.from_pydict(given | {name: pa.nulls(batch.num_rows) for name in absent})


def _without_views(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return a batch with strings that all functions of Arrow can read."""
    if not any(pa.types.is_string_view(kind) for kind in batch.schema.types):
        return batch
    columns = [column.cast(pa.string()) if pa.types.is_string_view(column.type) else column for column in batch.columns]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)
