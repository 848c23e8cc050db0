"""What a commit stands for: the hashes in its `dvc.lock`, and the bytes that DVC keeps for them."""

import hashlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import yaml
from dvc.exceptions import DvcException
from dvc.repo import Repo

from {{ cookiecutter.__package_name }}_predict.errors import ConfigError, DataError
from {{ cookiecutter.__package_name }}_predict.model import Model

from .git import GitError, git
from .project import CONFIG

LOCK = Path("dvc.lock")
T = TypeVar("T")


def read_lock(commit: str) -> dict[str, Any]:
    """Return the stages in the `dvc.lock` of a commit.

    Raises:
        GitError: the commit has none.
    """
    return _read(commit, LOCK, lambda content: dict(content["stages"]))


def read_paths(commit: str) -> dict[str, str]:
    """Return the paths in the configuration of a commit."""
    return _read(commit, CONFIG, lambda content: {name: str(path) for name, path in content["paths"].items()})


def read_path(commit: str, name: str) -> str:
    """Return a path as the configuration of a commit has it."""
    return _read(commit, CONFIG, lambda content: str(content["paths"][name]))


def _read(commit: str, path: Path, take: Callable[[Any], T]) -> T:
    try:
        return take(yaml.safe_load(git("show", f"{commit}:{path.as_posix()}")))
    except (GitError, KeyError, TypeError, yaml.YAMLError) as error:
        raise GitError(f"the commit {commit[:12]} has no sound {path} ({error}); run dvc repro, and commit") from error


def find_hash(commit: str, path: str) -> str:
    """Return the MD5 that `dvc.lock` has for an output at a commit.

    Raises:
        GitError: it is no output there.
    """
    for stage in read_lock(commit).values():
        for out in stage.get("outs", []):
            if out["path"] == path:
                return str(out["md5"])
    raise GitError(f"{path} is no output in the {LOCK} of the commit {commit[:12]}; run dvc repro, and commit")


def read_output(commit: str, name: str) -> bytes:
    """Return the bytes of an output, such as `model`, at a commit: from DVC's cache or from its remote.

    Raises:
        DataError: they are in neither, the remote cannot be reached, or they are not what `dvc.lock` says.
    """
    path = read_path(commit, name)
    expected = find_hash(commit, path)
    with _reachable(f"{path} of the commit {commit[:12]}"), Repo(rev=commit) as repo:
        data = bytes(repo.dvcfs.read_bytes(path))
    if digest(data) != expected:
        raise DataError(
            f"{path} of the commit {commit[:12]} has the MD5 {digest(data)}, but {LOCK} says {expected}; "
            "the cache or the remote is damaged: dvc push from where the model was trained"
        )
    return data


def load_model(commit: str) -> Model:
    """Return the verified model of a commit."""
    return Model.parse(read_output(commit, "model"), Path(read_path(commit, "model")))


def push_outputs() -> None:
    """Push all that the workspace's `dvc.lock` names to the DVC remote.

    Raises:
        DataError: the remote cannot be reached or written.
    """
    with _reachable("what dvc.lock names"), Repo() as repo:
        repo.push()


def check_out() -> None:
    """Have the outputs in the workspace follow `dvc.lock`, where DVC has them; what it has not is left out."""
    try:
        with Repo() as repo:
            repo.checkout(allow_missing=True)
    except DvcException as error:  # somebody has changed an output, which DVC does not overwrite
        print(  # noqa: T201
            f"warning: the outputs here are not those of {LOCK} ({error}); save what you need of them, then "
            "dvc checkout --force",
            file=sys.stderr,
        )


def require_reproduced(stage: str) -> None:
    """Make sure that a stage has run on exactly what lies here, and that what lies here came out of it.

    Raises:
        DataError: something differs.
    """
    try:
        with Repo() as repo:
            status = repo.status(targets=[stage])
    except Exception as error:  # each part of DVC has error types of its own
        raise ConfigError(f"the stage {stage} cannot be looked at ({error}); run dvc repro") from error
    if status:
        changes = [
            f"{what}: {', '.join(items)}"
            for entries in status.values()
            for entry in entries
            if isinstance(entry, dict)
            for what, items in entry.items()
            if isinstance(items, dict)
        ]
        raise DataError(
            f"{LOCK} does not say that the stage {stage} has passed for what lies here ({'; '.join(changes)}); "
            "run dvc repro, commit, then run again"
        )


def digest(data: bytes) -> str:
    """Return the MD5 of bytes, as DVC names them."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


@contextmanager
def _reachable(what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # each kind of remote has error types of its own
        raise DataError(
            f"DVC could not transfer {what} ({type(error).__name__}: {error}); check the network, the credentials and "
            "dvc remote list, then run again"
        ) from error
