"""How a run reports: a progress bar and a summary for people, lines of JSON or a file for machines."""

import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from prometheus_client import CollectorRegistry, Gauge, write_to_textfile
from pydantic_core import to_json
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from {{ cookiecutter.__package_name }}_predict.errors import DataError

from .manifest import Manifest

SENTENCES = {
    "already_finished": "{run} has already finished, with {rows} rows; there is nothing to do",
    "resumed_earlier": "{run} is unfinished; it is completed first, with the model it started with",
    "resumed": "resuming {run}, with the model it started with",
    "abandoned": "abandoning the unfinished {run}",
    "source_changed": (
        "{run}: at least {rows} rows were added or removed while the source was read; for a database, set source.copy "
        "to read a snapshot"
    ),
}


class TerminalReport:
    """Shows a progress bar with the rows a second."""

    def __init__(self) -> None:
        """Write to standard error."""
        self._console = Console(stderr=True)
        speed = TextColumn("{task.fields[speed]}")
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            speed,
            TimeRemainingColumn(),
            console=self._console,
        )
        self._task: TaskID | None = None
        self._began, self._rows = time.monotonic(), 0

    def event(self, name: str, **values: object) -> None:
        """Print a sentence."""
        self._console.print(SENTENCES[name].format(**values), highlight=False, markup=False, soft_wrap=True)

    def start(self, manifest: Manifest, done: int) -> None:
        """Show the bar."""
        self.stop()
        self._began, self._rows = time.monotonic(), 0
        self._progress.start()
        self._task = self._progress.add_task(manifest.run_id, total=manifest.rows, completed=done, speed="")

    def advance(self, rows: int) -> None:
        """Move the bar."""
        self._rows += rows
        if self._task is not None:
            speed = f"{self._rows / max(time.monotonic() - self._began, 1e-9):,.0f} rows/s"
            self._progress.update(self._task, advance=rows, speed=speed)

    def stop(self) -> None:
        """Remove the bar."""
        if self._task is not None:
            self._progress.stop()
            self._progress.remove_task(self._task)
            self._task = None

    def end(self, manifest: Manifest, sink: str, seconds: float) -> None:
        """Print how many rows were predicted and rejected."""
        self.stop()
        self._console.print(summarize(manifest, sink, seconds), highlight=False, markup=False, soft_wrap=True)


class JsonReport:
    """Writes a line of JSON for each event."""

    def __init__(self, stream: IO[str] | None = None) -> None:
        """Write to a stream, by default standard error."""
        self._stream = stream or sys.stderr
        self._total, self._done = 0, 0

    def event(self, name: str, **values: object) -> None:
        """Write a line."""
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self._stream.write(to_json({"event": name, "timestamp": at, **values}).decode() + "\n")
        self._stream.flush()

    def start(self, manifest: Manifest, done: int) -> None:
        """Write how many rows there are, and how many are done."""
        self._total, self._done = manifest.rows, done
        self.event("started", run=manifest.run_id, rows=manifest.rows, done=done, model_version=manifest.model_version)

    def advance(self, rows: int) -> None:
        """Write how many rows are done."""
        self._done += rows
        self.event("progress", done=self._done, rows=self._total)

    def stop(self) -> None:
        """Do nothing."""

    def end(self, manifest: Manifest, sink: str, seconds: float) -> None:
        """Write how many rows were predicted and rejected."""
        counts = manifest.counts
        self.event(
            "finished",
            run=manifest.run_id,
            sink=sink,
            predicted=counts.scored,
            rejected=counts.rejected,
            seconds=round(seconds, 3),
            model_version=manifest.model_version,
        )


def summarize(manifest: Manifest, sink: str, seconds: float) -> str:
    """Return how many rows of a run were predicted and rejected, in a sentence."""
    counts = manifest.counts
    total = counts.scored + counts.rejected
    return (
        f"{manifest.run_id}: {counts.scored:,} of {total:,} rows predicted, {counts.rejected:,} rejected, "
        f"in {seconds:.1f} s ({total / max(seconds, 1e-9):,.0f} rows/s), with model {manifest.model_version}; {sink}"
    )


def write_metrics(path: Path, job: str, manifest: Manifest | None, seconds: float) -> None:
    """Write a file for the textfile collector of Prometheus' node exporter.

    Args:
        path: the file, whose name ends in `.prom`; it appears whole.
        job: the name of the job.
        manifest: the run that finished; None if it failed.
        seconds: how long it took.

    Raises:
        DataError: the file cannot be written.
    """
    registry, labels = CollectorRegistry(), {"job_name": job}

    def gauge(name: str, text: str, value: float) -> None:
        Gauge(f"score_{name}", text, list(labels), registry=registry).labels(**labels).set(value)

    gauge("success", "Whether the last run finished.", float(manifest is not None))
    gauge("end_time_seconds", "When the last run ended, since 1970.", time.time())
    gauge("duration_seconds", "How long the last run took.", seconds)
    if manifest:
        gauge("rows_predicted", "Rows that the last run predicted.", manifest.counts.scored)
        gauge("rows_rejected", "Rows that the last run rejected.", manifest.counts.rejected)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_to_textfile(str(path), registry)
    except OSError as error:
        raise DataError(f"{path} could not be written ({error}); correct textfile of the job") from error
