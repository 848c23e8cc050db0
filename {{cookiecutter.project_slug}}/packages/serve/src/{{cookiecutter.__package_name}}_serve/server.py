"""Run the service: uvicorn with the configured number of workers, which share one socket."""

import gc
import multiprocessing
import os
import secrets
import signal
import socket
import sys
import tempfile
import threading
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path

import structlog
from fastapi import FastAPI
from uvicorn.config import STARTUP_FAILURE

from {{ cookiecutter.__package_name }}_predict.errors import ConfigError
from {{ cookiecutter.__package_name }}_records.json_logs import configure_logs

from .draining import Config, Server, Supervisor
from .protocol import LimitedProtocol
from .settings import ServiceSettings

log = structlog.get_logger()
OTHER_FILES = 200  # the model, the database, the queue, what Python has open
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  # metrics are memory-mapped: a full disk would kill the process


def serve(settings: ServiceSettings) -> bool:
    """Serve until a signal, then finish the requests in flight; return whether the service ever started.

    A worker that dies is replaced.

    Raises:
        ConfigError: the address is taken or not on this machine, nothing protects the service, or it may not have as
            many connections as configured.
    """
    settings.require_protection()
    service = settings.service
    _allow_files(service.limits.connections + OTHER_FILES)
    with _listen(service.host, service.port) as listener:
        configure_logs(settings.logs.format)
        log.info("serving", address=_address(listener), workers=service.workers)
        if service.retrain_token is None and settings.is_development:
            token = secrets.token_urlsafe()
            settings = settings.with_token(token)
            log.info("token for retraining, until the service stops", token=token)
        if service.workers == 1:
            server = Server(configure_server(settings, None))
            server.run([listener])
            return server.started
        shared = SHARED_MEMORY if SHARED_MEMORY.is_dir() else None
        with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory(dir=shared) as numbers:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = numbers  # before a worker imports prometheus_client
            workers = Supervisor(configure_server(settings, Path(folder) / "model.onnx"), [listener])
            workers.run()
            return all(worker.exitcode != STARTUP_FAILURE for worker in workers.processes)


def configure_server(settings: ServiceSettings, spare: Path | None) -> Config:
    """Return uvicorn's configuration; workers keep the last valid model at `spare` for each other."""
    limits, proxies = settings.service.limits, settings.service.trusted_proxies
    protocol = partial(LimitedProtocol, seconds=limits.seconds, connections=limits.connections)
    return Config(
        partial(start, settings, spare),
        factory=True,
        workers=settings.service.workers,
        drain_seconds=settings.service.drain_seconds,
        timeout_graceful_shutdown=settings.service.stop_seconds,
        log_config=None,
        access_log=False,
        http=protocol,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=[str(network) for network in proxies],
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


def _allow_files(count: int) -> None:
    """Allow this process and its workers so many open files, connections among them."""
    if sys.platform == "win32":  # there is no such limit
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < count:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
        except ValueError as error:
            raise ConfigError(
                f"a process may have {hard} open files here, and {count} are needed for service.limits.connections; "
                "lower that setting, or raise the limit (ulimit -n)"
            ) from error


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
