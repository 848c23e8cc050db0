"""What DVC stores for a commit: the hashes in its `dvc.lock`, and the data behind them."""

import hashlib
import os
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
        GitError: the commit has no valid `dvc.lock`.
    """
    return _read(commit, LOCK, lambda content: dict(content["stages"]))


def read_paths(commit: str) -> dict[str, str]:
    """Return the paths in the configuration of a commit."""
    return _read(commit, CONFIG, lambda content: {name: str(path) for name, path in content["paths"].items()})


def read_path(commit: str, name: str) -> str:
    """Return a path from the configuration of a commit."""
    return _read(commit, CONFIG, lambda content: str(content["paths"][name]))


def _read(commit: str, path: Path, take: Callable[[Any], T]) -> T:
    try:
        return take(yaml.safe_load(git("show", f"{commit}:{path.as_posix()}")))
    except (GitError, KeyError, TypeError, yaml.YAMLError) as error:
        raise GitError(f"the commit {commit[:12]} has no valid {path} ({error}); run dvc repro, and commit") from error


def find_hash(commit: str, path: str) -> str:
    """Return the MD5 of an output in the `dvc.lock` of a commit.

    Raises:
        GitError: the commit has no such output.
    """
    for stage in read_lock(commit).values():
        for out in stage.get("outs", []):
            if out["path"] == path:
                return str(out["md5"])
    raise GitError(f"{path} is not an output in the {LOCK} of the commit {commit[:12]}; run dvc repro, and commit")


def read_output(commit: str, name: str) -> bytes:
    """Return the bytes of an output, such as `model`, at a commit, from DVC's cache or its remote.

    Raises:
        DataError: they are in neither, the remote cannot be reached, or their MD5 differs from `dvc.lock`.
    """
    path = read_path(commit, name)
    expected = find_hash(commit, path)
    with _reachable(f"{path} of the commit {commit[:12]}"), Repo(rev=commit) as repo:
        data = bytes(repo.dvcfs.read_bytes(path))
    if digest(data) != expected:
        raise DataError(
            f"{path} of the commit {commit[:12]} has the MD5 {digest(data)}, but {LOCK} says {expected}; "
            "the cache or the remote is damaged: run dvc push where the model was trained"
        )
    return data


def load_model(commit: str) -> Model:
    """Return the verified model of a commit."""
    return Model.parse(read_output(commit, "model"), Path(read_path(commit, "model")))


def push_outputs() -> None:
    """Push all outputs in the workspace's `dvc.lock` to the DVC remote.

    Raises:
        DataError: the remote cannot be reached or written to.
    """
    with _reachable("the outputs in dvc.lock"), Repo() as repo:
        repo.push()


def require_shared_remote() -> None:
    """Refuse to work with a DVC remote that is a folder of this machine, if the machine ends with its job.

    Raises:
        ConfigError: this is a hosted runner of GitHub, and the DVC remote is a local folder or is not configured.
    """
    if os.environ.get("RUNNER_ENVIRONMENT") != "github-hosted":
        return
    with Repo() as repo:
        name = repo.config["core"].get("remote")
        url = repo.config["remote"].get(name, {}).get("url", "")
    if "://" not in url:
        raise ConfigError(
            f"the DVC remote is {url or 'not configured'}, which is deleted when this job ends: the models that tags "
            "name would be lost. On your computer, run `dvc remote modify storage url s3://BUCKET/PATH` (or gs://, "
            "azure://, ssh://), write dvc[s3] into requirements/remote-s3.in and run `python3 bootstrap.py lock "
            "repro`, and run `dvc push`; then commit, and give the workflow the credentials"
        )


def check_out() -> None:
    """Update the outputs in the workspace to `dvc.lock`, except those that DVC does not have."""
    try:
        with Repo() as repo:
            repo.checkout(allow_missing=True)
    except DvcException as error:  # an output was changed, and DVC does not overwrite it
        print(  # noqa: T201
            f"warning: the outputs here differ from {LOCK} ({error}); save what you need of them, then run "
            "dvc checkout --force",
            file=sys.stderr,
        )


def require_reproduced(stage: str) -> None:
    """Check that a stage is up to date: `dvc.lock` matches its inputs and outputs in the workspace.

    Raises:
        DataError: an input or an output differs.
    """
    try:
        with Repo() as repo:
            status = repo.status(targets=[stage])
    except Exception as error:  # each part of DVC raises its own error types
        raise ConfigError(f"the status of the stage {stage} cannot be read ({error}); run dvc repro") from error
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
            f"{LOCK} is out of date for the stage {stage} ({'; '.join(changes)}); run dvc repro, commit, then run again"
        )


def digest(data: bytes) -> str:
    """Return the MD5 of bytes as DVC writes it."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


@contextmanager
def _reachable(what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # each kind of remote raises its own error types
        raise DataError(
            f"DVC could not transfer {what} ({type(error).__name__}: {error}); check the network, the credentials and "
            "dvc remote list, then run again"
        ) from error
