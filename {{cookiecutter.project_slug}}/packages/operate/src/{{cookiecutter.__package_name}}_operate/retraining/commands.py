"""The retraining commands; their dependencies are imported when they run."""

from pathlib import Path
from typing import Annotated

import typer

from {{ cookiecutter.__package_name }}_predict.errors import ConfigError, ProjectError
from {{ cookiecutter.__package_name }}_predict.settings import load_settings

from ..versions.commands import Push, Reason, choose_remote, require_reason


def retrain(
    reason: Reason = "on schedule",
    apart: Annotated[bool, typer.Option("--apart", help="Commit to a separate branch, for a pull request.")] = False,
    push: Push = None,
) -> None:
    """Retrain if data, code or parameters have changed; then commit, register and, if configured, release."""
    from .. import alerts
    from ..settings import load_lifecycle
    from . import summary
    from .retrain import RetrainingError
    from .retrain import retrain as run

    settings = load_lifecycle()
    if stage := settings.lifecycle.retraining.stage:
        settings = load_lifecycle(stage)
    elif settings.lifecycle.retraining.release:
        raise ConfigError("lifecycle.retraining.release needs a stage; set lifecycle.retraining.stage")
    try:
        done = run(require_reason(reason), settings, apart=apart, remote=choose_remote(settings, push))
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


def worker() -> None:
    """Retrain on request: run jobs from the service's queue, one at a time."""
    from {{ cookiecutter.__package_name }}_records.json_logs import configure_logs
    from {{ cookiecutter.__package_name }}_records.settings import WorkerSettings

    from .worker import Worker

    settings = load_settings(WorkerSettings, {})
    configure_logs(settings.logs.format)
    Worker(settings.jobs).run()
