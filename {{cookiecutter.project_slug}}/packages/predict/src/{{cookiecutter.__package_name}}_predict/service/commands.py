"""The service's commands; what they need is imported when they run, so that others start fast."""

from pathlib import Path
from typing import Annotated

import typer

from ..errors import ConfigError
from ..settings import load_settings

app = typer.Typer()
NEEDS = "needs the serve extra; install requirements/serve.txt"


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="The address to listen at; by default, the one in config/.")] = None,
    port: Annotated[int | None, typer.Option(help="The port; 0 takes a free one.")] = None,
    workers: Annotated[int | None, typer.Option(help="How many processes answer.")] = None,
    model: Annotated[Path | None, typer.Option(help="The model file, which is watched.")] = None,
) -> None:
    """Answer requests over HTTP until SIGTERM or Ctrl-C."""
    try:
        from .server import serve as run
        from .settings import ServiceSettings
    except ImportError as error:
        raise ConfigError(f"{error}: serve {NEEDS}") from error
    flags: dict[str, dict[str, object]] = {
        "service": {"host": host, "port": port, "workers": workers},
        "paths": {"model": model},
    }
    given = {name: {key: value for key, value in keys.items() if value is not None} for name, keys in flags.items()}
    if not run(load_settings(ServiceSettings, {name: keys for name, keys in given.items() if keys})):
        raise typer.Exit(1)


@app.command()
def worker() -> None:
    """Train again when the service is asked to: take jobs from its queue, one at a time."""
    try:
        from .logs import configure_logs
        from .settings import ServiceSettings
        from .worker import Worker
    except ImportError as error:
        raise ConfigError(f"{error}: worker {NEEDS}") from error
    service = load_settings(ServiceSettings, {}).service
    configure_logs(service.logs)
    Worker(service.retraining).run()
