"""The monitoring commands; their dependencies are imported when they run."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..versions.commands import PRODUCTION, Stage

if TYPE_CHECKING:
    from {{ cookiecutter.__package_name }}_predict.model import Model

    from ..settings import LifecycleSettings
    from .predictions import Predictions
    from .report import Report

FOUND = 3
MOST_HOURS = 87_600
Hours = Annotated[float | None, typer.Option(help="Hours of the prediction log; by default, lifecycle.drift.hours.")]
Scored = Annotated[
    Path | None, typer.Option("--table", help="A table written by score, instead of the prediction log.")
]
JobName = Annotated[
    str | None, typer.Option("--job", help="A job of score, whose last run to read, instead of the prediction log.")
]


def drift(stage: Stage = PRODUCTION, hours: Hours = None, table: Scored = None, job: JobName = None) -> None:
    """Compare production data with the training data; on drift, exit with code 3 and send an alert."""
    from .drift import detect

    settings, model, predictions = _load(stage, hours, table, job)
    _finish(detect(model, predictions, settings.lifecycle.drift), "drift", settings)


def outcomes(
    source: Annotated[
        str,
        typer.Argument(help="A .csv or .parquet file, or a table in the prediction log's database."),
    ],
    stage: Stage = PRODUCTION,
    hours: Hours = None,
    table: Scored = None,
    job: JobName = None,
) -> None:
    """Measure predictions with known outcomes; if the model has become worse, exit with code 3 and send an alert."""
    from .outcomes import join, read_outcomes

    settings, model, predictions = _load(stage, hours, table, job, keyed=True)
    table_of_outcomes = read_outcomes(source, settings.prediction_log)
    _finish(join(model, predictions, table_of_outcomes, settings.lifecycle), "outcomes", settings)


def forget(
    subject: Annotated[str, typer.Argument(help="A name and a value, as in customer=42.", metavar="NAME=VALUE")],
    stage: Stage = PRODUCTION,
) -> None:
    """Delete the predictions that have this value in a key or a feature; docs/privacy.md says what else there is."""
    from rich.console import Console
    from rich.progress import Progress

    from {{ cookiecutter.__package_name }}_predict.errors import ConfigError
    from {{ cookiecutter.__package_name }}_records.forget import forget as run

    from ..settings import load_lifecycle

    name, equals, value = subject.partition("=")
    if not (name and equals and value):
        raise ConfigError(f"found {subject[:80]!r}, expected a name and a value, as in customer=42")
    settings = load_lifecycle(stage).prediction_log
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("Searching the prediction log", total=1.0)
        count = run(settings, name, value, lambda share: bar.update(task, completed=share))
    print(f"{count} predictions with {name}={value} deleted from the prediction log")
    if not count:
        print("if you expected some, check the name and the value: the log has them as requests give them")


def _load(
    stage: str, hours: float | None, table: Path | None, job: str | None, *, keyed: bool = False
) -> "tuple[LifecycleSettings, Model, Predictions]":
    from {{ cookiecutter.__package_name }}_predict.errors import ConfigError
    from {{ cookiecutter.__package_name }}_predict.model import Model

    from ..settings import load_lifecycle
    from .predictions import read_job, read_log, read_scored

    if table and job:
        raise ConfigError("found --table and --job; expected one of them")
    if hours is not None and not 0 < hours <= MOST_HOURS:  # this rejects NaN too
        raise ConfigError(f"found --hours {hours:g}, expected more than 0 and at most {MOST_HOURS}")
    settings = load_lifecycle(stage)
    model, limits = Model.load(settings.paths.model), settings.lifecycle.drift
    if table:
        return settings, model, read_scored(model.contract, table, keyed=keyed)
    if job:
        return settings, model, read_job(model.contract, job, limits.max_rows, stage, keyed=keyed)
    hours = hours or limits.hours
    return settings, model, read_log(settings.prediction_log, model.contract, hours, limits.max_rows, keyed=keyed)


def _finish(report: "Report", name: str, settings: "LifecycleSettings") -> None:
    from .. import alerts
    from .report import render, write_report

    page = write_report(report, Path(settings.lifecycle.reports), name)
    typer.echo(f"{render(report)}\n{page}".encode())
    if report.alarms:
        alerts.send(settings.lifecycle.alerts, "drift", "; ".join(report.alarms))
        raise typer.Exit(FOUND)
