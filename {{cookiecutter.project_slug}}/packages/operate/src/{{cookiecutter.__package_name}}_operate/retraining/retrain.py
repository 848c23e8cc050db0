"""Retraining: run the pipeline on what the source has now, and publish a new version whole, or nothing.

All work is done in a scratch clone: pipeline, commit, registration, promotion. What comes out is then published.
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

from ..dvc_store import LOCK, digest
from ..git import fetch, git, push, read_branch, read_commit, require_author, require_clean, require_history
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
    """The model could not be trained again.

    Attributes:
        event: what failed, for the alert.
    """

    def __init__(self, message: str, event: Event = "retraining") -> None:
        """Say what failed."""
        super().__init__(message)
        self.event: Event = event


def retrain(reason: str, settings: LifecycleSettings, *, apart: bool, remote: str | None) -> Retrained:
    """Train again where something has changed; commit, register and, where configured, promote and release.

    Args:
        reason: why, for the history.
        settings: those of the stage, if there is one to promote to.
        apart: whether to commit to a branch of its own, for a pull request, and to leave the promotion to whoever
            merges it; where retraining releases, it commits to the current branch in any case.
        remote: the git remote to push to; None for none.

    Raises:
        RetrainingError: another run holds the lock, or a step failed; then production and git are as they were.
        GitError: the repository is in no state to go on from, or the remote does not take what is pushed.
        ConfigError: what is configured cannot be done.
    """
    folder = Path(git("rev-parse", "--absolute-git-dir")) / "retraining"
    with _locked(folder):
        branch = _require_ready(settings, remote)
        if done := publish(settings, remote):  # what a killed run has left
            return done
        if remote:  # before the work, which would be in vain
            push(remote, f"HEAD:refs/heads/{branch}", rehearse=True)
        reports, base = Path(settings.lifecycle.reports), read_commit("HEAD")
        with temporary_clone(folder, pipeline_paths().source) as clone:
            _reproduce(clone, reports)
            if not git("status", "--porcelain", cwd=clone):
                return Retrained(None, None, branch, _release_again(settings))
            apart = apart and not settings.lifecycle.retraining.release
            version = _record(clone, reason, settings, None if apart else settings.lifecycle.retraining.stage)
            if apart and version is None:  # it waits on a branch already, or makes no difference
                return Retrained(None, None, branch, None)
            take_over(clone, f"retraining/{version}" if apart else branch)
        done = publish(settings, remote)
        assert done is not None  # noqa: S101  # it was taken over
        summary.write_success(reports, base, read_commit(f"refs/heads/{done.branch}"), version)
        if apart:
            summary.tell_workflow(done.branch, version)
        return done


def _require_ready(settings: LifecycleSettings, remote: str | None) -> str:
    """Return the current branch, once it is clear that nothing stands in the way of publishing."""
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
    code, printed = run(clone, "dvc", "repro", "ingest")  # by itself: a source that is missing would count as unchanged
    if not code:
        code, printed = run(clone, "dvc", "repro", "--allow-missing", "--pull")  # what is unchanged need not be here
    if not code:
        return
    stage = re.search(r"failed to reproduce '([^']+)'", printed)
    name = stage[1] if stage else "of the pipeline"
    raise RetrainingError(
        f"the stage {name} failed: {_reason(printed)}; production and git are as they were"
        f"{_keep_reports(clone, reports / 'failed')}",
        EVENTS.get(name, "retraining"),
    )


def _keep_reports(clone: Path, folder: Path) -> str:
    """Keep what a failed run has written for people, and return where."""
    shutil.rmtree(folder, ignore_errors=True)
    lines = git("status", "--porcelain", "--untracked-files=all", cwd=clone).splitlines()
    paths = [path for line in lines if (path := clone / line[2:].strip()).is_file() and path.name != LOCK.name]
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        for path in paths:
            shutil.copy(path, folder)
    return f"; what the run reported is in {folder}" if paths else ""


def _record(clone: Path, reason: str, settings: LifecycleSettings, stage: str | None) -> str | None:
    """Commit, register and promote in the clone; return the version, or None if the model has come out as it was.

    Raises:
        RetrainingError: the version cannot be registered, or is worse than the one in the stage.
    """
    git("add", "--all", cwd=clone)
    git("commit", "--quiet", "--message", f"Train the model again: {reason}", cwd=clone)
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
        raise RetrainingError(f"{error}; production and git are as they were", event) from error
    return version


def _reason(printed: str) -> str:
    """Return why a command failed: its last line of error, or its last line."""
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return (errors or lines or ["it failed without a word"])[-1]


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the lock, or say who does; the system gives it back when a process ends, however it ends."""
    folder.mkdir(parents=True, exist_ok=True)
    holder = folder / "holder.json"
    lock = FileLock(folder / "lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        with suppress(OSError, ValueError):
            found = json.loads(holder.read_text(encoding="utf-8"))
            raise RetrainingError(
                f"another retraining runs: process {found['process']} on {found['host']}, since {found['since']}; "
                "wait for it to end, or end it"
            ) from error
        raise RetrainingError("another retraining has just begun; wait for it to end") from error
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
    """Release what is in the stage, where a killed run has not come to it."""
    stage = settings.lifecycle.retraining.stage
    if stage and settings.lifecycle.retraining.release and Registry.read().stack(stage):
        return release(stage, settings)
    return None
