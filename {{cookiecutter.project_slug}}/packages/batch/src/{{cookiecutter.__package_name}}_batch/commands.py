"""The command that scores tables; its dependencies are imported when it runs."""

import signal
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer


def score(
    source: Annotated[Path, typer.Argument(help="The table to score: .csv or .parquet.")],
    sink: Annotated[Path, typer.Argument(help="The table to write: .csv or .parquet.")],
    rejects: Annotated[
        Path | None, typer.Option(help="The file for rejected rows; by default, SINK with .rejects.csv.")
    ] = None,
    on_error: Annotated[
        Literal["reject", "stop"], typer.Option(help="Set rejected rows aside, or stop before writing anything.")
    ] = "reject",
    max_rejected: Annotated[
        float, typer.Option(min=0, max=1, help="The share of rejected rows beyond which SINK is not written.")
    ] = 0.05,
    newlines: Annotated[bool, typer.Option("--newlines", help="Values in quotes may contain line breaks.")] = False,
    model: Annotated[Path | None, typer.Option("--model", help="The model file; by default, paths.model.")] = None,
) -> None:
    """Predict for each row of a table of any size; the outputs are written atomically."""
    from rich.console import Console
    from rich.progress import Progress

    from {{ cookiecutter.__package_name }}_predict.commands import load_model

    from .dialect import Dialect
    from .score import score as score_table

    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # so that partial files are removed
    loaded = load_model(model)
    console = Console(stderr=True)
    with Progress(console=console) as progress:
        task = progress.add_task(f"Scoring {source.name}", total=1.0)
        scored = score_table(
            loaded,
            source,
            sink,
            rejects,
            on_error=on_error,
            max_rejected=max_rejected,
            dialect=Dialect(newlines=newlines),
            progress=lambda share: progress.update(task, completed=share),
        )
    total = scored.predicted + scored.rejected
    console.print(f"{scored.predicted} of {total} rows predicted, {scored.rejected} rejected")
