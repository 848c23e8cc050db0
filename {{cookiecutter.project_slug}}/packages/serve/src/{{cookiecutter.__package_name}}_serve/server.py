"""Run the service: uvicorn with the configured number of workers, which share one socket."""

import gc
import multiprocessing
import os
import signal
import socket
import tempfile
import threading
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path

import structlog
import uvicorn
from fastapi import FastAPI
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from {{ cookiecutter.__package_name }}_predict.errors import ConfigError
from {{ cookiecutter.__package_name }}_records.json_logs import configure_logs

from .protocol import LimitedProtocol
from .settings import ServiceSettings

log = structlog.get_logger()
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  # metrics are memory-mapped: a full disk would kill the process


def serve(settings: ServiceSettings) -> bool:
    """Serve until a signal, then finish the requests in flight; return whether the service ever started.

    A worker that dies is replaced.

    Raises:
        ConfigError: the address is taken or not on this machine, or a secret has its default value.
    """
    settings.refuse_default_secret()
    service = settings.service
    with _listen(service.host, service.port) as listener:
        configure_logs(settings.logs.format)
        log.info("serving", address=_address(listener), workers=service.workers)
        if service.workers == 1:
            server = uvicorn.Server(_configure(settings, None))
            server.run([listener])
            return server.started
        shared = SHARED_MEMORY if SHARED_MEMORY.is_dir() else None
        with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory(dir=shared) as numbers:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = numbers  # before a worker imports prometheus_client
            workers = Multiprocess(_configure(settings, Path(folder) / "model.onnx"), [listener])
            workers.run()
            return all(worker.exitcode != STARTUP_FAILURE for worker in workers.processes)


def _configure(settings: ServiceSettings, spare: Path | None) -> uvicorn.Config:
    return uvicorn.Config(
        partial(start, settings, spare),
        factory=True,
        workers=settings.service.workers,
        timeout_graceful_shutdown=settings.service.stop_seconds,
        log_config=None,
        access_log=False,
        http=partial(LimitedProtocol, head_seconds=settings.service.limits.seconds),  # type: ignore[arg-type]
        server_header=False,
        ws="none",
    )


def start(settings: ServiceSettings, spare: Path | None) -> FastAPI:
    """Set up logging, and return the application; uvicorn calls this in each worker."""
    from .app import create_app

    configure_logs(settings.logs.format)
    if parent := multiprocessing.parent_process():
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    app = create_app(settings, spare)
    gc.collect()
    gc.freeze()  # these objects stay for good; scanning them again and again would delay requests
    return app


def _end_with(parent: BaseProcess) -> None:
    """Stop this worker when its parent process is gone, so that it does not occupy the port forever."""
    parent.join()
    signal.raise_signal(signal.SIGTERM)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.create_server(address[:2], family=family, backlog=2048)
    except OSError as error:
        raise ConfigError(
            f"the service cannot listen on {host}, port {port} ({error.strerror}); "
            "stop the process that does, or change service.host and service.port"
        ) from error
    return listener


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
