"""The project's one command line: it offers the commands of every distribution that is installed.

A distribution names its commands as entry points of the group `<package>.commands`, each a function or a typer
application; one is imported when it is called, so that a command pays only for what it needs.
"""

from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points

import click
import typer
from typer.core import TyperGroup

from .main import run_app

GROUP = f"{(__package__ or '').removesuffix('_predict')}.commands"
OPTIONS = {"add_completion": False, "pretty_exceptions_enable": False, "no_args_is_help": True}


class InstalledCommands(TyperGroup):
    """The commands of the installed distributions; the help shows them grouped by distribution."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        """Return the names of the commands, those of one distribution together."""
        found = entry_points(group=GROUP)
        return [entry.name for entry in sorted(found, key=lambda entry: (_distribution(entry), entry.name))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Return a command, imported now; None where no installed distribution has it."""
        found = entry_points(group=GROUP, name=cmd_name)
        if not found:
            return None
        (entry, *_) = found
        loaded = entry.load()
        if not isinstance(loaded, typer.Typer):
            function, loaded = loaded, typer.Typer(**{**OPTIONS, "no_args_is_help": False})
            loaded.command(cmd_name)(function)
        command = typer.main.get_command(loaded)
        command.rich_help_panel = _distribution(entry)  # type: ignore[attr-defined]  # typer reads it
        return command


def _distribution(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist else ""


app = typer.Typer(cls=InstalledCommands, **OPTIONS)


@app.callback()
def _describe() -> None:
    """Train, release, serve and watch this project's model."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    return run_app(app, argv)
