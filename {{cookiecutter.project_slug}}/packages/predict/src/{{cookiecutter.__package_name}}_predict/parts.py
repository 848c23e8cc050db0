"""The parts of this package that a project may go without: folders with commands and settings of their own.

A part has its commands in its module `commands`, and its settings in the section of the configuration that bears its
name; the rest of the package imports nothing of it.
"""

import pkgutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import typer

PARTS = frozenset(module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]) if module.ispkg)


def command_lines() -> Iterator[typer.Typer]:
    """Yield the commands of each part."""
    for part in sorted(PARTS):
        yield import_module(f".{part}.commands", __package__).app
