"""The command line of prediction."""

import codecs
import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from .errors import ConfigError, DataError
from .main import run_app
from .model import Model
from .parts import command_lines
from .settings import Settings, load_settings

app = typer.Typer(
    help="Predict with a trained model.", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)
for commands in command_lines():
    app.add_typer(commands)
ModelOption = Annotated[Path | None, typer.Option("--model", help="The model file; by default, the one in config/.")]


@app.command()
def predict(
    records: Annotated[
        str, typer.Argument(help="A JSON object, a list of them, a file of JSON, or - for standard input.")
    ] = "-",
    model: ModelOption = None,
) -> None:
    """Answer records of JSON, one or many, as JSON."""
    text = _read_json(records)
    answers = _load(model).predict_json(text)
    many = text.lstrip().startswith(b"[")
    _print_json(answers if many else answers[0])


@app.command()
def score(
    source: Annotated[Path, typer.Argument(help="The table to score: .csv or .parquet.")],
    sink: Annotated[Path, typer.Argument(help="The table to write: .csv or .parquet.")],
    rejects: Annotated[
        Path | None, typer.Option(help="Where rows that break the contract go; by default, SINK with .rejects.csv.")
    ] = None,
    on_error: Annotated[
        Literal["reject", "stop"], typer.Option(help="Set a bad row aside, or stop before anything is written.")
    ] = "reject",
    model: ModelOption = None,
) -> None:
    """Score a table of any size; the outputs appear whole or not at all."""
    from rich.console import Console
    from rich.progress import Progress

    try:  # pyarrow comes with the batch extra: a JSON prediction does without it
        from .score import score as score_table
    except ImportError as error:
        raise ConfigError(f"{error}: score needs the batch extra; install requirements/batch.txt") from error

    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # so that partial files are removed
    loaded = _load(model)
    console = Console(stderr=True)
    with Progress(console=console) as progress:
        task = progress.add_task(f"Scoring {source.name}", total=1.0)
        scored = score_table(
            loaded,
            source,
            sink,
            rejects,
            on_error=on_error,
            progress=lambda share: progress.update(task, completed=share),
        )
    console.print(f"{scored.predicted} rows predicted, {scored.rejected} rejected")


@app.command()
def show(model: ModelOption = None) -> None:
    """Print a model's version, contract, lineage and an example record, as JSON."""
    loaded = _load(model)
    parts = {
        "version": loaded.version,
        "contract": loaded.contract.model_dump(mode="json", exclude_defaults=True),
        "lineage": loaded.lineage.model_dump(mode="json"),
        "example": loaded.contract.example(),
    }
    _print_json(parts, indent=2)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    return run_app(app, argv)


def _load(path: Path | None) -> Model:
    paths = load_settings(Settings, {"paths": {"model": path}} if path else {}).paths
    return Model.load(paths.model, contract=paths.load_contract())


def _read_json(records: str) -> bytes:
    if records.lstrip().startswith(("{", "[")):
        return records.encode(errors="surrogatepass")
    try:
        data = sys.stdin.buffer.read() if records == "-" else Path(records).read_bytes()
    except OSError as error:
        raise DataError(f"{records} cannot be read ({error}); expected JSON, a file of JSON, or -") from error
    return data.removeprefix(codecs.BOM_UTF8)


def _print_json(value: object, indent: int | None = None) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=indent).encode())  # bytes: UTF-8, whatever the console has
