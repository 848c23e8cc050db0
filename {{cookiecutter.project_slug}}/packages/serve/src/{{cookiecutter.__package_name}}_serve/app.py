"""The application: its routes, its middleware, and the components that start and stop with it."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import metadata
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any

from anyio.to_thread import run_sync
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.telemetry import TelemetryConfig
from starlette.types import ASGIApp

from {{ cookiecutter.__package_name }}_records.job_queue import Queue

from .api_docs import add_docs
from .exchange import Exchange
from .log_writer import PredictionLogWriter
from .metrics import Metrics
from .middleware import Direct, Guards, ServiceMiddleware
from .model_watcher import ModelWatcher
from .openapi import Document, make_document
from .predictions import Predictions, check_request
from .problems import answer_problems
from .routes import STATS_AT_ONCE, router
from .security import KEY_HEADER, KEY_PATHS, check_key, check_token
from .settings import Service, ServiceSettings

Layer = Callable[[ASGIApp], ASGIApp]
NO_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False}  # asking for it costs each request


class Application(FastAPI):
    """FastAPI with layers around its own middleware."""

    def __init__(self, layers: Sequence[Layer], **options: Any) -> None:
        """Create an application; the last layer is the outermost, and the options are FastAPI's."""
        super().__init__(**options)
        self._layers = layers

    def build_middleware_stack(self) -> ASGIApp:
        """Return FastAPI's middleware stack, wrapped in the layers."""
        stack = super().build_middleware_stack()
        for layer in self._layers:
            stack = layer(stack)
        return stack


def create_app(settings: ServiceSettings, spare: Path | None = None) -> FastAPI:
    """Return the service as an ASGI application.

    Args:
        settings: see `ServiceSettings`.
        spare: where workers keep a copy of the last valid model for each other.
    """
    service = settings.service
    metrics = Metrics()
    live = ModelWatcher(settings.paths, service.limits.rows, service.reload_seconds, metrics, spare)
    log = PredictionLogWriter(settings.prediction_log, metrics)
    queue = Queue(settings.jobs.queue)
    predictions = Predictions(live, log, metrics)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        live.start()
        log.start()
        yield
        await run_sync(live.stop)
        await run_sync(log.stop)
        queue.close()

    package = metadata((__package__ or "").partition(".")[0])
    app = Application(
        _layers(service, metrics, {"/predict": predictions.answer}),
        title=package["Name"],
        version=package["Version"],
        description=package["Summary"],
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        telemetry=NO_TELEMETRY,
    )
    app.state.settings, app.state.metrics, app.state.live, app.state.log = service, metrics, live, log
    app.state.queue, app.state.stats_slots = queue, BoundedSemaphore(STATS_AT_ONCE)
    app.include_router(router)
    if service.docs:
        add_docs(app)
    answer_problems(app)
    _document(app, live, service.limits.rows, keys=bool(service.api_keys))
    return app


def _guards(service: Service) -> Guards:
    """Return what refuses requests before their bodies are read."""

    def check_prediction(exchange: Exchange) -> None:
        check_key("/predict", exchange.headers, service.api_keys)
        check_request(exchange)

    def check_retraining(exchange: Exchange) -> None:
        check_token(exchange.headers.get(b"authorization", b"").decode("latin-1"), service.retrain_token)

    def check(path: str, exchange: Exchange) -> None:
        check_key(path, exchange.headers, service.api_keys)

    keys = {path: partial(check, path) for path in KEY_PATHS}
    return {**keys, "/predict": check_prediction, "/retrain": check_retraining}


def _layers(service: Service, metrics: Metrics, direct: Direct) -> list[Layer]:
    guards = _guards(service)
    middleware = partial(ServiceMiddleware, limits=service.limits, metrics=metrics, direct=direct, guards=guards)
    if not service.cors_origins:
        return [middleware]
    headers = ["Authorization", "Content-Type", KEY_HEADER, "X-Request-ID"]
    cors = partial(
        CORSMiddleware,
        allow_origins=service.cors_origins,
        allow_methods=["GET", "POST"],
        allow_headers=headers,
        expose_headers=["X-Request-ID"],
    )
    return [middleware, cors]


def _document(app: FastAPI, live: ModelWatcher, most_rows: int, *, keys: bool) -> None:
    """Rebuild the OpenAPI document whenever another model becomes live."""
    made: dict[str | None, Document] = {}

    def document() -> Document:
        model = live.served.model if live.served else None
        version = model.version if model else None
        if version not in made:
            made.clear()
            made[version] = make_document(app, model.contract if model else None, most_rows, keys=keys)
        return made[version]

    app.openapi = document  # type: ignore[method-assign]  # as FastAPI's documentation does
