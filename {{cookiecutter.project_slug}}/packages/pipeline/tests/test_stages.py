"""Split, fit, export and evaluate, for each kind of problem and each model."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from {{ cookiecutter.__package_name }}_pipeline import evaluate, gate, ingest, split, train, validate
from {{ cookiecutter.__package_name }}_pipeline.evaluate import SkewError
from {{ cookiecutter.__package_name }}_pipeline.project import Project
from {{ cookiecutter.__package_name }}_predict.artefact import ColumnStatistics
from {{ cookiecutter.__package_name }}_predict.cli import main
from {{ cookiecutter.__package_name }}_predict.errors import ConfigError, DataError
from {{ cookiecutter.__package_name }}_predict.model import Model

from machinery.small_project import run_stages
from machinery.small_recipe import RECIPE

REGRESSION = pytest.mark.parametrize("kind", ["regression"])
CLASSIFICATION = pytest.mark.parametrize("kind", ["classification"])
WithParams = Callable[..., Project]


def test_split_keeps_every_row_once_and_the_shares_of_the_classes(split_project: Project) -> None:
    paths, target = split_project.paths, split_project.contract.target_name
    rows, holdout = pq.read_table(paths.train), pq.read_table(paths.holdout)
    assert (rows.num_rows, holdout.num_rows) == (300, 100)
    parts = [tuple(row.values()) for row in [*rows.to_pylist(), *holdout.to_pylist()]]
    assert sorted(parts, key=str) == sorted(
        (tuple(row.values()) for row in pq.read_table(paths.clean).to_pylist()), key=str
    )
    if classes := split_project.contract.classes:
        counts = [holdout.column(target).to_pylist().count(name) for name in classes]
        assert max(counts) - min(counts) <= 1


@REGRESSION
def test_split_into_nothing_is_refused(split_project: Project) -> None:
    recipe = replace(split_project.recipe, split=lambda *_: np.array([], dtype=int))
    with pytest.raises(DataError, match="split.py holds out 0 of 400 rows; expected some"):
        split.run(replace(split_project, recipe=recipe))
    recipe = replace(split_project.recipe, split=lambda *_: np.array([1, 1]))
    with pytest.raises(
        DataError, match="split.py returned .*, expected the indices of the rows to hold out, each once"
    ):
        split.run(replace(split_project, recipe=recipe))


def test_derived_feature_travels_in_the_model_file(split_project: Project) -> None:
    recipe = replace(split_project.recipe, features=lambda c, f: {"both": f.clip(c.length, 0, 9) + f.log1p(c["count"])})
    project = replace(split_project, recipe=recipe)
    train.run(project)
    evaluate.run(project)
    model = Model.load(project.paths.candidate)
    row = project.contract.example()
    assert model.predict({**row, "length": 9}) == model.predict({**row, "length": 9.5})
    assert model.predict({**row, "ready": True}) == model.predict({**row, "ready": False})


@pytest.mark.parametrize("model", ["boosting", "forest", "linear"])
def test_exported_model_computes_what_was_fitted(with_params: WithParams, model: str, split_project: Project) -> None:
    project = with_params(split_project, "train", model=model)
    train.run(project)
    evaluate.run(project)
    results = json.loads(project.paths.metrics.read_text())
    main_metric = "balanced_accuracy" if project.contract.classes else "r2"
    assert results["model"][main_metric] > results["dummy"][main_metric] + 0.3
    assert results["skew"] < 1e-3
    onnx.checker.check_model(onnx.load(project.paths.candidate))


def test_exported_model_carries_contract_lineage_baseline_and_golden_rows(evaluated: Project) -> None:
    model = Model.load(evaluated.paths.candidate, contract=evaluated.contract)
    assert set(model.lineage.inputs) == {"schema.yaml", "data/train.parquet"}
    assert model.lineage.params["seed"] == 7
    baseline = model.reference
    assert baseline.rows == 300
    assert sum(baseline.features["colour"].counts.values()) == round(300 * (1 - baseline.features["colour"].missing))
    assert baseline.features["length"].quantiles == sorted(baseline.features["length"].quantiles)
    entries = {entry.key: entry.value for entry in onnx.load(evaluated.paths.candidate).metadata_props}
    golden = json.loads(entries["golden"])["rows"]
    assert 5 < len(golden) <= 9
    trained = pq.read_table(evaluated.paths.train).select(list(evaluated.contract.features)).to_pylist()
    assert not [row for row in golden if row in trained]


@REGRESSION
def test_exported_model_does_not_describe_sensitive_fields(project: Project) -> None:
    schema = project.paths.contract
    text = schema.read_text().replace("maximum: 10}", "maximum: 10, sensitive: true}")
    schema.write_text(text.replace("missing: true}", "missing: true, sensitive: true}"))
    run_stages("ingest", "validate", "split", "train")
    model = Model.load(project.paths.candidate)
    assert model.contract.sensitive == ("length", "count", "colour")
    hidden = {name: model.reference.features[name] for name in model.contract.sensitive}
    assert hidden == dict.fromkeys(hidden, ColumnStatistics(missing=0))
    entries = {entry.key: entry.value for entry in onnx.load(project.paths.candidate).metadata_props}
    found = json.loads(entries["golden"])["rows"]
    trained = pq.read_table(project.paths.train)
    assert {row["length"] for row in found}.isdisjoint(trained.column("length").to_pylist())
    assert {row["count"] for row in found} >= {0, 8, None}


@REGRESSION
def test_fit_gives_the_same_bytes_whatever_the_order_of_sets(split_project: Project) -> None:
    package = main.__module__.partition(".")[0]
    models = set()
    for seed in ("0", "1"):  # without sorting, these two give different orders
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        subprocess.run([sys.executable, "-m", package, "stage", "train"], env=environment, check=True)
        models.add(split_project.paths.candidate.read_bytes())
    assert len(models) == 1


def test_fit_gives_the_same_bytes_again(evaluated: Project) -> None:
    before = evaluated.paths.candidate.read_bytes()
    train.run(evaluated)
    assert evaluated.paths.candidate.read_bytes() == before


@CLASSIFICATION
def test_fit_refuses_a_class_without_rows(split_project: Project) -> None:
    table = pq.read_table(split_project.paths.train)
    keep = [kind != "medium" for kind in table.column("kind").to_pylist()]
    pq.write_table(table.filter(pa.array(keep)), split_project.paths.train)
    with pytest.raises(DataError, match="no training row has the kind medium"):
        train.run(split_project)


@REGRESSION
@pytest.mark.usefixtures("split_project")
def test_fit_refuses_rows_made_under_another_schema() -> None:
    schema = Path("schema.yaml")
    schema.write_text(schema.read_text().replace("maximum: 10}", "maximum: 5}"))
    with pytest.raises(DataError, match="clean rows break the contract; run the validate stage again"):
        train.run(Project.load(RECIPE))


@REGRESSION
def test_fit_without_the_declared_inputs_is_refused(split_project: Project) -> None:
    Path("dvc.yaml").unlink()
    with pytest.raises(ConfigError, match="inputs of the train stage in dvc.yaml cannot be read"):
        train.run(split_project)


@REGRESSION
def test_fit_survives_a_feature_that_is_always_missing(project: Project) -> None:
    lines = [line.split(",") for line in Path("source.csv").read_text().splitlines()]
    Path("source.csv").write_text("\n".join(",".join([a, "" if a != "length" else b, *rest]) for a, b, *rest in lines))
    for stage in (ingest, validate, split, train, evaluate):
        stage.run(project)
    assert Model.load(project.paths.candidate).reference.features["count"].missing == 1


def test_evaluate_writes_plots_and_a_card_from_the_results(evaluated: Project) -> None:
    written = {path.name for path in evaluated.paths.plots.iterdir()}
    plots = ("confusion", "calibration") if evaluated.contract.classes else ("residuals",)
    assert written == {f"{name}.{suffix}" for name in (*plots, "importance") for suffix in ("csv", "png")}
    card = evaluated.paths.card.read_text()
    results = json.loads(evaluated.paths.metrics.read_text())
    assert card.startswith(f"# Model {Model.load(evaluated.paths.candidate).version}\n")
    for name, value in results["model"].items():
        assert f"| {name} | {value} | {results['dummy'].get(name, '')} | " in card


def test_shuffling_the_feature_that_matters_costs_most(evaluated: Project) -> None:
    found = json.loads(evaluated.paths.metrics.read_text())["importance"]
    assert list(found)[-1] == "ready"
    assert abs(found["ready"]["loss"]) < 0.1 < found["length"]["loss"]


@REGRESSION
def test_table_with_a_single_feature_trains(project: Project) -> None:
    schema = Path("schema.yaml")
    schema.write_text("features:\n  length: {type: number}\ntarget:\n  weight: {type: number}\n")
    single = Project.load(RECIPE)
    for stage in (ingest, validate, split, train, evaluate):
        stage.run(single)
    assert Model.load(single.paths.candidate, contract=single.contract)
    assert project.paths == single.paths


@CLASSIFICATION
def test_estimator_that_is_converted_wrongly_is_refused_by_name(split_project: Project) -> None:
    def forest(*_: Any) -> Any:  # without a step that fills missing values
        return make_pipeline(StandardScaler(), RandomForestClassifier(20, random_state=1))

    recipe = replace(split_project.recipe, estimator=forest)
    with pytest.raises(
        ConfigError, match="RandomForestClassifier computes something else once it is converted to ONNX"
    ):
        train.run(replace(split_project, recipe=recipe))


@pytest.mark.parametrize("kind", ["regression", "binary"])
def test_lightgbm_is_converted_with_and_without_steps_before_it(split_project: Project) -> None:
    model = LGBMClassifier if split_project.contract.classes else LGBMRegressor
    for build in (
        lambda *_: model(n_estimators=20, random_state=1, verbose=-1),
        lambda *_: make_pipeline(SimpleImputer(), model(n_estimators=20, random_state=1, verbose=-1)),
    ):
        project = replace(split_project, recipe=replace(split_project.recipe, estimator=build))
        train.run(project)
        evaluate.run(project)
        assert json.loads(project.paths.metrics.read_text())["skew"] < 1e-4


@pytest.mark.filterwarnings("ignore:categorical_feature")
@pytest.mark.parametrize(
    ("kind", "step", "message"),
    [
        ("regression", HistGradientBoostingRegressor(loss="poisson"), "the loss poisson is converted without its exp"),
        (
            "regression",
            HistGradientBoostingRegressor(categorical_features=[1]),
            "categorical_features are converted wr",
        ),
        (
            "regression",
            LGBMRegressor(n_estimators=20, categorical_feature=[1], verbose=-1),
            "LGBMRegressor: categorical_feature is converted wrongly; leave it out",
        ),
        ("regression", TransformedTargetRegressor(DummyRegressor()), "cannot be converted to ONNX"),
    ],
)
def test_forbidden_converter_is_refused(step: Any, message: str, split_project: Project) -> None:
    table = pq.read_table(split_project.paths.train)
    weights = np.abs(table.column("weight").to_numpy())
    pq.write_table(table.set_column(4, "weight", pa.array(weights)), split_project.paths.train)
    recipe = replace(split_project.recipe, estimator=lambda *_: clone(step))
    with pytest.raises(ConfigError, match=message):
        train.run(replace(split_project, recipe=recipe))


def test_evaluate_notices_skew(evaluated: Project) -> None:
    reference = pq.read_table(evaluated.paths.reference)
    changed = reference.column(0).to_numpy().copy()
    changed[4] += 0.01
    pq.write_table(reference.set_column(0, "output_0", pa.array(changed)), evaluated.paths.reference)
    with pytest.raises(SkewError, match="train/serve skew: 1 of 300 training rows .* row 5: found"):
        evaluate.run(evaluated)


@REGRESSION
def test_evaluate_refuses_a_metric_that_is_not_a_number(evaluated: Project) -> None:
    pq.write_table(pq.read_table(evaluated.paths.holdout).slice(0, 1), evaluated.paths.holdout)
    with pytest.raises(DataError, match="r2 of 1 rows is not a number; supply more rows"):
        evaluate.run(evaluated)


@REGRESSION
@pytest.mark.parametrize(
    ("stage", "name"), [(split, "clean"), (train, "train"), (evaluate, "holdout"), (gate, "metrics"), (gate, "train")]
)
def test_stage_without_what_an_earlier_one_writes_says_so(stage: ModuleType, name: str, evaluated: Project) -> None:
    getattr(evaluated.paths, name).unlink()
    with pytest.raises(DataError, match="cannot be read .*run the stages before this one"):
        stage.run(evaluated)


@pytest.mark.usefixtures("project")
def test_command_line_runs_every_stage() -> None:
    assert [main(["stage", name]) for name in ("ingest", "validate", "split", "train", "evaluate", "gate")] == [0] * 6
    assert Model.load("models/model.onnx")


@REGRESSION
@pytest.mark.usefixtures("project")
def test_command_line_turns_a_refusal_into_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    Path("schema.yaml").unlink()
    assert main(["stage", "ingest"]) == 1
    assert capsys.readouterr().err.startswith("error: schema.yaml cannot be read")
    assert main(["stage", "fly"]) == 2
