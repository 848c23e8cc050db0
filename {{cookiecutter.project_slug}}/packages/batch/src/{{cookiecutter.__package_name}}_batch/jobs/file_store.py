"""A sink of files: a run writes a file for each chunk into a hidden folder, and shows them together.

The records of runs are in the folder `.runs` of a sink folder, or in `.NAME.runs` beside a sink file.
"""

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from tempfile import gettempdir
from zlib import crc32

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from {{ cookiecutter.__package_name }}_predict.errors import DataError

from ..dialect import Dialect
from ..readers import ROWS_PER_BATCH, read_batches
from .files import Folder, split_address, write_table
from .manifest import Counts, Manifest
from .results import plan_rejected
from .settings import Job
from .stores import lock_file, restore_types

MOST_RUNS = 100  # that are remembered
LINE_BREAKS = Dialect(newlines=True)  # as a run writes CSV


class FileStore:
    """The sink of a job in a file or a folder (see `Store`)."""

    def __init__(self, job: Job) -> None:
        """Use the sink of a job; nothing is written yet."""
        self._address, self._rejected = job.sink.address.rstrip("/"), job.rejected_place.address
        beside, name = split_address(self._address)
        self._target = Folder(self._address) if job.sink.is_folder else None
        self._runs = Folder(f"{self._address}/.runs" if job.sink.is_folder else f"{beside}/.{name}.runs")

    def close(self) -> None:
        """Do nothing: no file stays open."""

    def lock(self, job: str) -> AbstractContextManager[None]:
        """Keep other runs of a job on this machine out."""
        folder = self._runs.local or Path(gettempdir(), f"batch-{crc32(self._address.encode()):08x}")
        return lock_file(folder / f"{job}.lock", job)

    def check(self, manifest: Manifest) -> None:
        """Raise a DataError if there is something else where a run would write."""
        place = Path(self._address)
        if self._target is None and self._runs.local and place.is_dir():
            raise DataError(f"{place} is a folder, expected the name of a file to write; name another one")
        if self._target and self._target.list_names(manifest.run_id) and not self.find(manifest.run_id):
            raise DataError(
                f"{self._target.address}/{manifest.run_id} has files that no run has written; choose another --run-id"
            )

    def find(self, run_id: str) -> Manifest | None:
        """Return a run."""
        text = self._runs.read(f"{run_id}.json")
        return Manifest.model_validate_json(text) if text else None

    def list_runs(self, job: str | None = None) -> list[Manifest]:
        """Return the runs of a job, or of all jobs with this sink, newest first."""
        names = (name.removesuffix(".json") for name in self._runs.list_names() if name.endswith(".json"))
        runs = [run for run in map(self.find, names) if run and job in (None, run.job)]
        return sorted(runs, key=lambda run: (run.number, run.started_at), reverse=True)

    def begin(self, manifest: Manifest, model: bytes) -> None:
        """Record a run and its model."""
        self._clean()
        self._runs.remove(manifest.run_id)
        with self._runs.write(f"{manifest.run_id}/model.onnx") as file:
            file.write(model)
        self._record(manifest)

    def read_model(self, run_id: str) -> bytes:
        """Return the model of a run that is not finished."""
        found = self._runs.read(f"{run_id}/model.onnx")
        if found is None:
            raise DataError(f"{self._runs.address}/{run_id} has lost its model; start the run anew with --restart")
        return found

    def list_done(self, run_id: str) -> dict[int, Counts]:
        """Return the chunks that are written."""
        names = [name for name in self._runs.list_names(f"{run_id}/counts") if name.endswith(".json")]
        texts = {int(name.removesuffix(".json")): self._runs.read(f"{run_id}/counts/{name}") for name in names}
        return {number: Counts(**json.loads(text)) for number, text in texts.items() if text}

    def write(self, manifest: Manifest, number: int, result: pa.Table, rejected: pa.Table, counts: Counts) -> Counts:
        """Write the files of a chunk, and its counts last; a second time, they take the place of the first ones."""
        for kind, table in (("parts", result), ("rejected", rejected)):
            if table.num_rows:
                with self._runs.write(f"{manifest.run_id}/{kind}/{_name(number)}") as file:
                    pq.write_table(table, file)
        with self._runs.write(f"{manifest.run_id}/counts/{number}.json") as file:
            file.write(json.dumps(asdict(counts)).encode())
        return counts

    def publish(self, manifest: Manifest) -> None:
        """Move the parts into the sink's folder, or join them in its file, and record that the run is finished."""
        run_id = manifest.run_id
        if self._target is None:
            self._require_rows(manifest, self._runs, f"{run_id}/parts")
            write_table(self._address, self._read(manifest, "parts"), manifest.schema)
        elif self._count_rows(self._target, run_id) != manifest.counts.scored:  # unless a killed run had moved them
            self._require_rows(manifest, self._runs, f"{run_id}/parts")
            self._runs.remove_unfinished(f"{run_id}/parts")
            self._target.remove(run_id)
            self._runs.move(f"{run_id}/parts", self._target, run_id)
        if self._target and manifest.mode == "replace":
            for run in self.list_runs():
                if run.run_id != run_id and run.state != "running":
                    self._target.remove(run.run_id)
        self._publish_rejected(manifest)
        self._record(manifest)
        self._runs.remove(run_id)
        for run in self.list_runs()[MOST_RUNS:]:
            self._runs.remove(f"{run.run_id}.json")

    def _clean(self) -> None:
        """Remove what finished runs left when they were killed."""
        for name in self._runs.list_names():
            run = None if name.endswith((".json", ".lock")) else self.find(name)
            if run and run.state != "running":
                self._runs.remove(name)

    def fail(self, manifest: Manifest) -> None:
        """Publish the rejected rows of a run, and remove its other ones."""
        if self._target:
            self._target.remove(manifest.run_id)
        self._publish_rejected(manifest)
        self._record(manifest)
        self._runs.remove(manifest.run_id)

    def undo(self, manifest: Manifest) -> str:
        """Remove the files that a run has added."""
        if self._target is None or manifest.mode != "append":
            raise DataError(
                f"{manifest.run_id} has replaced the earlier result, which files do not keep; score the earlier source "
                "again, or use a database, which keeps earlier results"
            )
        self._target.remove(manifest.run_id)
        self._record(manifest.model_copy(update={"state": "undone"}))
        return f"the files of {manifest.run_id} are removed"

    def read_published(self, manifest: Manifest, most: int) -> pa.Table:
        """Return at most `most` rows of a finished run, drawn at random."""
        total, schema = manifest.counts.scored, manifest.schema
        chosen = np.sort(np.random.default_rng(0).permutation(total)[:most])
        folder, names = self._target, [] if self._target is None else self._target.list_names(manifest.run_id)
        found, before = list[pa.Table](), 0
        for table in self._read_parts(folder, manifest.run_id, names) if folder else self._read_file():
            inside = chosen[(chosen >= before) & (chosen < before + table.num_rows)] - before
            found.append(restore_types(table.take(pa.array(inside)).select(schema.names), schema))
            before += table.num_rows
        return pa.concat_tables(found) if found else schema.empty_table()

    def _read_file(self) -> Iterator[pa.Table]:
        folder, name = split_address(self._address)
        with Folder(folder).open(name) as file:
            for batch, _ in read_batches(file, name, lambda _: None, LINE_BREAKS):
                yield pa.Table.from_batches([batch])

    def _read(self, manifest: Manifest, kind: str) -> Iterator[pa.Table]:
        return self._read_parts(
            self._runs, f"{manifest.run_id}/{kind}", self._runs.list_names(f"{manifest.run_id}/{kind}")
        )

    @staticmethod
    def _read_parts(folder: Folder, place: str, names: list[str]) -> Iterator[pa.Table]:
        for name in names:
            with folder.open(f"{place}/{name}") as file:
                for batch in pq.ParquetFile(file, pre_buffer=False).iter_batches(batch_size=ROWS_PER_BATCH):
                    yield pa.Table.from_batches([batch])

    def _require_rows(self, manifest: Manifest, folder: Folder, place: str) -> None:
        """Raise a DataError unless the chunks of a run are all there."""
        rows = self._count_rows(folder, place)
        if rows != manifest.counts.scored:
            raise DataError(
                f"{folder.address}/{place} has {rows} rows, expected {manifest.counts.scored}: chunks are missing, or "
                "were written elsewhere; nothing is published; start the run anew with --restart"
            )

    @staticmethod
    def _count_rows(folder: Folder, place: str) -> int:
        rows = 0
        for name in folder.list_names(place):
            with folder.open(f"{place}/{name}") as file:
                rows += pq.ParquetFile(file).metadata.num_rows
        return rows

    def _publish_rejected(self, manifest: Manifest) -> None:
        write_table(self._rejected, self._read(manifest, "rejected"), plan_rejected(manifest.keys))

    def _record(self, manifest: Manifest) -> None:
        with self._runs.write(f"{manifest.run_id}.json") as file:
            file.write(manifest.model_dump_json(indent=1).encode())


def _name(number: int) -> str:
    return f"part-{number:06d}.parquet"
