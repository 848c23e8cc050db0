"""The command of the service; its dependencies are imported when it runs."""

from pathlib import Path
from typing import Annotated

import typer

from {{ cookiecutter.__package_name }}_predict.settings import load_settings


def serve(
    host: Annotated[str | None, typer.Option(help="The address to listen on; by default, service.host.")] = None,
    port: Annotated[int | None, typer.Option(help="The port; 0 picks a free one.")] = None,
    workers: Annotated[int | None, typer.Option(help="How many worker processes to run.")] = None,
    model: Annotated[Path | None, typer.Option(help="The model file, which is watched for changes.")] = None,
) -> None:
    """Answer requests over HTTP until SIGTERM or Ctrl-C."""
    from .server import serve as run
    from .settings import ServiceSettings

    flags: dict[str, dict[str, object]] = {
        "service": {"host": host, "port": port, "workers": workers},
        "paths": {"model": model},
    }
    given = {name: {key: value for key, value in keys.items() if value is not None} for name, keys in flags.items()}
    if not run(load_settings(ServiceSettings, {name: keys for name, keys in given.items() if keys})):
        raise typer.Exit(1)
