"""Lineage: trace a version, a model file or a prediction to its commit, data, parameters and people."""

from pathlib import Path
from typing import Any

from {{ cookiecutter.__package_name }}_predict.artefact import Lineage
from {{ cookiecutter.__package_name }}_predict.errors import ConfigError, DataError, ProjectError
from {{ cookiecutter.__package_name }}_predict.model import Model
from {{ cookiecutter.__package_name }}_records.log_reader import read_request
from {{ cookiecutter.__package_name }}_records.settings import PredictionLogSettings

from ..dvc_store import LOCK, digest, find_hash, load_model, read_lock, read_paths
from ..git import GitError, git, read_commit
from .registry import Registry

Facts = dict[str, Any]
INPUTS = ("source", "raw", "clean", "train", "holdout")


class LineageError(ProjectError):
    """The subject cannot be traced to a commit."""


def trace(subject: str, log: PredictionLogSettings | None) -> Facts:
    """Return what a model or a prediction was made from, as facts for JSON.

    Args:
        subject: a registered version, a model file, the first digits of a model's SHA-256 as in the service's answers,
            a git revision, or the id of a request in the prediction log.
        log: the settings of the prediction log; None without one.

    Raises:
        LineageError: the subject is none of these, or no commit has this model.
        GitError: a commit lacks `dvc.lock`.
    """
    registry = Registry.read()
    if subject.removeprefix("v") in {version.removeprefix("v") for version in registry.versions}:
        return describe(registry.find(f"v{subject.removeprefix('v')}").commit, registry)
    if Path(subject).is_file():
        return describe(find_commit(Path(subject), registry), registry)
    if commit := _find_version(subject, registry):
        return describe(commit, registry)
    if predictions := _read_request(subject, log):
        models = {str(row["model_version"]) for row in predictions}
        found = {model: _find_version(model, registry) for model in models}
        if missing := [model for model, commit in found.items() if commit is None]:
            raise LineageError(
                f"the request {subject} was answered by the model {', '.join(missing)}, which is not registered; "
                "run git fetch --tags, or pass the model file"
            )
        if len(found) > 1:
            raise LineageError(
                f"the id {subject} belongs to requests to several models; pass one of them: {', '.join(sorted(found))}"
            )
        (commit,) = found.values()
        return {"request": {"id": subject, "predictions": predictions}, **describe(str(commit), registry)}
    try:
        commit = read_commit(subject)
    except GitError as error:
        raise LineageError(
            f"{subject!r} is not a registered version, model file, git revision or request in the prediction log; "
            "see history, or run git fetch --tags"
        ) from error
    return describe(commit, registry)


def describe(commit: str, registry: Registry) -> Facts:
    """Return what git, DVC and the tags record about the model of a commit."""
    lock = read_lock(commit)
    who, email, when, subject = git("show", "--no-patch", "--format=%an%x00%ae%x00%aI%x00%s", commit).split("\0")
    versions = {name for name, event in registry.versions.items() if event.commit == commit}
    model = load_model(commit)
    paths = read_paths(commit)
    return {
        "model": {
            "version": model.version,
            "path": paths["model"],
            "md5": find_hash(commit, paths["model"]),
            "registered": sorted(versions),
        },
        "commit": {"hash": commit, "author": f"{who} <{email}>", "when": when, "subject": subject},
        "data": {name: md5 for name in INPUTS if name in paths and (md5 := _find_data(lock, paths[name]))},
        "inputs": model.lineage.inputs,
        "agrees_with_lock": _agrees(model.lineage, lock),
        "params": model.lineage.params,
        "metrics": model.metrics,
        "history": [
            event.as_dict() for event in registry.events if {event.version, event.facts.get("from")} & versions
        ],
    }


def find_commit(path: Path, registry: Registry) -> str:
    """Return the commit of a model file: the registered one, or the first whose `dvc.lock` has its MD5.

    Raises:
        ModelError: the file is not a model.
        LineageError: no commit has it.
    """
    Model.load(path)
    md5 = digest(path.read_bytes())
    for event in registry.versions.values():
        if event.model_hash() == md5:
            return event.commit
    if commits := git("log", "--all", "--reverse", "--format=%H", f"-S{md5}", "--", LOCK.as_posix()).split():
        return commits[0]
    raise LineageError(f"no commit has {path} (MD5 {md5}) in its {LOCK}; git fetch --all --tags, then run again")


def _find_version(digits: str, registry: Registry) -> str | None:
    """Return the commit of a registered model whose version the digits start with."""
    for event in registry.versions.values():
        model = event.facts.get("model") or load_model(event.commit).version
        if len(digits) >= len(model) and digits.startswith(model):
            return event.commit
    return None


def _find_data(lock: Facts, path: str) -> str | None:
    """Return the MD5 of a dependency or an output of any stage."""
    entries = (entry for stage in lock.values() for kind in ("deps", "outs") for entry in stage.get(kind, []))
    return next((entry.get("md5") or entry.get("etag") for entry in entries if entry["path"] == path), None)


def _agrees(lineage: Lineage, lock: Facts) -> bool:
    """Return whether the hashes in the model match those that the commit recorded."""
    return all(_find_data(lock, path) == md5 for path, md5 in lineage.inputs.items())


def _read_request(request_id: str, log: PredictionLogSettings | None) -> list[Facts]:
    """Return the rows of a request in the prediction log; none if there is no log."""
    try:
        return read_request(log, request_id)
    except (ConfigError, DataError):
        return []
