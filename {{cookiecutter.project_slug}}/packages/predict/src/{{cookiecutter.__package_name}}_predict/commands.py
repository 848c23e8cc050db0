"""The prediction commands: predict for JSON records, show a model, and print an example record."""

import codecs
import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from .contract import Contract
from .errors import DataError
from .model import Model
from .settings import Paths, Settings, load_settings

ModelOption = Annotated[Path | None, typer.Option("--model", help="The model file; by default, paths.model.")]


def predict(
    records: Annotated[
        str, typer.Argument(help="A JSON object, a list of objects, a JSON file, or - for standard input.")
    ] = "-",
    model: ModelOption = None,
) -> None:
    """Predict for one or many JSON records, and print the predictions as JSON."""
    text = _read_json(records)
    answers = load_model(model).predict_json(text)
    many = text.lstrip().startswith(b"[")
    _print_json(answers if many else answers[0])


def show(model: ModelOption = None) -> None:
    """Print a model's version, contract and lineage, and an example record, as JSON."""
    loaded = load_model(model)
    parts = {
        "version": loaded.version,
        "contract": loaded.contract.model_dump(mode="json", exclude_defaults=True),
        "lineage": loaded.lineage.model_dump(mode="json"),
        "example": loaded.contract.example(),
    }
    _print_json(parts, indent=2)


def example(
    model: ModelOption = None,
    request: Annotated[bool, typer.Option("--request", help="Print the body of a request to the service.")] = False,
) -> None:
    """Print a record that the contract accepts, as JSON; pipe it to `predict -`."""
    paths = _paths(model)
    contract: Contract | None = None if model else paths.load_contract()
    record = (contract or Model.load(paths.model).contract).example()
    _print_json({"instances": [record]} if request else record)


def load_model(path: Path | None) -> Model:
    """Return the model in a file, or the configured model; it must match the configured contract.

    Raises:
        ConfigError: a setting is invalid.
        ModelError: the file is not a valid model, or was trained under another contract.
    """
    paths = _paths(path)
    return Model.load(paths.model, contract=paths.load_contract())


def _paths(model: Path | None) -> Paths:
    return load_settings(Settings, {"paths": {"model": model}} if model else {}).paths


def _read_json(records: str) -> bytes:
    if records.lstrip().startswith(("{", "[")):
        return records.encode(errors="surrogatepass")
    try:
        data = sys.stdin.buffer.read() if records == "-" else Path(records).read_bytes()
    except OSError as error:
        raise DataError(f"{records} cannot be read ({error}); expected JSON, a JSON file, or -") from error
    return data.removeprefix(codecs.BOM_UTF8)


def _print_json(value: object, indent: int | None = None) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=indent).encode())  # bytes: UTF-8 on any console
