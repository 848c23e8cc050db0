"""POST /predict: answer a JSON body with predictions and the version of the model that made them."""

import time
from collections.abc import Mapping
from http import HTTPStatus

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from pydantic import ValidationError
from pydantic_core import to_json

from {{ cookiecutter.__package_name }}_predict.errors import DataError
from {{ cookiecutter.__package_name }}_predict.model import Prediction

from .body import INLINE_BYTES
from .exchange import Exchange
from .log_writer import PredictionLogWriter
from .metrics import Metrics
from .model_watcher import ModelWatcher, Served
from .periods import Entry
from .problems import Problem, unavailable

LARGE_AT_ONCE, LARGE_WAITING = 2, 20  # larger ones: each takes up to a hundred times its size in memory
Answer = tuple[list[dict[str, object]], list[Prediction]]


class Predictions:
    """Answers prediction requests directly behind the middleware: a route would double the time."""

    def __init__(self, live: ModelWatcher, log: PredictionLogWriter, metrics: Metrics) -> None:
        """Answer requests from a live model; record them in the log and in the metrics."""
        self._live, self._log, self._metrics = live, log, metrics
        self._large = CapacityLimiter(LARGE_AT_ONCE)

    async def answer(self, exchange: Exchange) -> None:
        """Answer `{"instances": [row, …]}`.

        Raises:
            Problem: the request is invalid or breaks the contract, or there is no model yet.
        """
        data = exchange.take()
        served = self._live.served
        if served is None:
            raise unavailable("there is no model to answer with yet; try again later", seconds=10)
        if len(data) <= INLINE_BYTES:
            try:
                answer: Answer | None = predict(served, data)
            except (ValidationError, DataError):
                answer = None
            if answer is None:  # telling what is wrong takes longer
                answer = await run_sync(predict_or_explain, served, data)
        elif self._large.statistics().tasks_waiting >= LARGE_WAITING:
            raise unavailable(f"{LARGE_WAITING} large requests are waiting; try again, with fewer instances at a time")
        else:
            answer = await run_sync(predict_or_explain, served, data, limiter=self._large)
        rows, predictions = answer
        version, sensitive = served.model.version, served.model.contract.sensitive
        self._metrics.rows.inc(len(rows))
        if served.model.encoder.bounded:
            for name in (name for prediction in predictions for name in prediction.get("unusual", ())):
                self._metrics.unusual.labels(name).inc()
        milliseconds, deciles = exchange.seconds * 1000, served.deciles
        self._log.put(
            Entry(time.time(), exchange.request_id, version, milliseconds, rows, predictions, deciles, sensitive)
        )
        await exchange.answer(to_json({"model_version": version, "predictions": predictions}))


def predict(served: Served, data: bytes) -> Answer:
    """Return the rows in a body and a prediction for each.

    Raises:
        ValidationError: the body breaks the model's contract.
        DataError: the model's output for a row is not a finite number.
        Problem: see `RequestBody.read`.
    """
    rows = served.body.read(data)
    return rows, served.model.answer(served.model.encoder.encode(rows))


def predict_or_explain(served: Served, data: bytes) -> Answer:
    """Do as `predict`, and describe what is wrong at once: an error with many faults must not wait, for its memory.

    Raises:
        Problem: the body breaks the model's contract, or the model's output for a row is not a finite number.
    """
    try:
        return predict(served, data)
    except ValidationError as error:
        raise served.body.problem(data, error) from None
    except DataError as error:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error


def check_request(exchange: Exchange) -> None:
    """Reject all methods but POST, and bodies that are no JSON.

    Raises:
        Problem: 405 or 415.
    """
    if exchange.method != "POST":
        detail = f"{exchange.method} is not possible here; use POST"
        raise Problem(HTTPStatus.METHOD_NOT_ALLOWED, detail, {"Allow": "POST"})
    check_media_type(exchange.headers)


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
