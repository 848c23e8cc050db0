"""Adopt a table: from a file to a trained model, without the sample."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from {{ cookiecutter.__package_name }}_batch.dialect import PLAIN, Dialect
from {{ cookiecutter.__package_name }}_predict.errors import DataError, ProjectError

from .draft_contract import Draft, draft_contract
from .project import CONFIG, PARAMS, Project
from .yaml_comments import read_yaml, write_text, write_yaml

SAMPLE, KEPT = Path("data/sample"), Path("data/source")
RARE = 0.2  # the share of the rarer of two classes, below which ranking matters more than hits
MOST_SHOWN = 8


class AdoptError(ProjectError):
    """The table cannot be adopted as things are."""


@dataclass(frozen=True)
class Choices:
    """What the person who adopts a table has said about it."""

    target: str
    problem: Any = None
    time: str | None = None
    group: str | None = None


def adopt(source: Path, choices: Choices, console: Console) -> None:
    """Draft the contract, set configuration and parameters, remove the sample, and run the pipeline.

    Raises:
        AdoptError: the working tree has changes that are not committed, so there is nothing to go back to.
        DataError: the table cannot be read, or has no target or no feature.
        ProjectError: a stage has failed; the files are written, and can be corrected.
    """
    require_commit()
    draft = draft_contract(source, choices.target, choices.problem, choices.time, choices.group)
    project = Project.load()
    address = keep_table(source)
    write_text(project.paths.contract, str(draft))
    write_config(address, draft.dialect)
    write_params(draft, choices)
    shutil.rmtree(SAMPLE, ignore_errors=True)
    for note in draft.notes:
        console.print(Text(f"- {note}"))
    console.print(f"{project.paths.contract}, {CONFIG} and {PARAMS} are written; training…", highlight=False)
    if run("dvc", "repro", silent=False).returncode:
        raise AdoptError(
            f"the pipeline stopped, see above; correct {project.paths.contract}, {CONFIG} or {PARAMS} and run dvc "
            "repro, or go back with git checkout . and dvc checkout"
        )
    report(project.paths.metrics, console)


def run(*command: str, silent: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a program of this environment, even where that is not activated."""
    programs = os.pathsep.join([os.environ.get("PATH", ""), str(Path(sys.executable).parent)])
    return subprocess.run(  # noqa: S603  # they are ours
        command, env={**os.environ, "PATH": programs}, capture_output=silent, text=True, check=False
    )


def require_commit() -> None:
    """Refuse a working tree with changes that are not committed."""
    done = run("git", "status", "--porcelain", "-z", "--no-renames")
    if done.returncode or run("git", "rev-parse", "HEAD").returncode:
        raise AdoptError(
            "there is no commit to go back to; before you adopt a table, run git init, git add . and git commit"
        )
    if done.stdout:
        names = ", ".join(entry[3:] for entry in done.stdout.split("\0")[:5] if entry)
        raise AdoptError(
            f"found changes that are not committed ({names}); adopt overwrites schema.yaml, params.yaml and "
            "config/default.yaml: commit them first, so that you can go back"
        )


def keep_table(source: Path) -> str:
    """Return the path of a table for the configuration: a copy in the project, tracked by DVC, if it lies elsewhere."""
    path = source.resolve()
    if path.is_relative_to(Path.cwd().resolve()):
        return path.relative_to(Path.cwd().resolve()).as_posix()
    kept = KEPT / source.name
    kept.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, kept)
    done = run("dvc", "add", "--quiet", str(kept))
    if done.returncode:
        raise DataError(f"{kept} could not be tracked by DVC: {done.stderr.strip()[:300]}")
    return kept.as_posix()


def write_config(address: str, dialect: Dialect) -> None:
    """Set the source and how it is written in config/default.yaml; everything else and all comments stay."""
    content = read_yaml(CONFIG)
    content["paths"]["source"] = address
    section = content.setdefault("source", {})
    plain = PLAIN.model_dump(mode="json")
    for name, value in dialect.model_dump(mode="json").items():
        if section.get(name, plain[name]) != value:
            section[name] = value
    write_yaml(CONFIG, content)


def write_params(draft: Draft, choices: Choices) -> None:
    """Set split, metrics and gate in params.yaml as the drafted contract suggests."""
    content = read_yaml(PARAMS)
    content["split"]["by"] = "group" if choices.group else "time" if choices.time else "share"
    main, also = choose_metrics(draft)
    content["metrics"] = {"main": main, "also": also, "slices": []}
    content["metrics"] |= {"interval": 0.9} if draft.problem == "regression" else {"calibrate": False}
    gate = content["gate"]
    gate["minimum"], gate["maximum"] = {}, {}
    gate["min_gain_over_dummy"] = 0.02
    gate["max_single_feature_score"] = 0.98
    write_yaml(PARAMS, content)


def choose_metrics(draft: Draft) -> tuple[str, list[str]]:
    """Return the main metric and the others that suit a target."""
    if draft.problem == "regression":
        return "r2", ["mean_absolute_error", "root_mean_squared_error"]
    if len(draft.counts) == 2 and min(draft.counts.values()) < RARE * sum(draft.counts.values()):
        return "roc_auc", ["average_precision", "log_loss"]
    return ("roc_auc" if len(draft.counts) == 2 else "balanced_accuracy"), ["balanced_accuracy", "accuracy", "log_loss"]


def report(metrics: Path, console: Console) -> None:
    """Print the metrics beside those of the dummy baseline, the features that matter, and what to do next."""
    found = json.loads(metrics.read_text(encoding="utf-8"))
    table = Table("metric, on the holdout", "model", "dummy baseline")
    for name, value in found["model"].items():
        table.add_row(Text(name), f"{value:g}", f"{found['dummy'][name]:g}" if name in found["dummy"] else "")
    console.print(table)
    matter = ", ".join(
        f"{name} ({score['loss']:.3g})" for name, score in list(found["importance"].items())[:MOST_SHOWN]
    )
    console.print(
        Text(f"The features that matter most, by how much worse {found['main']} gets if they are shuffled: {matter}")
    )
    console.print("Next: review schema.yaml and reports/model_card.md, then run", highlight=False)
    for command in ("python3 bootstrap.py tests", "git add .", "git commit --message 'Adopt a table'"):
        console.print(f"  {command}", highlight=False)
