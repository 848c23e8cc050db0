"""A small project: its own table, contract, parameters, configuration and recipe."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import chdir
from dataclasses import replace
from functools import cache
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from {{ cookiecutter.__package_name }}_pipeline.project import CONFIG, PARAMS, Project
from {{ cookiecutter.__package_name }}_pipeline.recipe import GROUP

from .small_config import LIFECYCLE, PATHS, ROOT, SCORE, SERVICE, SOURCE
from .small_recipe import RECIPE

PACKAGE = GROUP.partition(".")[0]
SCHEMA = """\
features:
  length: {type: number, minimum: 0, maximum: 10}
  count: {type: integer, minimum: 0, maximum: 9, missing: true}
  colour: {type: category, values: [red, green, blue], missing: true}
  ready: {type: boolean}
target:
"""
TARGETS = {
    "classification": "  kind: {type: category, values: [small, medium, large]}\n",
    "binary": "  kind: {type: category, values: [small, large]}\n",
    "regression": "  weight: {type: number, unit: g}\n",
}
PARAMETERS = """\
seed: 7
validate: {max_rejected: 0.1}
split: {by: share, holdout: 0.25, folds: 3}
metrics: {main: MAIN, also: [ALSO]}
train:
  model: boosting
  trees: 20
  learning_rate: 0.2
gate:
  minimum: {}
  maximum: {}
  min_gain_over_dummy: 0.2
  max_single_feature_score: 0.98
"""
DVC = "stages: {train: {deps: ['${paths.schema}', '${paths.train}']}}\n"


def write_parameters(kind: str) -> str:
    """Return the text of params.yaml for a kind of problem."""
    main, also = ("r2", "mae") if kind == "regression" else ("balanced_accuracy", "accuracy")
    return PARAMETERS.replace("MAIN", main).replace("ALSO", also)


def make_rows(kind: str, rows: int = 400, seed: int = 1) -> pd.DataFrame:
    """Return rows whose target follows from length, count and colour, with a little noise."""
    rng = np.random.default_rng(seed)
    length, count = rng.uniform(0, 10, rows).round(2), rng.integers(0, 10, rows)
    colour = rng.choice(["red", "green", "blue"], rows)
    weight = (length + count + 4 * (colour == "red") + rng.normal(0, 0.5, rows)).round(3)
    names = {"classification": ["small", "medium", "large"], "binary": ["small", "large"]}.get(kind)
    target = {"weight": weight} if names is None else {"kind": pd.qcut(weight, len(names), labels=names).astype(str)}
    frame = pd.DataFrame(
        {"length": length, "count": count, "colour": colour, "ready": rng.random(rows) < 0.5, **target}
    )
    frame.loc[::25, ["count", "colour"]] = None
    return frame


def write_project(kind: str, folder: Path) -> None:
    """Write the files that a person would have written."""
    (folder / CONFIG).parent.mkdir(parents=True)
    (folder / CONFIG).write_text(
        yaml.safe_dump(
            {"paths": PATHS, "source": SOURCE, "score": SCORE, "lifecycle": LIFECYCLE, **SERVICE}, sort_keys=False
        )
    )
    (folder / PARAMS).write_text(write_parameters(kind))
    (folder / "schema.yaml").write_text(SCHEMA + TARGETS[kind])
    (folder / "dvc.yaml").write_text(DVC)
    make_rows(kind).to_csv(folder / "source.csv", index=False)


def run_stages(*stages: str) -> None:
    """Run stages in the current folder, in this process."""
    for stage in stages:
        import_module(f"{Project.__module__.rpartition('.')[0]}.{stage}").run(Project.load(RECIPE))


@pytest.fixture(autouse=True, scope="session")
def small_recipe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Have commands find this recipe, here and in the processes that tests start.

    Of two distributions of one name, Python takes the one that comes first on its path: this one is called as the
    team's.
    """
    folder = tmp_path_factory.mktemp("recipe")
    information = folder / f"{PACKAGE}_train-0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {PACKAGE.replace('_', '-')}-train\nVersion: 0\n"
    )
    (information / "entry_points.txt").write_text(f"[{GROUP}]\nrecipe = machinery.small_recipe:RECIPE\n")
    paths = [str(folder), str(ROOT)]
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([*paths, *filter(None, [before])])
    sys.path[:0] = paths
    yield
    sys.path[:] = [path for path in sys.path if path not in paths]
    os.environ.pop("PYTHONPATH")
    if before is not None:
        os.environ["PYTHONPATH"] = before


@pytest.fixture(params=["classification", "binary", "regression"])
def kind(request: pytest.FixtureRequest) -> str:
    """Return each kind of problem."""
    return str(request.param)


@pytest.fixture
def project(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Work in a project of that kind with a source of 400 rows."""
    write_project(kind, tmp_path)
    monkeypatch.chdir(tmp_path)
    return Project.load(RECIPE)


@pytest.fixture(scope="session")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a function that gives a project of a kind in which stages have run; it runs them once in a session."""

    @cache
    def run(kind: str, *stages: str) -> Path:
        folder = tmp_path_factory.mktemp("staged") / "project"
        write_project(kind, folder)
        with chdir(folder):
            run_stages(*stages)
        return folder

    return run


@pytest.fixture
def split_project(staged: Callable[..., Path], kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Work in a project whose data is split."""
    return _work_in_copy(staged(kind, "ingest", "validate", "split"), tmp_path, monkeypatch)


@pytest.fixture
def evaluated(staged: Callable[..., Path], kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Work in a project whose candidate is evaluated."""
    return _work_in_copy(staged(kind, "ingest", "validate", "split", "train", "evaluate"), tmp_path, monkeypatch)


def _work_in_copy(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    shutil.copytree(folder, tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    return Project.load(RECIPE)


@pytest.fixture(scope="session")
def with_params() -> Callable[..., Project]:
    """Return a function that gives a project other parameters in a section."""

    def change(project: Project, section: str, **changes: object) -> Project:
        part = getattr(project.params, section).model_copy(update=changes)
        return replace(project, params=project.params.model_copy(update={section: part}))

    return change
