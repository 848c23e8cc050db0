"""The version commands; their dependencies are imported when they run."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from {{ cookiecutter.__package_name }}_predict.errors import ConfigError

if TYPE_CHECKING:
    from ..settings import LifecycleSettings

Stage = Annotated[str, typer.Option(help="The stage; config/STAGE.yaml has its settings.")]
Reason = Annotated[str, typer.Option(help="The reason, for the history.")]
Push = Annotated[
    bool | None, typer.Option("--push/--no-push", help="Push to the git remote right away; by default, lifecycle.push.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
PRODUCTION = "production"
COLUMN = 32
BREAKING = 3


def register(
    version: Annotated[str | None, typer.Argument(help="Such as v1.2.3; by default, the next version.")] = None,
    reason: Reason = "",
    push: Push = None,
) -> None:
    """Register the model of this commit as a version, if exactly this file has passed the gate."""
    from ..settings import load_lifecycle
    from .promotion import register as run

    print(f"registered {run(version, require_reason(reason), choose_remote(load_lifecycle(), push))}")


def promote(
    version: Annotated[str, typer.Argument(help="A registered version.")],
    stage: Stage = PRODUCTION,
    reason: Reason = "",
    force: Annotated[
        bool,
        typer.Option("--force", help="Promote even a worse model, or one that breaks clients; the history records it."),
    ] = False,
    push: Push = None,
) -> None:
    """Assign a stage to a version, if it is no worse than the stage's current model and breaks no client."""
    from ..settings import load_lifecycle
    from .promotion import promote as run

    settings = load_lifecycle(stage)
    promotion = settings.lifecycle.promotion
    done = run(version, stage, require_reason(reason), promotion, force=force, remote=choose_remote(settings, push))
    if done.comparison:
        print(done.comparison)
    print(
        f"{'promoted' if done.new else 'nothing to do:'} {done.version}{' to' if done.new else ' is in'} {done.stage}"
    )


def release(stage: Stage = PRODUCTION) -> None:
    """Make the model of a stage its live model; a running service reloads it automatically."""
    from .. import alerts
    from ..settings import load_lifecycle
    from .release import release as run

    settings = load_lifecycle(stage)
    done = run(stage, settings)
    text = f"{done.version} ({done.model}) is live at {done.path}"
    print(text if done.new else f"nothing to do: {text}")
    if done.new:
        alerts.send(settings.lifecycle.alerts, "release", f"{stage}: {text}")


def rollback(stage: Stage = PRODUCTION, reason: Reason = "", push: Push = None) -> None:
    """Roll a stage back to its previous version, and release that at once."""
    from .. import alerts
    from ..settings import load_lifecycle
    from .release import rollback as run

    settings = load_lifecycle(stage)
    done = run(stage, require_reason(reason), settings, choose_remote(settings, push))
    text = f"rolled back to {done.version} ({done.model}), live at {done.path}"
    print(text)
    alerts.send(settings.lifecycle.alerts, "rollback", f"{stage}: {text}: {reason}")


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


def lineage(
    subject: Annotated[
        str, typer.Argument(help="A version, a model file, a git revision, or the id of a request to the service.")
    ],
    stage: Stage = PRODUCTION,
    as_json: AsJson = False,
) -> None:
    """Show what a model or a prediction was made from: commit, data, parameters, locks, metrics and people."""
    from ..settings import load_lifecycle
    from .lineage import trace

    facts = trace(subject, load_lifecycle(stage).prediction_log)
    if as_json:
        _print_json(facts)
    else:
        for name, value in _flatten(facts):
            print(f"{name:<{COLUMN}} {value}")


def contract_diff(
    before: Annotated[str, typer.Argument(help="A schema.yaml, a model file, a version or a git revision.")],
    after: Annotated[str, typer.Argument(help="What to compare it with; by default, the schema.yaml here.")] = "",
    as_json: AsJson = False,
) -> None:
    """Show how a contract has changed; if that breaks clients of the service, exit with code 3."""
    from dataclasses import asdict

    from ..project import pipeline_paths
    from .compatibility import compare_contracts, find_contract

    changes = compare_contracts(find_contract(before), find_contract(after or str(pipeline_paths().contract)))
    if as_json:
        _print_json([asdict(change) for change in changes])
    else:
        for change in changes:
            print(f"{'breaking' if change.breaking else 'compatible':<12}{change}")
        if not changes:
            print("no change for clients")
    if any(change.breaking for change in changes):
        raise typer.Exit(BREAKING)


def choose_remote(settings: "LifecycleSettings", push: bool | None) -> str | None:
    """Return the git remote to push to, or None; the option takes precedence over the settings."""
    wanted = settings.lifecycle.push if push is None else push
    return settings.lifecycle.remote if wanted else None


def require_reason(reason: str) -> str:
    """Return a reason as one line.

    Raises:
        ConfigError: it is empty, or has control characters.
    """
    line = " ".join(reason.split())
    if not line:
        raise ConfigError("the history needs a reason; pass --reason and a sentence that says why")
    if not all(character.isprintable() or character in "\n\r\t" for character in reason):
        raise ConfigError(f"found control characters in the reason {reason[:80]!a}; expected a line of text")
    return line


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
        table.add_row(*map(Text, row))  # verbatim: text written by people is not markup
    Console().print(table)


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2).encode())
