"""Write predictions to the prediction log from a thread, so that no request waits for the database."""

import threading
import time
from collections import deque
from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog
from pydantic_core import to_json
from sqlalchemy import Engine, delete, select
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

from {{ cookiecutter.__package_name }}_records.prediction_log import (
    PREDICTIONS,
    connect,
    insert_predictions,
    prepare_table,
)
from {{ cookiecutter.__package_name }}_records.pseudonyms import conceal
from {{ cookiecutter.__package_name }}_records.settings import PredictionLogSettings

from .metrics import Metrics
from .periods import Entry, add_entries, delete_old, name_class

log = structlog.get_logger()
RETRY_SECONDS = 1.0
RETIRE_SECONDS, RETIRE_ROWS = 3600.0, 5000


class PredictionLogWriter:
    """A bounded queue, and a thread that writes it to the database.

    Predictions that do not fit into the queue are dropped and counted. While the database is unreachable, the thread
    keeps its batch and retries. Rows are written at least once: twice, if the connection breaks during a commit.
    """

    def __init__(self, settings: PredictionLogSettings, metrics: Metrics) -> None:
        """Prepare the writer; without a database address, it discards everything."""
        self._settings, self._metrics = settings, metrics
        self._queue: deque[Entry] = deque()
        self._put = self._taken = 0  # rows; only one thread changes each counter, so neither needs a lock
        self._wake, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="prediction-log", daemon=True)
        self._prepared = self._unreachable = False
        self._file: tuple[int, int] | None = None
        self._retire_at = 0.0
        self.engine = connect(settings.url) if settings.url else None

    def put(self, entry: Entry) -> None:
        """Queue an entry, or drop it if the queue is full; this never blocks."""
        if self.engine is None:
            return
        count = len(entry.rows)
        waiting = self._put - self._taken + count
        if waiting > self._settings.queue_rows:
            self._metrics.dropped.inc(count)
            return
        self._put += count
        self._queue.append(entry)
        if waiting >= self._settings.batch_rows:
            self._metrics.queued.set(waiting)
            self._wake.set()

    def start(self) -> None:
        """Start the thread."""
        if self.engine is not None:
            self._thread.start()

    def stop(self) -> None:
        """Try once to write what is queued, and stop the thread."""
        if self.engine is not None:
            self._stop.set()
            self._wake.set()
            self._thread.join()
            self.engine.dispose()

    def _run(self) -> None:
        batch: list[Entry] = []
        self._write(batch)  # writes nothing, but creates the table
        while not self._stop.is_set():
            self._wake.wait(self._settings.flush_seconds)
            self._wake.clear()
            self._write_all(batch)
        self._write_all(batch)
        if lost := sum(len(entry.rows) for entry in batch) + self._put - self._taken:
            self._metrics.dropped.inc(lost)
            log.error("predictions lost: the service stops while the log's database is unreachable", rows=lost)

    def _write_all(self, batch: list[Entry]) -> None:
        """Write until the queue is empty; entries that could not be written stay in the batch."""
        while True:
            batch.extend(self._take(self._settings.batch_rows - sum(len(entry.rows) for entry in batch)))
            if not self._write(batch) and self._stop.wait(RETRY_SECONDS):
                return
            self._metrics.queued.set(self._put - self._taken)
            if not batch and not self._queue:
                return

    def _take(self, rows: int) -> Iterator[Entry]:
        while self._queue and rows > 0:
            entry = self._queue.popleft()
            self._taken += len(entry.rows)
            rows -= len(entry.rows)
            yield entry

    def _write(self, batch: list[Entry]) -> bool:
        """Write a batch, and empty it; return whether the database answered."""
        assert self.engine is not None  # noqa: S101  # otherwise the thread does not run
        try:
            if not self._prepared:
                self._prepare(self.engine)
            self._prepared = True
            self._insert(self.engine, batch)
        except (SQLAlchemyError, OSError) as error:
            self._metrics.log_failures.inc()
            if not self._unreachable:
                log.error("prediction log unreachable", reason=_first_line(error))
            self._prepared, self._unreachable = False, True  # the database may come back without its table
            return False
        if self._unreachable:
            log.info("prediction log reachable again")
        self._unreachable = False
        self._retire(self.engine)
        return True

    def _prepare(self, engine: Engine) -> None:
        if changed := prepare_table(engine):
            before, after = changed
            log.info("prediction log prepared", before=before, after=after)
        self._file = identify_file(engine)

    def _require_file(self, engine: Engine) -> None:
        """Raise an error if the file has been deleted or replaced: what is written would be nowhere."""
        if identify_file(engine) != self._file:
            engine.dispose()
            raise FileNotFoundError(f"{engine.url.database} was deleted or replaced; it is opened again")

    def _insert(self, engine: Engine, batch: list[Entry]) -> None:
        """Insert a batch in one transaction; if the database rejects some of its values, insert entry by entry."""
        try:
            self._insert_together(engine, batch)
            batch.clear()
        except (DataError, IntegrityError):
            while batch:
                try:
                    self._insert_together(engine, batch[:1])
                except (DataError, IntegrityError) as error:
                    self._metrics.dropped.inc(len(batch[0].rows))
                    log.error("prediction refused by the log", reason=_first_line(error), request=batch[0].request_id)
                del batch[0]

    def _insert_together(self, engine: Engine, entries: list[Entry]) -> None:
        kept = entries if self._settings.content != "none" else ()
        records = [record for entry in kept for record in self._records(entry)]
        if entries:
            self._require_file(engine)
            with engine.begin() as connection:
                if records:
                    insert_predictions(connection, records)
                add_entries(connection, entries)
            self._require_file(engine)  # if it changed meanwhile, the batch is written again
        self._metrics.logged.inc(len(records))

    def _records(self, entry: Entry) -> Iterator[dict[str, object]]:
        at = datetime.fromtimestamp(entry.at, UTC)
        for index, (inputs, prediction) in enumerate(zip(entry.rows, entry.predictions, strict=True)):
            answer = prediction["prediction"]
            number = isinstance(answer, float)
            yield {
                "at": at,
                "request_id": entry.request_id,
                "row": index,
                "model_version": entry.model_version,
                "milliseconds": entry.milliseconds,
                "inputs": self._show(inputs, entry.sensitive),
                "label": None if number else name_class(answer),
                "value": answer if number else None,
                "probabilities": prediction.get("probabilities"),
                "unusual": to_json(unusual).decode() if (unusual := prediction.get("unusual")) else None,
            }

    def _show(self, inputs: dict[str, object], sensitive: Collection[str]) -> dict[str, object] | None:
        """Return what the log keeps of the inputs."""
        if self._settings.content != "inputs":
            return None
        return conceal(inputs, sensitive, self._settings.hash_key) if sensitive else inputs

    def _retire(self, engine: Engine) -> None:
        """Delete predictions beyond the retention period, few at a time, so that writing goes on between."""
        if time.time() < self._retire_at:
            return
        now, days, deleted = datetime.now(UTC), self._settings.retention_days, 0
        try:
            with engine.begin() as connection:
                if days is not None:
                    old = select(PREDICTIONS.c.id).where(PREDICTIONS.c.at < now - timedelta(days=days))
                    query = delete(PREDICTIONS).where(PREDICTIONS.c.id.in_(old.limit(RETIRE_ROWS)))
                    deleted = connection.execute(query).rowcount
                delete_old(connection, now)
        except SQLAlchemyError as error:
            log.warning("old predictions not deleted", reason=_first_line(error))
        if deleted < RETIRE_ROWS:
            self._retire_at = time.time() + RETIRE_SECONDS


def identify_file(engine: Engine) -> tuple[int, int] | None:
    """Return what tells the file of a SQLite database from others; None if there is none."""
    if engine.url.get_backend_name() != "sqlite" or not engine.url.database:
        return None
    try:
        found = Path(engine.url.database).stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _first_line(error: Exception) -> str:
    """Return an error message without the statement and the rows that SQLAlchemy adds."""
    return str(error).partition("\n")[0]
