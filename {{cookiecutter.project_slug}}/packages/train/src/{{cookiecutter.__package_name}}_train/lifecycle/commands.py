"""The commands of the life cycle; what they need is imported when they run, so that the stages start fast."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..prediction import ConfigError, ProjectError

if TYPE_CHECKING:
    from .settings import LifecycleSettings

app = typer.Typer()
Stage = Annotated[str, typer.Option(help="The stage; config/STAGE.yaml has its settings.")]
Reason = Annotated[str, typer.Option(help="Why, for the history.")]
Push = Annotated[
    bool | None, typer.Option("--push/--no-push", help="Push to the git remote at once; by default, as configured.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
PRODUCTION = "production"
COLUMN = 32


@app.command()
def register(
    version: Annotated[str | None, typer.Argument(help="Such as v1.2.3; by default, the next one.")] = None,
    reason: Reason = "",
    push: Push = None,
) -> None:
    """Register the model of this commit as a version, if the gate has passed for exactly these bytes."""
    from .promotion import register as run
    from .settings import load_lifecycle

    print(f"registered {run(version, _said(reason), _remote(load_lifecycle(), push))}")


@app.command()
def promote(
    version: Annotated[str, typer.Argument(help="A registered version.")],
    stage: Stage = PRODUCTION,
    reason: Reason = "",
    force: Annotated[bool, typer.Option("--force", help="Even if it is worse; the history keeps that.")] = False,
    push: Push = None,
) -> None:
    """Assign a stage to a version, if it is no worse than the model that is there now."""
    from .promotion import promote as run
    from .settings import load_lifecycle

    settings = load_lifecycle(stage)
    promotion = settings.lifecycle.promotion
    done = run(version, stage, _said(reason), promotion, force=force, remote=_remote(settings, push))
    if done.comparison:
        print(done.comparison)
    print(
        f"{'promoted' if done.new else 'nothing to do:'} {done.version}{' to' if done.new else ' is in'} {done.stage}"
    )


@app.command()
def release(stage: Stage = PRODUCTION) -> None:
    """Put the model of a stage where its service finds it; a running one takes it over by itself."""
    from . import alerts
    from .release import release as run
    from .settings import load_lifecycle

    settings = load_lifecycle(stage)
    done = run(stage, settings)
    text = f"{done.version} ({done.model}) is live at {done.path}"
    print(text if done.new else f"nothing to do: {text}")
    if done.new:
        alerts.send(settings.lifecycle.alerts, "release", f"{stage}: {text}")


@app.command()
def rollback(stage: Stage = PRODUCTION, reason: Reason = "", push: Push = None) -> None:
    """Put the version before the one in a stage back, live at once."""
    from . import alerts
    from .release import rollback as run
    from .settings import load_lifecycle

    settings = load_lifecycle(stage)
    done = run(stage, _said(reason), settings, _remote(settings, push))
    text = f"rolled back to {done.version} ({done.model}), live at {done.path}"
    print(text)
    alerts.send(settings.lifecycle.alerts, "rollback", f"{stage}: {text}: {reason}")


@app.command()
def history(as_json: AsJson = False) -> None:
    """Show who did what to which version, when and why."""
    from .registry import Registry

    events = Registry.read().events
    if as_json:
        _print_json([event.as_dict() for event in events])
        return
    rows = [
        (event.when[:19].replace("T", " "), event.who, event.action, event.version, event.stage or "", event.reason)
        for event in events
    ]
    _print_table(("when", "who", "what", "version", "stage", "why"), rows)


@app.command()
def lineage(
    subject: Annotated[
        str, typer.Argument(help="A version, a model file, a revision, or the id of a request to the service.")
    ],
    stage: Stage = PRODUCTION,
    as_json: AsJson = False,
) -> None:
    """Show what a model or a prediction was made from: commit, data, parameters, locks, metrics and people."""
    from .lineage import trace
    from .settings import load_lifecycle

    load_lifecycle(stage)
    facts = trace(subject)
    if as_json:
        _print_json(facts)
    else:
        for name, value in _flatten(facts):
            print(f"{name:<{COLUMN}} {value}")


@app.command()
def retrain(
    reason: Reason = "on schedule",
    apart: Annotated[bool, typer.Option("--apart", help="Commit to a branch of its own, for a pull request.")] = False,
    push: Push = None,
) -> None:
    """Train again where data, code or parameters have changed; then commit, register and, as configured, release."""
    from . import alerts, summary
    from .retraining import RetrainingError
    from .retraining import retrain as run
    from .settings import load_lifecycle

    settings = load_lifecycle()
    if stage := settings.lifecycle.retraining.stage:
        settings = load_lifecycle(stage)
    elif settings.lifecycle.retraining.release:
        raise ConfigError("lifecycle.retraining.release needs a stage; set lifecycle.retraining.stage")
    try:
        done = run(_said(reason), settings, apart=apart, remote=_remote(settings, push))
    except (ProjectError, OSError) as error:
        summary.write_failure(Path(settings.lifecycle.reports), str(error))
        event = error.event if isinstance(error, RetrainingError) else "retraining"
        alerts.send(settings.lifecycle.alerts, event, str(error))
        raise
    released = f", live at {done.released.path}" if done.released else ""
    said = (
        f"{done.version or 'the same model'} on {done.branch}" if done.commit else "nothing to do: nothing has changed"
    )
    print(f"{said}{released}")
    if done.released and done.released.new:
        alerts.send(settings.lifecycle.alerts, "release", f"{stage}: {done.released.version}{released}: {reason}")


def _remote(settings: "LifecycleSettings", push: bool | None) -> str | None:
    wanted = settings.lifecycle.push if push is None else push
    return settings.lifecycle.remote if wanted else None


def _said(reason: str) -> str:
    if not reason.strip():
        raise ConfigError("the history needs a reason; pass --reason and a sentence that says why")
    return " ".join(reason.split())


def _flatten(facts: dict[str, Any], prefix: str = "") -> "list[tuple[str, str]]":
    rows = []
    for key, value in facts.items():
        if isinstance(value, dict):
            rows += _flatten(value, f"{prefix}{key}.")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            rows += [row for index, item in enumerate(value) for row in _flatten(item, f"{prefix}{key}.{index}.")]
        else:
            rows.append((prefix + key, ", ".join(map(str, value)) if isinstance(value, list) else str(value)))
    return rows


def _print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*header)
    for row in rows:
        table.add_row(*map(Text, row))  # as it is: what people write is no markup
    Console().print(table)


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2).encode())
