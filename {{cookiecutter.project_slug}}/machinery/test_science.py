"""The recipes of docs/science.md: each is applied to a project with orders, and its pipeline runs."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
import yaml

from {{ cookiecutter.__package_name }}_batch.score import score
from {{ cookiecutter.__package_name }}_pipeline import evaluate, gate, ingest, split, train, validate
from {{ cookiecutter.__package_name }}_pipeline.project import CONFIG, PARAMS, Project
from {{ cookiecutter.__package_name }}_pipeline.tune import Budget, tune
from {{ cookiecutter.__package_name }}_predict import Model
from {{ cookiecutter.__package_name }}_train import estimator, features, metrics, source
from {{ cookiecutter.__package_name }}_train.recipe import RECIPE

from .small_config import PATHS, ROOT

SCHEMA = """\
keys: {id: order_id, group: customer}
features:
  amount: {type: number, missing: true}
  items: {type: integer}
  ordered_at: {type: datetime}
  shop: {type: category, open: true}
  region: {type: category, values: [east, north, south, west]}
target:
  late: {type: boolean}
"""
MODULES: dict[str, ModuleType] = {
    "estimator.py": estimator,
    "features.py": features,
    "metrics.py": metrics,
    "source.py": source,
}
TEXT = (ROOT / "docs" / "science.md").read_text(encoding="utf-8")
RECIPES = dict(re.findall(r"^## \d+\. (.+?)\n(.*?)(?=^## |\Z)", TEXT, flags=re.MULTILINE | re.DOTALL))
Use = Callable[[str], Project]


def make_orders(rows: int = 400) -> pd.DataFrame:
    """Return orders that are late where the shop is slow or the amount per item is high."""
    rng = np.random.default_rng(0)
    items, amount = rng.integers(0, 5, rows), rng.lognormal(3, 1, rows).round(2)
    shop = rng.integers(0, 40, rows)
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(rows) * 7, unit="h")
    chance = 0.1 + 0.5 * (shop % 4 == 0) + 0.3 * (amount > 40 * np.maximum(items, 1))
    return pd.DataFrame(
        {
            "order_id": [f"o-{number}" for number in range(rows)],
            "customer": [f"c-{number % 80}" for number in range(rows)],
            "amount": amount,
            "items": items,
            "ordered_at": days.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "shop": [f"shop-{number}" for number in shop],
            "region": rng.choice(["east", "north", "south", "west"], rows),
            "late": np.where(rng.random(rows) < chance, "yes", "no"),
        }
    )


def find_blocks(recipe: str, language: str) -> dict[str, str]:
    """Return the blocks of a recipe in a language, by the file that their first line names."""
    blocks = re.findall(rf"```{language}\n# (\S+)\n(.*?)```", RECIPES[recipe], flags=re.DOTALL)
    return dict(blocks)


def merge(content: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return a mapping with changes, section by section."""
    return {
        **content,
        **{
            key: merge(content[key], value) if isinstance(value, dict) and isinstance(content.get(key), dict) else value
            for key, value in changes.items()
        },
    }


@pytest.fixture
def use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Use:
    """Return a function that applies a recipe to a project with orders, runs its pipeline, and returns it."""
    monkeypatch.chdir(tmp_path)
    CONFIG.parent.mkdir()
    CONFIG.write_text(yaml.safe_dump({"paths": PATHS}))
    params = yaml.safe_load((ROOT / PARAMS).read_text(encoding="utf-8"))
    params["train"] |= {"model": "lightgbm"}
    params["train"]["lightgbm"] |= {"n_estimators": 10, "min_child_samples": 10}
    limits = {"minimum": {}, "maximum": {}, "worst_slice": {}, "min_gain_over_dummy": -1, "max_single_feature_score": 1}
    params |= {"gate": limits, "split": {"by": "group", "holdout": 0.25, "folds": 2}}
    params |= {"metrics": {"main": "roc_auc", "also": [], "slices": []}, "tune": {}}
    Path("dvc.yaml").write_text("stages: {train: {deps: ['${paths.schema}', '${paths.train}']}}\n")
    make_orders().to_csv("source.csv", index=False)

    def apply(recipe: str) -> Project:
        changed = params
        for text in find_blocks(recipe, "yaml").items():
            if text[0] == "params.yaml":
                changed = merge(changed, yaml.safe_load(text[1]))
        schema = merge(yaml.safe_load(SCHEMA), yaml.safe_load(find_blocks(recipe, "yaml").get("schema.yaml", "{}")))
        PARAMS.write_text(yaml.safe_dump(changed))
        Path("schema.yaml").write_text(yaml.safe_dump(schema, sort_keys=False))
        names: dict[str, Any] = {}
        for file, code in find_blocks(recipe, "python").items():
            path = Path(file)
            path.write_text(code)
            exec(compile(code, str(path), "exec"), names)  # noqa: S102  # it is our own document
            assert file in MODULES
            assert len(code.splitlines()) <= 15
        parts = {name: names[key] for name, key in ROLES.items() if key in names}
        project = Project.load(replace(RECIPE, **parts))
        if "read" in names:
            project = replace(project, paths=project.paths.model_copy(update={"source": "."}))
        for stage in (ingest, validate, split, train, evaluate, gate):
            stage.run(project)
        return project

    return apply


