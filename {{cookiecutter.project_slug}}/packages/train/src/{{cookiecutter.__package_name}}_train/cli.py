"""The command line of training: the stages of the pipeline, a draft of a schema, and the life of a model."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from .lifecycle.commands import app as lifecycle
from .monitoring.commands import app as monitoring
from .prediction import DataError, run_app, whole_file
from .project import Project

app = typer.Typer(
    help="Train a model, stage by stage (`dvc repro` runs them all), and take it to production and back.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(lifecycle)
app.add_typer(monitoring)


def _run(stage: str) -> None:
    # imported late: each stage is a process of its own, and pays only for the libraries it uses
    import_module(f".{stage}", __package__).run(Project.load())


@app.command()
def ingest() -> None:
    """Fetch the source into the raw folder."""
    _run("ingest")


@app.command()
def validate() -> None:
    """Hold the raw rows against the contract; set bad ones aside."""
    _run("validate")


@app.command()
def split() -> None:
    """Hold out test rows."""
    _run("split")


@app.command()
def train() -> None:
    """Fit a candidate and export it as one ONNX file."""
    _run("fit")


@app.command()
def evaluate() -> None:
    """Measure the candidate on the hold-out rows."""
    _run("evaluate")


@app.command()
def gate() -> None:
    """Let the candidate become the model, if it passes every gate."""
    _run("gate")


@app.command("draft-schema")
def draft_schema(
    source: Annotated[Path, typer.Argument(help="A table: .csv or .parquet.")],
    target: Annotated[str, typer.Option(help="The column to predict.")],
    out: Annotated[Path | None, typer.Option(help="The file to write; by default, standard output.")] = None,
) -> None:
    """Draft a schema from a table, for you to correct."""
    from .draft import draft_schema as draft

    if out is not None and out.resolve() == source.resolve():
        raise DataError(f"{out} is the table itself; name another file for the draft")
    text = draft(source, target)
    if out is None:
        print(text, end="")
        return
    with whole_file(out) as file:
        file.write(text.encode())


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    return run_app(app, argv)
