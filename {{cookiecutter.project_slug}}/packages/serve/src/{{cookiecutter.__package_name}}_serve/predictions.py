"""POST /predict: answer a JSON body with predictions and the version of the model that made them."""

import time
from collections.abc import Mapping, Sequence
from http import HTTPStatus

from anyio.to_thread import run_sync
from pydantic import SecretStr, ValidationError
from pydantic_core import to_json

from {{ cookiecutter.__package_name }}_predict.errors import DataError
from {{ cookiecutter.__package_name }}_predict.model import Prediction

from .log_writer import Entry, PredictionLogWriter
from .metrics import Metrics
from .middleware import Exchange
from .model_watcher import ModelWatcher, Served
from .problems import Problem, unavailable
from .security import KEY_HEADER, check_key

INLINE_BYTES = 16_384  # a body up to this size is answered in less time than a thread takes to wake
Rows = list[dict[str, object]]


class Predictions:
    """Answers prediction requests directly behind the middleware: a route would double the time."""

    def __init__(
        self, live: ModelWatcher, log: PredictionLogWriter, metrics: Metrics, keys: Sequence[SecretStr]
    ) -> None:
        """Answer requests that have one of the keys from a live model; record them in the log and in the metrics."""
        self._live, self._log, self._metrics, self._keys = live, log, metrics, keys

    async def answer(self, exchange: Exchange) -> None:
        """Answer `{"instances": [row, …]}`.

        Raises:
            Problem: the request is invalid or breaks the contract, or there is no model yet.
        """
        if self._keys:
            given = exchange.headers.get(KEY_HEADER.lower().encode())
            check_key(None if given is None else given.decode("latin-1"), self._keys)
        check_media_type(exchange.headers)
        data = await exchange.read()
        served = self._live.served
        if served is None:
            raise unavailable("there is no model to answer with yet; try again later", seconds=10)
        try:
            small = len(data) <= INLINE_BYTES
            rows, predictions = predict(served, data) if small else await run_sync(predict, served, data)
        except ValidationError as error:  # describing the faults takes longer than predicting
            raise await run_sync(served.body.problem, data, error) from error
        except DataError as error:
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error
        version = served.model.version
        self._metrics.rows.inc(len(rows))
        if served.model.encoder.bounded:
            for name in (name for prediction in predictions for name in prediction.get("unusual", ())):
                self._metrics.unusual.labels(name).inc()
        self._log.put(Entry(time.time(), exchange.request_id, version, exchange.seconds * 1000, rows, predictions))
        await exchange.answer(to_json({"model_version": version, "predictions": predictions}))


def predict(served: Served, data: bytes) -> tuple[Rows, list[Prediction]]:
    """Return the rows in a body and a prediction for each.

    Raises:
        ValidationError: the body breaks the model's contract.
        DataError: the model's output for a row is not a finite number.
    """
    rows = served.body.read(data)
    return rows, served.model.answer(served.model.encoder.encode(rows))


def check_media_type(headers: Mapping[bytes, bytes]) -> None:
    """Reject a body whose headers declare something other than JSON in UTF-8.

    Raises:
        Problem: 415.
    """
    coding = headers.get(b"content-encoding", b"identity")
    if coding != b"identity":
        raise _unsupported("Content-Encoding", coding)
    found = headers.get(b"content-type", b"")
    if found == b"application/json":
        return
    kind, *parameters = (part.strip().lower() for part in found.split(b";"))
    charsets = {part.partition(b"=")[2].strip(b'"') for part in parameters if part.startswith(b"charset=")}
    if kind != b"application/json" or charsets - {b"utf-8", b"utf8", b"us-ascii"}:
        raise _unsupported("Content-Type", found)


def _unsupported(header: str, value: bytes) -> Problem:
    found = f"{header}: {value.decode('latin-1'):.80}" if value else f"no {header}"
    return Problem(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        f"found {found}, expected Content-Type: application/json, in UTF-8, without Content-Encoding",
    )
