"""Retraining: run the pipeline on the current source data, and publish either a complete new version or nothing.

The pipeline, commit, registration and promotion run in a temporary clone; the result is then published atomically.
"""

import json
import os
import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import chdir, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from {{ cookiecutter.__package_name }}_predict.atomic import whole_file
from {{ cookiecutter.__package_name }}_predict.errors import ProjectError

from ..dvc_store import LOCK, digest, require_shared_remote
from ..git import (
    fetch,
    git,
    list_changes,
    push,
    read_branch,
    read_commit,
    require_author,
    require_clean,
    require_history,
)
from ..project import pipeline_paths
from ..settings import Event, LifecycleSettings
from ..versions.promotion import promote, register
from ..versions.registry import Registry
from ..versions.release import Released, find_live, release
from . import summary
from .publish import Retrained, publish, take_back_merge, take_over
from .temporary_clone import run, temporary_clone

EVENTS: dict[str, Event] = {"ingest": "ingestion", "validate": "data", "gate": "gate"}


class RetrainingError(ProjectError):
    """Retraining failed.

    Attributes:
        event: what failed, for the alert.
    """

    def __init__(self, message: str, event: Event = "retraining") -> None:
        """Make an error with the event to report."""
        super().__init__(message)
        self.event: Event = event


def retrain(reason: str, settings: LifecycleSettings, *, apart: bool, remote: str | None) -> Retrained:
    """Retrain if something has changed; commit, register and, if configured, promote and release.

    Args:
        reason: why, for the history.
        settings: the settings of the stage, if there is one to promote to.
        apart: whether to commit to a separate branch for a pull request, and leave the promotion to whoever merges it;
            if retraining releases, it commits to the current branch in any case.
        remote: the git remote to push to; None for none.

    Raises:
        RetrainingError: another run holds the lock, or a step failed; production and git are then unchanged.
        GitError: the repository is not in a usable state, or the remote rejects the push.
        ConfigError: the configuration is wrong.
    """
    folder = Path(git("rev-parse", "--absolute-git-dir")) / "retraining"
    with _locked(folder):
        branch = _require_ready(settings, remote)
        if done := publish(settings, remote):  # the unfinished publication of a killed run
            return done
        if remote:  # fail before the long work, not after it
            push(remote, f"HEAD:refs/heads/{branch}", dry_run=True)
        reports, base = Path(settings.lifecycle.reports), read_commit("HEAD")
        with temporary_clone(folder, pipeline_paths().source) as clone:
            _reproduce(clone, reports)
            if not list_changes(clone):
                return Retrained(None, None, branch, _release_again(settings))
            apart = apart and not settings.lifecycle.retraining.release
            version = _record(clone, reason, settings, None if apart else settings.lifecycle.retraining.stage)
            if apart and version is None:  # it is on a branch already, or the model is unchanged
                return Retrained(None, None, branch, None)
            take_over(clone, f"retraining/{version}" if apart else branch)
        done = publish(settings, remote)
        assert done is not None  # noqa: S101  # it was fetched above
        summary.write_success(reports, base, read_commit(f"refs/heads/{done.branch}"), version)
        if apart:
            summary.tell_workflow(done.branch, version)
        return done


def _require_ready(settings: LifecycleSettings, remote: str | None) -> str:
    """Return the current branch, after checking that nothing prevents publication."""
    if remote:
        require_shared_remote()
    require_author()
    require_history()
    branch = read_branch()
    take_back_merge()
    require_clean()
    if settings.lifecycle.retraining.release:
        find_live(settings)
    if remote:
        fetch(remote)
    return branch


def _reproduce(clone: Path, reports: Path) -> None:
    """Run the pipeline in the clone.

    Raises:
        RetrainingError: a stage failed.
    """
    code, printed = run(clone, "dvc", "repro", "ingest")  # separately: a missing source would count as unchanged
    if not code:
        code, printed = run(clone, "dvc", "repro", "--allow-missing", "--pull")  # unchanged data may be absent
    if not code:
        return
    stage = re.search(r"failed to reproduce '([^']+)'", printed)
    name = stage[1] if stage else "of the pipeline"
    raise RetrainingError(
        f"the stage {name} failed: {_reason(printed)}; production and git are unchanged"
        f"{_keep_reports(clone, reports / 'failed')}",
        EVENTS.get(name, "retraining"),
    )


def _keep_reports(clone: Path, folder: Path) -> str:
    """Keep the reports of a failed run, and return where they are."""
    shutil.rmtree(folder, ignore_errors=True)
    paths = [path for name in list_changes(clone) if (path := clone / name).is_file() and path.name != LOCK.name]
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        for path in paths:
            shutil.copy(path, folder)
    return f"; the reports of the run are in {folder}" if paths else ""


def _record(clone: Path, reason: str, settings: LifecycleSettings, stage: str | None) -> str | None:
    """Commit, register and promote in the clone; return the version, or None if the model is unchanged.

    Raises:
        RetrainingError: the version cannot be registered, or is worse than the one in the stage.
    """
    git("add", "--all", cwd=clone)
    git("commit", "--quiet", "--message", f"Retrain the model: {reason}", cwd=clone)
    model = clone / pipeline_paths().model
    known = {event.model_hash() for event in Registry.read().versions.values()}
    if not model.exists() or digest(model.read_bytes()) in known:
        return None
    event: Event = "retraining"
    try:
        with chdir(clone):
            version = register(None, reason, None)
            if stage:
                event = "gate"
                promote(version, stage, reason, settings.lifecycle.promotion, force=False, remote=None)
    except ProjectError as error:
        raise RetrainingError(f"{error}; production and git are unchanged", event) from error
    return version


def _reason(printed: str) -> str:
    """Return why a command failed: its last error line, or its last line."""
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return (errors or lines or ["it printed no reason"])[-1]


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the lock, or report who does; the system releases it when a process ends, however it ends."""
    folder.mkdir(parents=True, exist_ok=True)
    holder = folder / "holder.json"
    lock = FileLock(folder / "lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        with suppress(OSError, ValueError):
            found = json.loads(holder.read_text(encoding="utf-8"))
            raise RetrainingError(
                f"another run is in progress: process {found['process']} on {found['host']}, since {found['since']}; "
                "wait for it to end, or stop it"
            ) from error
        raise RetrainingError("another retraining has just started; wait for it to end") from error
    try:
        with whole_file(holder) as file:
            said = {
                "process": os.getpid(),
                "host": socket.gethostname(),
                "since": datetime.now(UTC).isoformat("T", "seconds"),
            }
            file.write(json.dumps(said).encode())
        yield
    finally:
        lock.release()


def _release_again(settings: LifecycleSettings) -> Released | None:
    """Release the version in the stage, in case a killed run did not get that far."""
    stage = settings.lifecycle.retraining.stage
    if stage and settings.lifecycle.retraining.release and Registry.read().stack(stage):
        return release(stage, settings)
    return None