ROLES = {"features": "features", "fit": "fit", "source": "read", "estimator": "build", "metrics": "METRICS"}


def find_features(project: Project) -> list[str]:
    """Return the names of the features that features.py makes."""
    from {{ cookiecutter.__package_name }}_pipeline.features import FeatureMaker

    maker = FeatureMaker(project.contract, project.recipe.features, project.recipe.fit)
    return list(maker.trace({"late by shop": {}}))


def test_each_recipe_has_a_test() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    assert [recipe for recipe in RECIPES if f'"{recipe}"' not in text] == []


@pytest.mark.parametrize(
    ("recipe", "feature"),
    [
        ("A ratio", "amount_per_item"),
        ("Parts of a date", "weekend"),
        ("The mean of the target for each value", "shop_late"),
    ],
)
def test_recipe_adds_a_feature(recipe: str, feature: str, use: Use) -> None:
    project = use(recipe)
    assert feature in find_features(project)
    answer = Model.load(project.paths.model).predict(project.contract.example())
    assert answer[0]["prediction"] in (True, False)


def test_recipe_joins_two_files(use: Use) -> None:
    orders = make_orders()
    orders.drop(columns="region").to_csv("orders.csv", index=False)
    shops = pd.DataFrame({"shop": sorted(set(orders["shop"])), "region": "north"})
    shops.to_csv("shops.csv", index=False)
    project = use("A join of two files")
    assert sum(Model.load(project.paths.model).reference.features["region"].counts.values()) > 0
    first = project.paths.raw.joinpath("table.parquet").read_bytes()
    ingest.run(project)
    assert project.paths.raw.joinpath("table.parquet").read_bytes() == first


def test_recipe_takes_another_estimator(use: Use) -> None:
    project = use("Another estimator")
    assert project.params.train.model == "boosting"
    assert (
        type(project.recipe.estimator(project.contract, project.params.train, 1)[-1]).__name__ == "ExtraTreesClassifier"
    )


def test_recipe_measures_by_a_metric_of_ones_own(use: Use) -> None:
    project = use("A metric of your own")
    measured = Model.load(project.paths.model).metrics["model"]
    assert isinstance(measured, dict)
    assert list(measured) == ["roc_auc", "log_loss", "late_amount", "calibration_error"]


def test_recipe_splits_by_time(use: Use) -> None:
    project = use("A split by time")
    parts = [pd.read_parquet(path)["ordered_at"] for path in (project.paths.train, project.paths.holdout)]
    assert parts[0].max() < parts[1].min()


def test_recipe_lets_a_threshold_follow_from_costs(use: Use) -> None:
    threshold = Model.load(use("A threshold chosen by costs").paths.model).decision.threshold
    assert threshold is not None
    assert threshold < 0.5


def test_recipe_measures_slices(use: Use) -> None:
    measured = Model.load(use("Slices").paths.model).metrics["slices"]
    assert isinstance(measured, dict)
    assert set(measured["region"]) <= {"east", "north", "south", "west"}


def test_recipe_tunes(use: Use) -> None:
    project = use("Tuning")
    found = tune(project, Budget(2, None), "sqlite:///tuning.db")
    assert set(found.parameters) == {"lightgbm.num_leaves", "lightgbm.learning_rate"}


def test_library_single_rows_and_batch_give_the_same_bits_in_any_locale(use: Use, tmp_path: Path) -> None:
    project = use("The mean of the target for each value")
    model, frame = Model.load(project.paths.model), make_orders(300).drop(columns="late")
    frame.loc[::7, "shop"] = "never seen"
    frame.loc[::5, "amount"] = None
    rows = frame.to_dict("records")
    records = [{str(name): None if value != value else value for name, value in row.items()} for row in rows]
    answers = model.predict(records)
    assert [model.predict(record)[0] for record in records] == answers
    assert answers[0]["unusual"] == ["shop"]
    for suffix in ("csv", "parquet"):
        source = tmp_path / f"in.{suffix}"
        (frame.to_csv if suffix == "csv" else frame.to_parquet)(source, index=False)
        score(model, source, tmp_path / "out.parquet")
        scored = pd.read_parquet(tmp_path / "out.parquet")
        assert scored["probability_true"].astype(float).tolist() == [row["probabilities"]["true"] for row in answers]
        assert scored["unusual"].tolist() == [", ".join(row.get("unusual", [])) for row in answers]
    Path("in.json").write_text(json.dumps(records), encoding="utf-8")
    plain = subprocess.run(
        [sys.executable, "-m", Model.__module__.partition(".")[0], "predict", "in.json"],
        env={**os.environ, "LC_ALL": "C"},
        capture_output=True,
        check=True,
    )
    assert json.loads(plain.stdout) == answers


def test_golden_rows_cover_missing_and_unknown_values(use: Use) -> None:
    model = onnx.load(use("A ratio").paths.model)
    golden = json.loads({entry.key: entry.value for entry in model.metadata_props}["golden"])["rows"]
    assert None in [row["amount"] for row in golden]
    assert not {row["shop"] for row in golden} <= set(make_orders()["shop"])
    assert {row["region"] for row in golden} == {"east", "north", "south", "west"}
    assert len({row["ordered_at"] for row in golden}) > 5
