"""The project's command line: it offers the commands of all installed distributions.

A distribution declares its commands as entry points of the group `<package>.commands`, each a function that typer turns
into a command. A function is imported when it is called, so that each command loads only what it needs.
"""

import sys
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import typer
from typer.core import TyperGroup

from .errors import ProjectError

GROUP = f"{(__package__ or '').removesuffix('_predict')}.commands"


class InstalledCommands(TyperGroup):
    """The commands of the installed distributions; the help shows them grouped by distribution."""

    # the exact types are in typer's copy of click, which is private
    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        """Return the names of the commands, sorted by distribution."""
        found = entry_points(group=GROUP)
        return [entry.name for entry in sorted(found, key=lambda entry: (_distribution(entry), entry.name))]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        """Import and return a command; None if no installed distribution has it."""
        for entry in entry_points(group=GROUP, name=cmd_name):
            alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
            alone.command(cmd_name, rich_help_panel=_distribution(entry))(entry.load())
            return typer.main.get_command(alone)
        return None


def _distribution(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist else ""


app = typer.Typer(cls=InstalledCommands, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def _describe() -> None:
    """Train, release, serve and monitor this project's model."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line, and return its exit code; an expected error becomes a message and exit code 1."""
    try:
        app(args=argv)
    except (ProjectError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except SystemExit as stop:  # typer always exits like this, even on success
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    return 0
