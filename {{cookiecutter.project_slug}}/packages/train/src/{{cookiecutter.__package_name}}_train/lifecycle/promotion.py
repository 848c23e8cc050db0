"""Register a version, and promote it to a stage: only what has passed the gate, and is no worse than what is there."""

import json
from dataclasses import dataclass
from io import BytesIO

import pyarrow.parquet as pq

from ..examples import load_examples
from ..prediction import DataError, Model, ProjectError
from ..project import Project
from .comparison import Comparison, compare
from .git import GitError, read_commit, require_author, require_clean
from .registry import PROMOTE, Registry, check_version, tag_stage, tag_version
from .settings import Promotion
from .store import (
    digest,
    find_hash,
    load_model,
    push_outputs,
    read_output,
    read_path,
    registered_hash,
    require_reproduced,
)


class PromotionError(ProjectError):
    """A model did not pass."""


@dataclass(frozen=True)
class Promoted:
    """What a promotion did: nothing, where the version was there already."""

    version: str
    stage: str
    new: bool
    comparison: Comparison | None


def register(version: str | None, reason: str, remote: str | None) -> str:
    """Register the model of the current commit, and return its version.

    Args:
        version: by default, the one that `Registry.propose` gives.
        reason: why, for the history.
        remote: the git remote to push the tag to; None for none.

    Raises:
        PromotionError: the gate has not passed for exactly these bytes, or they are registered already.
        GitError: the working tree differs from the commit, the clone is shallow, or the tag cannot be made or pushed.
        DataError: the model cannot be pushed to the DVC remote.
    """
    require_author()
    require_clean()
    commit, registry, project = read_commit("HEAD"), Registry.read(), Project.load()
    model = _require_passed(project)
    path = read_path(commit, "model")
    md5 = find_hash(commit, path)
    for name, event in registry.versions.items():
        if event.commit == commit or registered_hash(event) == md5:
            raise PromotionError(
                f"this model is registered already, as {name}: promote that, or train another one and commit it"
            )
    last = load_model(next(reversed(registry.versions.values())).commit) if registry.versions and not version else None
    chosen = check_version(version) if version else registry.propose(model, last)
    if chosen in registry.versions:
        raise PromotionError(
            f"{chosen} is registered already; expected another version than {', '.join(registry.versions)}"
        )
    push_outputs()  # before the tag: it must never name bytes that nobody has
    tag_version(chosen, reason, {"model": model.version, "md5": md5, "metrics": model.metrics["model"]}, remote)
    return chosen


def promote(version: str, stage: str, reason: str, settings: Promotion, *, force: bool, remote: str | None) -> Promoted:
    """Assign a stage to a version, if it is no worse than the model that is there now, on the version's hold-out rows.

    Args:
        version: a registered one.
        stage: its name.
        reason: why, for the history.
        settings: what is worse.
        force: whether to promote even what is worse; the history then says so.
        remote: the git remote to push the tag to; None for none.

    Raises:
        PromotionError: it is worse beyond the margin, or too few rows tell; or the two cannot be compared.
        GitError: there is no such version, the clone is shallow, or the tag cannot be made or pushed.
        DataError: the models or the rows cannot be fetched.
    """
    require_author()
    registry = Registry.read()
    name = check_version(version)
    candidate = registry.find(name)
    before = registry.stack(stage)[-1:]
    if before == [name]:
        return Promoted(name, stage, new=False, comparison=None)
    model = load_model(candidate.commit)
    comparison, refusal = None, ""
    if before:
        comparison, refusal = _compare(model, candidate.commit, registry.find(before[0]).commit, settings)
    if refusal and not force:
        raise PromotionError(
            f"{name} is not promoted to {stage}, where {before[0]} is: {refusal}; nothing was changed: train a better "
            "one, or pass --force, and its reason, which the history keeps"
        )
    facts: dict[str, object] = {"from": before[0]} if before else {}
    if comparison:
        facts["comparison"] = str(comparison)
    if refusal:
        facts["forced"] = refusal
    tag_stage(name, stage, PROMOTE, reason, facts, remote)
    return Promoted(name, stage, new=True, comparison=comparison)


def _require_passed(project: Project) -> Model:
    """Return the model that lies here, whose gate has passed for exactly these bytes.

    Raises:
        PromotionError: it has not.
    """
    paths = project.paths
    require_reproduced("gate")  # the model, the report and all that the gate read are those in dvc.lock
    model = Model.load(paths.model, contract=project.contract)
    try:
        rows = json.loads(paths.gate.read_text(encoding="utf-8"))
        passed = bool(rows) and all(row["passed"] is True for row in rows)
        measured = json.loads(paths.metrics.read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise PromotionError(f"{paths.gate} or {paths.metrics} cannot be read ({error}); run dvc repro") from error
    if not passed or model.metrics != measured:
        raise PromotionError(
            f"the gate has not passed for exactly these bytes ({paths.model}, MD5 {digest(paths.model.read_bytes())}): "
            f"{paths.gate} and {paths.metrics} speak of another model, or of a refusal; run dvc repro, and commit"
        )
    return model


def _compare(model: Model, commit: str, other: str, settings: Promotion) -> tuple[Comparison | None, str]:
    """Return the comparison on the hold-out rows of a commit with the model of another, and why it refuses."""
    old = load_model(other)
    if names := old.contract.differences(model.contract):
        return None, f"the two cannot be compared, their schemas differ in {', '.join(names)}"
    try:
        rows = pq.read_table(BytesIO(read_output(commit, "test")), partitioning=None)
    except GitError as error:
        raise DataError(f"the hold-out rows of {commit[:12]} are not there: {error}") from error
    comparison = compare(model, old, load_examples(rows, model.contract), settings, seed=0)
    return comparison, "" if comparison.passed else str(comparison)
