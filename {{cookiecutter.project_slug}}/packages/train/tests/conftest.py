"""A small project for the stages: its own schema, parameters and rows, whose target follows from the features."""

import shutil
from collections.abc import Callable
from contextlib import chdir
from dataclasses import replace
from functools import cache
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from {{ cookiecutter.__package_name }}_train.project import CONFIG, PARAMS, Project

PATHS = """\
paths:
  schema: schema.yaml
  source: source.csv
  raw: data/raw
  clean: data/clean.parquet
  quarantine: data/quarantine.csv
  validation: reports/validation.json
  train: data/train.parquet
  test: data/test.parquet
  candidate: models/candidate.onnx
  reference: data/reference.parquet
  metrics: reports/metrics.json
  plots: reports/plots
  card: reports/card.md
  gate: reports/gate.json
  model: models/model.onnx
"""
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
validate: {max_quarantined: 0.1}
split: {test_share: 0.25}
train:
  model: boosting
  boosting: {learning_rate: 0.2, max_iter: 20, max_leaf_nodes: 15, min_samples_leaf: 10, l2_regularization: 0.0}
  forest: {n_estimators: 10, max_depth: null, min_samples_leaf: 1}
  linear: {alpha: 1.0}
gate:
  minimum: {}
  maximum: {}
  min_gain_over_trivial: 0.2
  max_single_feature_score: 0.98
"""
DVC = "stages: {train: {deps: ['${paths.schema}', '${paths.train}']}}\n"


def make_rows(kind: str, rows: int = 400) -> pd.DataFrame:
    """Return rows whose target follows from length, count and colour, with a little noise."""
    rng = np.random.default_rng(1)
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


@pytest.fixture(params=["classification", "binary", "regression"])
def kind(request: pytest.FixtureRequest) -> str:
    """Return each kind of problem."""
    return str(request.param)


@pytest.fixture
def project(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Work in a project of that kind with a source of 400 rows."""
    write_project(kind, tmp_path)
    monkeypatch.chdir(tmp_path)
    return Project.load()


@pytest.fixture(scope="session")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a function that gives a project of a kind in which stages have run; it runs them once in a session."""

    @cache
    def run(kind: str, *stages: str) -> Path:
        folder = tmp_path_factory.mktemp("staged") / "project"
        write_project(kind, folder)
        with chdir(folder):
            for stage in stages:
                import_module(f"{Project.__module__.partition('.')[0]}.{stage}").run(Project.load())
        return folder

    return run


@pytest.fixture
def split_project(staged: Callable[..., Path], kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Work in a project whose data is split."""
    return work_in_copy(staged(kind, "ingest", "validate", "split"), tmp_path, monkeypatch)


@pytest.fixture
def evaluated(staged: Callable[..., Path], kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Work in a project whose candidate is evaluated."""
    return work_in_copy(staged(kind, "ingest", "validate", "split", "fit", "evaluate"), tmp_path, monkeypatch)


def write_project(kind: str, folder: Path) -> None:
    """Write the files that a person would have written."""
    (folder / CONFIG).parent.mkdir(parents=True)
    (folder / CONFIG).write_text(PATHS)
    (folder / PARAMS).write_text(PARAMETERS)
    (folder / "schema.yaml").write_text(SCHEMA + TARGETS[kind])
    (folder / "dvc.yaml").write_text(DVC)
    make_rows(kind).to_csv(folder / "source.csv", index=False)


def work_in_copy(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Copy a project, and work there."""
    shutil.copytree(folder, tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    return Project.load()


@pytest.fixture(scope="session")
def with_params() -> Callable[..., Project]:
    """Return a function that gives a project other parameters in a section."""

    def change(project: Project, section: str, **changes: object) -> Project:
        part = getattr(project.params, section).model_copy(update=changes)
        return replace(project, params=project.params.model_copy(update={section: part}))

    return change
