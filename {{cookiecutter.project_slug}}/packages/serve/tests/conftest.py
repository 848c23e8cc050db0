"""Settings for services with a model of their own."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import structlog
import yaml

from {{ cookiecutter.__package_name }}_predict.settings import load_settings
from {{ cookiecutter.__package_name }}_serve.settings import ServiceSettings

from .running import Client, Process, serve_here
from machinery.small_config import SERVICE, clean_environment
from machinery.small_model import contract, kinds_path, make_model, model_path

__all__ = ["clean_environment", "contract", "kinds_path", "make_model", "model_path"]
Configure = Callable[..., Path]
Serve = Callable[..., Client]
Start = Callable[..., Process]


@pytest.fixture(autouse=True, scope="session")
def _silent_log() -> None:
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())


@pytest.fixture
def configure(model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Configure:
    """Return a function that writes a configuration, with changed settings, into the folder where the test works."""
    monkeypatch.chdir(tmp_path)

    def write(name: str = "default", **changed: Any) -> Path:
        path = tmp_path / "config" / f"{name}.yaml"
        path.parent.mkdir(exist_ok=True)
        sections: dict[str, Any] = {name: changed.pop(name) for name in SERVICE if name in changed}
        content = merge(SERVICE, {"service": changed, **sections}) | {"paths": {"model": model_path.name}}
        path.write_text(yaml.safe_dump(content))
        return path

    return write


def merge(section: dict[str, Any], changed: dict[str, Any]) -> dict[str, Any]:
    """Return a section with some keys changed, also in the sections within."""
    merged = {key: merge(section[key], value) for key, value in changed.items() if isinstance(value, dict)}
    return section | changed | merged


@pytest.fixture
def serve(configure: Configure) -> Iterator[Serve]:
    """Return a function that serves in a thread, with changed settings and with secrets, and gives a client."""
    with ExitStack() as stack:

        def start(secrets: dict[str, object] | None = None, **changed: Any) -> Client:
            configure(**changed)
            given: dict[str, object] = {"retrain_token": "development", **(secrets or {})}
            return stack.enter_context(serve_here(load_settings(ServiceSettings, {"service": given})))

        yield start


@pytest.fixture
def kinds_service(serve: Serve, kinds_path: Path, model_path: Path) -> Client:
    """Return a client of a service whose model has all kinds of fields."""
    kinds_path.replace(model_path)
    return serve()


@pytest.fixture
def service(serve: Serve) -> Client:
    """Return a client of a service as the tests configure it."""
    return serve()


@pytest.fixture
def start(configure: Configure, tmp_path: Path) -> Iterator[Start]:
    """Return a function that starts a command as a process, with changed settings; it is ended with the test."""
    processes: list[Process] = []

    def run(*arguments: str, environment: dict[str, str] | None = None, **changed: Any) -> Process:
        if changed or not (tmp_path / "config").exists():
            configure(**changed)
        processes.append(Process(tmp_path, *arguments, environment={**os.environ, **(environment or {})}))
        return processes[-1]

    yield run
    for process in processes:
        process.stop()
