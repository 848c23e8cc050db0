"""Run a command line, and turn expected errors into a message and exit code 1."""

import sys
from collections.abc import Sequence

import typer

from .errors import ProjectError


def run_app(app: typer.Typer, argv: Sequence[str] | None) -> int:
    """Run an application with the given or the process's arguments, and return its exit code."""
    try:
        app(args=argv)
    except (ProjectError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except SystemExit as stop:  # typer always exits like this, even on success
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    return 0
