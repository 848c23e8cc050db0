"""Tune the estimator: search the parameters in `train` with Optuna, by the main metric in cross-validation."""

import hashlib
import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import Progress
from sqlalchemy.engine import make_url

from {{ cookiecutter.__package_name }}_predict.artefact import Decision
from {{ cookiecutter.__package_name }}_predict.atomic import whole_file
from {{ cookiecutter.__package_name }}_predict.errors import ConfigError, DataError, ProjectError

from .cross_validation import predict_folds, summarise
from .dataset import Dataset, load_dataset, read_table
from .learner import Learner
from .params import Range
from .project import PARAMS, Project
from .yaml_comments import read_yaml, write_yaml

LOG_RATIO = 10  # a range whose ends differ by more is searched on a logarithmic scale
PLOT = Path("reports/tuning.png")
BEFORE = "before"  # the attribute of a study with the value of the parameters that it began with


@dataclass(frozen=True)
class Budget:
    """How long to search: a number of trials, minutes, or both; the first that is used up ends the search."""

    trials: int | None
    minutes: float | None


@dataclass(frozen=True)
class Tuned:
    """What a search has found.

    Attributes:
        metric: the main metric.
        before: its mean over the folds with the parameters in params.yaml.
        best: the best mean; that of before, if no trial is better.
        parameters: that gave it, by their names in the section `train`.
        trials: how many trials the study has, those of earlier searches included.
    """

    metric: str
    before: float
    best: float
    parameters: dict[str, Any]
    trials: int


def tune(project: Project, budget: Budget, storage: str) -> Tuned:
    """Search the space in the section `tune` of params.yaml; a search that was interrupted goes on where it stopped.

    A study goes on while the training rows, the contract and params.yaml (except `tune` and `gate`) stay the same.
    After a change to packages/train, use another storage.

    Args:
        project: the project, whose pipeline has run as far as the split.
        budget: how long to search.
        storage: the database of the studies, as for SQLAlchemy; several machines may share one in PostgreSQL.

    Raises:
        ConfigError: there is no space, or it names a parameter that the recipe does not have.
        DataError: no trial has succeeded.
    """
    if not project.params.tune:
        raise ConfigError(f"{PARAMS} has no section tune; add one, such as `lightgbm.num_leaves: [4, 64]`")
    for name, choice in project.params.tune.items():
        change(project, {name: choice[0]})
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    rows = load_dataset(read_table(project.paths.train), project.contract)
    metric = next(iter(project.metrics))
    with open_storage(storage) as database:
        study = optuna.create_study(
            storage=database,
            study_name=f"{metric}-{sign(project)}",
            direction="minimize" if project.metrics[metric].less_is_better else "maximize",
            sampler=optuna.samplers.TPESampler(seed=project.params.seed),
            pruner=optuna.pruners.MedianPruner(n_warmup_steps=1),
            load_if_exists=True,
        )
        if BEFORE not in study.user_attrs:
            study.set_user_attr(BEFORE, cross_validate(project, rows, project.params.train))
        with Progress(console=Console(stderr=True)) as bar:
            task = bar.add_task("Tuning", total=budget.trials)

            def show(study: optuna.Study, _: optuna.trial.FrozenTrial) -> None:
                best = f" {metric} {study.best_value:.6g}" if finished(study) else ""
                bar.update(task, advance=1, description=f"Tuning{best}")

            study.optimize(
                partial(score, project=project, rows=rows),
                n_trials=budget.trials,
                timeout=None if budget.minutes is None else budget.minutes * 60,
                callbacks=[show],
                catch=(ProjectError,),
            )
        if not finished(study):
            raise DataError(
                f"none of {len(study.trials)} trials has succeeded; narrow the ranges under tune in params.yaml"
            )
        plot_history(study, metric, PLOT)
        before, sign_of = float(study.user_attrs[BEFORE]), -1 if project.metrics[metric].less_is_better else 1
        better = sign_of * study.best_value > sign_of * before
        best = study.best_params if better else current(project)
        return Tuned(metric, before, study.best_value if better else before, best, len(study.trials))


def score(trial: optuna.Trial, project: Project, rows: Dataset) -> float:
    """Return the mean of the main metric over the folds for suggested parameters; stop early if it is poor."""
    chosen = {name: suggest(trial, name, choice) for name, choice in project.params.tune.items()}
    return cross_validate(project, rows, change(project, chosen), trial)


