"""Release and rollback: verify the model of a stage, then make it the live model atomically."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import fsspec
from filelock import FileLock, Timeout

from {{ cookiecutter.__package_name }}_predict.atomic import whole_file
from {{ cookiecutter.__package_name }}_predict.errors import ConfigError, DataError
from {{ cookiecutter.__package_name }}_predict.model import Model

from ..dvc_store import digest, find_hash, read_output, read_path, require_shared_remote
from ..git import GitError, require_author
from ..project import pipeline_paths
from ..settings import LifecycleSettings
from .registry import ROLLBACK, Registry, tag_stage

KEPT = "releases"
PATIENCE = 60.0  # seconds


@dataclass(frozen=True)
class Released:
    """The live model; `new` is false if it was live already."""

    version: str
    model: str
    path: Path
    new: bool


def release(stage: str, settings: LifecycleSettings) -> Released:
    """Make the model of a stage the live model, at the path in the stage's settings; this is safe to repeat.

    Raises:
        GitError: no version is in the stage, or the clone is shallow.
        DataError: the model cannot be fetched, or the file cannot be written.
        ModelError: the model is damaged, or was trained under a contract other than the configured one.
        ConfigError: the live model is the file that the pipeline writes, or a workflow's DVC remote is a local folder.
    """
    require_shared_remote()
    with one_at_a_time(settings):
        event = Registry.read().current(stage)
        with going_live(event.version, event.commit, settings) as released:
            return released


def rollback(stage: str, reason: str, settings: LifecycleSettings, remote: str | None) -> Released:
    """Roll a stage back to its previous version, and record that.

    The model is fetched and verified first, then the tag is created, then the file is replaced; a failure changes
    nothing. Releases that are kept beside the live model need no network.

    Args:
        stage: the name of the stage.
        reason: why, for the history.
        settings: the settings of the stage.
        remote: the git remote to push the tag to; None for none.

    Raises:
        GitError: there is no previous version, or the tag cannot be created or pushed.
        DataError: the model cannot be fetched, or the file cannot be written.
        ModelError: the model is damaged.
        ConfigError: the live model is the file that the pipeline writes.
    """
    require_author()
    with one_at_a_time(settings):
        registry = Registry.read()
        current, *before = reversed(registry.stack(stage) or [registry.current(stage).version])
        if not before:
            raise GitError(
                f"there is no version before {current} in the stage {stage}; promote another, or run git fetch --tags"
            )
        event = registry.find(before[0])
        with going_live(event.version, event.commit, settings) as released:
            tag_stage(event.version, stage, ROLLBACK, reason, {"from": current}, remote)
        return released


@contextmanager
def one_at_a_time(settings: LifecycleSettings) -> Iterator[None]:
    """Hold a lock beside the live model, so that no other release or rollback comes between a decision and its effect.

    Raises:
        GitError: another one holds it for longer than `PATIENCE`.
    """
    folder = find_live(settings).parent
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".release.lock", timeout=PATIENCE):
            yield
    except Timeout as error:
        raise GitError(
            f"another release or rollback has been running for {PATIENCE:.0f} seconds; wait for it, then run again"
        ) from error


def find_live(settings: LifecycleSettings) -> Path:
    """Return the path of the live model in the settings.

    Raises:
        ConfigError: it is the file that the pipeline writes, so its next run would undo a release.
    """
    live = settings.paths.model
    if live.resolve() == pipeline_paths().model.resolve():
        raise ConfigError(
            f"paths.model is {live}, which the pipeline writes; expected a separate file for releases: "
            "set it in the stage's own file, as config/production.yaml does"
        )
    return live


@contextmanager
def going_live(version: str, commit: str, settings: LifecycleSettings) -> Iterator[Released]:
    """Fetch, verify and write a version beside the live model; if the block succeeds, it replaces the live model.

    Args:
        version: the name of the version.
        commit: the commit where it was registered.
        settings: the settings of the stage.
    """
    live = find_live(settings)
    kept = live.parent / KEPT / f"{version}.onnx"
    data, model = _load(commit, kept, settings)
    if live.is_file() and live.read_bytes() == data:
        yield Released(version, model.version, live, new=False)
    else:
        _keep(data, kept, settings.lifecycle.release.keep)
        with whole_file(live) as file:
            file.write(data)
            file.flush()  # a full disk must fail here, before the block runs
            yield Released(version, model.version, live, new=True)
    if address := settings.lifecycle.release.publish:
        publish(data, address)


def _load(commit: str, kept: Path, settings: LifecycleSettings) -> tuple[bytes, Model]:
    """Return the bytes and the verified model of a commit, from a kept release or from DVC."""
    path = read_path(commit, "model")
    data = kept.read_bytes() if kept.is_file() else b""
    if digest(data) != find_hash(commit, path):
        data = read_output(commit, "model")
    return data, Model.parse(data, Path(path), contract=settings.paths.load_contract())


def publish(data: bytes, address: str) -> None:
    """Upload bytes to an fsspec address, under a temporary name first.

    Raises:
        DataError: the address cannot be written to.
    """
    try:
        filesystem, path = fsspec.url_to_fs(address)
        filesystem.makedirs(path.rpartition("/")[0], exist_ok=True)
        filesystem.pipe_file(f"{path}.partial", data)
        filesystem.mv(f"{path}.partial", path)
    except Exception as error:  # each fsspec backend raises its own error types
        raise DataError(
            f"the model is live and recorded here, but could not be uploaded to {address} ({type(error).__name__}: "
            f"{error}); correct lifecycle.release.publish, or check the network and the credentials, then run release "
            "again"
        ) from error


def _keep(data: bytes, kept: Path, count: int) -> None:
    """Keep a release beside the live model, and delete the oldest ones beyond the count."""
    with whole_file(kept) as file:
        file.write(data)
    by_age = sorted(kept.parent.glob("*.onnx"), key=lambda path: path.stat().st_mtime_ns)
    for path in by_age[:-count]:
        path.unlink()
