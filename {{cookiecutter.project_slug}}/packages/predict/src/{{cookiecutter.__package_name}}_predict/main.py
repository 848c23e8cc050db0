"""Run a command line: refusals become one message and exit code 1, and nothing else does."""

import sys
from collections.abc import Sequence

import typer

from .errors import ProjectError


def run_app(app: typer.Typer, argv: Sequence[str] | None) -> int:
    """Run an application with arguments, or the process's own, and return its exit code."""
    try:
        app(args=argv)
    except (ProjectError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except SystemExit as stop:  # how typer ends, also where all is well
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    return 0
