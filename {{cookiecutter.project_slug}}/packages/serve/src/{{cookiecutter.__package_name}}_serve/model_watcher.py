"""Watch the live model, and verify and swap it while the service runs."""

import threading
from dataclasses import dataclass
from pathlib import Path

import structlog

from {{ cookiecutter.__package_name }}_predict.atomic import whole_file
from {{ cookiecutter.__package_name }}_predict.errors import ModelError, ProjectError
from {{ cookiecutter.__package_name }}_predict.model import Model
from {{ cookiecutter.__package_name }}_predict.settings import Paths

from .body import RequestBody
from .metrics import Metrics

log = structlog.get_logger()
Signature = tuple[int, int, int]


@dataclass(frozen=True)
class Served:
    """A model and the reader of its request bodies; each request uses the same pair from start to end.

    Attributes:
        model: the model.
        body: the reader.
        deciles: nine, of the model's outputs in training, where they are numbers.
    """

    model: Model
    body: RequestBody
    deciles: tuple[float, ...]


class ModelWatcher:
    """Serves a model, and watches its file.

    Once a changed file has stopped changing, it is loaded and verified beside the model in use, and replaces that
    atomically. A rejected file changes nothing. With a spare, a worker that starts while the file is broken uses the
    model of the other workers.

    Attributes:
        served: the model that answers requests; None until one could be loaded.
    """

    def __init__(self, paths: Paths, most_rows: int, seconds: float, metrics: Metrics, spare: Path | None) -> None:
        """Prepare the watcher.

        Args:
            paths: the paths of the model and, if the two must agree, the contract.
            most_rows: how many rows a request may have.
            seconds: the time between two checks of the file.
            metrics: where reloads are counted.
            spare: where a copy of the last valid model is kept for other workers.
        """
        self.served: Served | None = None
        self._paths, self._most_rows, self._seconds = paths, most_rows, seconds
        self._metrics, self._spare = metrics, spare
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="live-model", daemon=True)
        self._known = self._waiting = self._sign()

    def start(self) -> None:
        """Load the model, and start to watch its file; without a valid model, wait for one."""
        if not self._take(self._paths.model) and self._spare and self._spare.exists():
            self._take(self._spare, check_schema=False)  # another worker has checked it
        self._thread.start()

    def stop(self) -> None:
        """Stop watching."""
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(self._seconds):
            signature = self._sign()
            settled, self._waiting = signature == self._waiting, signature
            if signature[0] is not None and signature != self._known and settled:
                self._known = signature
                self._take(self._paths.model)

    def _sign(self) -> tuple[Signature | None, Signature | None]:
        """Return a signature of the model file and of the contract that it is checked against."""
        schema = self._paths.contract
        return _stat(self._paths.model), _stat(schema) if schema else None

    def _take(self, path: Path, *, check_schema: bool = True) -> bool:
        """Serve the model in a file from now on, if it is valid; return whether it is."""
        old = self.served
        try:
            if not path.is_file():  # reading a pipe, for example, would block forever
                raise ModelError(f"{path} is not a file; train a model or correct paths.model")
            data = path.read_bytes()
            model = Model.parse(data, path, contract=self._paths.load_contract() if check_schema else None)
            deciles = tuple(model.reference.output.quantiles[10:100:10])
            new = Served(model, RequestBody(model.contract, self._most_rows, self._metrics), deciles)
            if old and model.version == old.model.version:
                return True
            self.served = new
            if self._spare and path != self._spare:
                self._keep(data, self._spare)
        except Exception as error:  # whatever the file contains, keep watching
            self._metrics.failed_reloads.inc()
            known = isinstance(error, ProjectError | OSError | MemoryError)
            log.error("model refused", reason=str(error), still=old and old.model.version, exc_info=not known)
            if isinstance(error, OSError | MemoryError):  # the file may be valid: try again
                self._known = (None, None)
            return False
        self._metrics.model.labels(model.version).set(1)
        if old:
            self._metrics.model.labels(old.model.version).set(0)
            self._metrics.reloads.inc()
        log.info("model live", version=model.version, before=old and old.model.version)
        return True

    def _keep(self, data: bytes, spare: Path) -> None:
        try:
            with whole_file(spare) as file:
                file.write(data)
        except ProjectError as error:
            log.warning("no spare model kept", reason=str(error))


def _stat(path: Path) -> Signature | None:
    """Return a signature that changes when the file does; None if there is no file."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