def cross_validate(project: Project, rows: Dataset, parameters: Any, trial: optuna.Trial | None = None) -> float:
    """Return the mean of the main metric over the folds; each is reported to the trial, which may be pruned."""
    learner, name, values = Learner.of(project, parameters), next(iter(project.metrics)), []
    decision = Decision(threshold=project.params.metrics.threshold)
    for step, fold in enumerate(project.recipe.folds(rows, project.params.split, project.params.seed)):
        made = predict_folds(rows, [fold], learner)
        found = summarise(rows, made, {name: project.metrics[name]}, decision)
        values.append(found.metrics[name].mean)
        if trial is not None:
            trial.report(float(np.mean(values)), step)
            if trial.should_prune():
                raise optuna.TrialPruned
    return float(np.mean(values))


def suggest(trial: optuna.Trial, name: str, choice: Range) -> Any:
    """Return a value from a range of two numbers, or from a list of values."""
    if len(choice) == 2 and all(isinstance(end, int | float) and not isinstance(end, bool) for end in choice):
        low, high = choice
        log = low > 0 and high / low > LOG_RATIO
        if isinstance(low, int) and isinstance(high, int):
            return trial.suggest_int(name, low, high, log=log)
        return trial.suggest_float(name, float(low), float(high), log=log)
    return trial.suggest_categorical(name, choice)


def change(project: Project, values: Mapping[str, Any]) -> Any:
    """Return the section `train` with other values.

    Raises:
        ConfigError: it has no such parameter, or the value does not fit.
    """
    content = project.params.train.model_dump()
    for name, value in values.items():
        *path, last = name.split(".")
        place = content
        for part in path:
            place = place.get(part) if isinstance(place, dict) else None
        if not isinstance(place, dict) or last not in place:
            raise ConfigError(
                f"{PARAMS}: tune: train has no parameter {name}; expected one such as {_example(content)}"
            )
        place[last] = value
    try:
        return project.recipe.parameters.model_validate(content)
    except ValueError as error:
        raise ConfigError(f"{PARAMS}: tune: {error}") from error


def current(project: Project) -> dict[str, Any]:
    """Return the present values of the parameters in the space."""
    content = project.params.train.model_dump()
    found = {}
    for name in project.params.tune:
        value: Any = content
        for part in name.split("."):
            value = value[part]
        found[name] = value
    return found


def write_parameters(parameters: Mapping[str, Any]) -> None:
    """Write parameters into params.yaml, whose comments stay."""
    content = read_yaml(PARAMS)
    for name, value in parameters.items():
        *path, last = name.split(".")
        place = content["train"]
        for part in path:
            place = place[part]
        place[last] = value
    write_yaml(PARAMS, content)


def sign(project: Project) -> str:
    """Return a digest of what a study depends on: training rows, contract, and parameters except `tune` and `gate`."""
    digest = hashlib.sha256(project.paths.train.read_bytes())
    digest.update(project.contract.model_dump_json().encode())
    digest.update(project.params.model_dump_json(exclude={"tune", "gate"}).encode())
    return digest.hexdigest()[:12]


@contextmanager
def open_storage(address: str) -> Iterator[optuna.storages.RDBStorage]:
    """Yield the database of the studies, and close it; the folder of a file is made."""
    database = make_url(address).database
    if address.startswith("sqlite") and database:
        Path(database).parent.mkdir(parents=True, exist_ok=True)
    storage = optuna.storages.RDBStorage(address)
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()


def finished(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    """Return the trials that have a value."""
    return study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))


def plot_history(study: optuna.Study, metric: str, path: Path) -> None:
    """Write a plot of the values of all trials, and of the best so far."""
    trials = finished(study)
    numbers, values = [trial.number for trial in trials], np.array([trial.value for trial in trials], dtype=float)
    best = np.minimum if study.direction == optuna.study.StudyDirection.MINIMIZE else np.maximum
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    axes.scatter(numbers, values, s=14, color="#9ecae1", label="trial")
    axes.plot(numbers, best.accumulate(values), color="#08519c", label="best so far")
    axes.set(xlabel="trial", ylabel=f"{metric}, cross-validation", title="Tuning")
    axes.legend()
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=100, metadata={"Software": None})
    with whole_file(path) as file:
        file.write(picture.getvalue())


def _example(content: Mapping[str, Any]) -> str:
    section = next((name for name, value in content.items() if isinstance(value, dict)), None)
    return next(iter(content)) if section is None else f"{section}.{next(iter(content[section]))}"
