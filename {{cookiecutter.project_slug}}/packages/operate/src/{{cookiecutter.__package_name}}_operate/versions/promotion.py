"""Register versions that have passed the gate, and promote those that are no worse than the stage's current model."""

import json
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from {{ cookiecutter.__package_name }}_predict.contract import load_contract
from {{ cookiecutter.__package_name }}_predict.errors import DataError, ProjectError
from {{ cookiecutter.__package_name }}_predict.model import Model

from ..dvc_store import digest, find_hash, load_model, push_outputs, read_output, read_path, require_reproduced
from ..git import GitError, read_commit, require_author, require_clean
from ..project import CommandFailedError, PipelinePaths, pipeline_paths, run_pipeline
from ..settings import Promotion
from .compatibility import compare_contracts
from .registry import PROMOTE, Registry, check_version, tag_stage, tag_version


class PromotionError(ProjectError):
    """A model cannot be registered or promoted."""


@dataclass(frozen=True)
class Promoted:
    """The result of a promotion; `new` is false if the version was already in the stage."""

    version: str
    stage: str
    new: bool
    comparison: str


def register(version: str | None, reason: str, remote: str | None) -> str:
    """Register the model of the current commit, and return its version.

    Args:
        version: the version; by default, the one that `Registry.propose` returns.
        reason: why, for the history.
        remote: the git remote to push the tag to; None for none.

    Raises:
        PromotionError: exactly this file has not passed the gate, or it is already registered.
        GitError: the working tree is not clean, the clone is shallow, or the tag cannot be created or pushed.
        DataError: the model cannot be pushed to the DVC remote.
    """
    require_author()
    require_clean()
    commit, registry = read_commit("HEAD"), Registry.read()
    model = _require_passed(pipeline_paths())
    path = read_path(commit, "model")
    md5 = find_hash(commit, path)
    for name, event in registry.versions.items():
        if event.commit == commit or event.model_hash() == md5:
            raise PromotionError(
                f"this model is already registered as {name}; promote that version, or train another and commit it"
            )
    last = load_model(next(reversed(registry.versions.values())).commit) if registry.versions and not version else None
    chosen = check_version(version) if version else registry.propose(model, last)
    if chosen in registry.versions:
        raise PromotionError(
            f"{chosen} is already registered; expected a version other than {', '.join(registry.versions)}"
        )
    push_outputs()  # before the tag, which must never point to a model that is stored nowhere
    tag_version(chosen, reason, {"model": model.version, "md5": md5, "metrics": model.metrics["model"]}, remote)
    return chosen


def promote(version: str, stage: str, reason: str, settings: Promotion, *, force: bool, remote: str | None) -> Promoted:
    """Assign a stage to a version, if it is no worse than the stage's current model on the version's holdout.

    Nor may its contract break clients of the service.

    Args:
        version: a registered version.
        stage: the name of the stage.
        reason: why, for the history.
        settings: when a model counts as worse.
        force: whether to promote even such a model; the history then records it.
        remote: the git remote to push the tag to; None for none.

    Raises:
        PromotionError: the model is worse, there are too few rows to tell, or its contract breaks clients.
        GitError: there is no such version, the clone is shallow, or the tag cannot be created or pushed.
        DataError: the models or the rows cannot be fetched.
    """
    require_author()
    registry = Registry.read()
    name = check_version(version)
    candidate = registry.find(name)
    before = registry.stack(stage)[-1:]
    if before == [name]:
        return Promoted(name, stage, new=False, comparison="")
    model = load_model(candidate.commit)
    comparison = refusal = ""
    if before:
        comparison, refusal = _compare(model, candidate.commit, registry.find(before[0]).commit, settings)
    if refusal and not force:
        raise PromotionError(
            f"{name} is not promoted to {stage}, which has {before[0]}: {refusal}; nothing was changed: train a better "
            "model, or pass --force and a --reason, which the history records"
        )
    facts: dict[str, object] = {"from": before[0]} if before else {}
    if comparison:
        facts["comparison"] = comparison
    if refusal:
        facts["forced"] = refusal
    tag_stage(name, stage, PROMOTE, reason, facts, remote)
    return Promoted(name, stage, new=True, comparison=comparison)


def _require_passed(paths: PipelinePaths) -> Model:
    """Return the model in the workspace, if exactly this file has passed the gate.

    Raises:
        PromotionError: it has not passed.
    """
    require_reproduced("gate")  # the model, the report and all inputs of the gate match dvc.lock
    model = Model.load(paths.model, contract=load_contract(paths.contract))
    try:
        rows = json.loads(paths.gate.read_text(encoding="utf-8"))
        passed = bool(rows) and all(row["passed"] is True for row in rows)
        measured = json.loads(paths.metrics.read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise PromotionError(f"{paths.gate} or {paths.metrics} cannot be read ({error}); run dvc repro") from error
    if not passed or model.metrics != measured:
        raise PromotionError(
            f"exactly this file has not passed the gate ({paths.model}, MD5 {digest(paths.model.read_bytes())}): "
            f"{paths.gate} and {paths.metrics} are about another model, or report a failure; run dvc repro, and commit"
        )
    return model


def _compare(model: Model, commit: str, other: str, settings: Promotion) -> tuple[str, str]:
    """Return how the model of a commit compares with another on its holdout, and why it is refused, if it is."""
    changes = compare_contracts(load_model(other).contract, model.contract)
    breaking = [str(change) for change in changes if change.breaking]
    refusals = [f"its contract breaks clients ({'; '.join(breaking)})"] if breaking else []
    text = ""
    with TemporaryDirectory() as folder:
        files = {"new.onnx": (commit, "model"), "old.onnx": (other, "model"), "holdout.parquet": (commit, "holdout")}
        for name, (where, output) in files.items():
            try:
                Path(folder, name).write_bytes(read_output(where, output))
            except GitError as error:
                raise DataError(f"the {output} of the commit {where[:12]} cannot be found: {error}") from error
        options = (f"--{name}={value}" for name, value in settings.model_dump().items())
        try:
            found = run_pipeline("compare", *(str(Path(folder, name)) for name in files), *options, "--json")
        except CommandFailedError as error:
            refusals.append(f"the two cannot be compared: {error}")
        else:
            text = str(found["text"])
            refusals += [] if found["passed"] else [text]
    return text, "; and ".join(refusals)
