"""The comparison of two models: the difference is that of the metric, and the interval tells what rows can tell."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import balanced_accuracy_score, r2_score

from {{ cookiecutter.__package_name }}_pipeline import train
from {{ cookiecutter.__package_name }}_pipeline.compare import (
    Bootstrap,
    Comparison,
    compare,
    measure_outcomes,
)
from {{ cookiecutter.__package_name }}_pipeline.dataset import load_dataset, read_table
from {{ cookiecutter.__package_name }}_pipeline.metrics import Answers, Metric, find_metrics
from {{ cookiecutter.__package_name }}_pipeline.params import MetricsParams
from {{ cookiecutter.__package_name }}_pipeline.project import Project
from {{ cookiecutter.__package_name }}_predict.artefact import Decision
from {{ cookiecutter.__package_name }}_predict.cli import main
from {{ cookiecutter.__package_name }}_predict.contract import Contract
from {{ cookiecutter.__package_name }}_predict.encoding import Encoded, Encoder
from {{ cookiecutter.__package_name }}_predict.errors import DataError
from {{ cookiecutter.__package_name }}_predict.model import Model

from machinery.small_recipe import RECIPE

WithParams = Callable[..., Project]
SETTINGS = Bootstrap(confidence=0.95, resamples=500, seed=1)


def load(project: Project) -> tuple[Model, pa.Table]:
    """Return the candidate and the holdout."""
    return Model.load(project.paths.candidate), read_table(project.paths.holdout)


def look(new: Model, old: Model, rows: pa.Table, settings: Bootstrap = SETTINGS) -> Comparison:
    """Return a comparison by the small project's metrics."""
    return compare(new, old, rows, metrics_for(new.contract), 0.05, settings)


def metrics_for(contract: Contract, main: str = "") -> dict[str, Metric]:
    """Return the metrics of the small project, the main one first."""
    params = MetricsParams(main=main or ("balanced_accuracy" if contract.classes else "r2"))
    return find_metrics(RECIPE.metrics, params, contract)


def test_model_is_no_worse_than_itself(evaluated: Project) -> None:
    model, rows = load(evaluated)
    found = look(model, model, rows)
    assert (found.low, found.high, found.passed) == (0.0, 0.0, True)
    assert found.old == found.new


def test_worse_model_is_found_worse(evaluated: Project, with_params: WithParams) -> None:
    model, rows = load(evaluated)
    train.run(with_params(evaluated, "train", trees=1, learning_rate=0.01))
    worse = Model.load(evaluated.paths.candidate)
    found = look(worse, model, rows)
    assert not found.passed
    assert found.low < found.new - found.old < found.high
    assert found.new < found.old
    assert "the allowed loss is 0.05" in str(found)
    assert look(model, worse, rows).passed


@pytest.mark.parametrize(
    ("new", "low", "passed", "said"),
    [
        (0.89, -0.04, True, "the allowed loss is 0.05"),
        (0.89, -0.2, False, "too few rows to rule out a larger loss)"),
        (0.7, -0.3, False, "the allowed loss is 0.05"),
    ],
)
def test_refusal_says_whether_more_rows_could_help(new: float, low: float, passed: bool, said: str) -> None:
    found = Comparison("r2", old=0.9, new=new, low=low, high=0.1, rows=50, margin=0.05)
    assert found.passed == passed
    assert str(found).endswith(said)


def test_difference_is_that_of_the_metric(evaluated: Project, with_params: WithParams) -> None:
    model, rows = load(evaluated)
    train.run(with_params(evaluated, "train", model="linear"))
    other = Model.load(evaluated.paths.candidate)
    found = look(other, model, rows, replace(SETTINGS, resamples=100))
    dataset = load_dataset(rows, evaluated.contract)
    for side, value in ((other, found.new), (model, found.old)):
        outputs = side.run(dataset.encode(side.encoder))
        if evaluated.contract.classes:
            expected = balanced_accuracy_score(dataset.target, outputs.argmax(axis=1))
        else:
            expected = r2_score(dataset.target, outputs[:, 0])
        assert value == pytest.approx(expected, abs=1e-5)
    assert found.low <= found.new - found.old <= found.high


def test_interval_covers_the_true_difference_as_often_as_it_says(evaluated: Project) -> None:
    model, rows = load(evaluated)
    rng = np.random.default_rng(0)
    weak = _Noisy(model, rng)
    truth = look(weak, model, rows)  # type: ignore[arg-type]
    difference = truth.new - truth.old
    covered = 0
    for seed in range(100):
        part = rows.take(rng.integers(0, rows.num_rows, rows.num_rows))
        found = look(weak, model, part, replace(SETTINGS, seed=seed))  # type: ignore[arg-type]
        covered += found.low <= difference <= found.high
    assert 85 <= covered <= 100


class _Noisy:
    """A model that adds a fixed error to each row of another."""

    def __init__(self, model: Model, rng: np.random.Generator) -> None:
        self._model, self._errors = model, rng.normal(0, 1, 1000)

    @property
    def contract(self) -> Contract:
        return self._model.contract

    @property
    def encoder(self) -> Encoder:
        return self._model.encoder

    @property
    def decision(self) -> Decision:
        return self._model.decision

    def run(self, rows: Encoded) -> np.ndarray:
        codes = np.abs(rows.numbers[:, 0] * 1000).astype(int) % 1000
        return np.asarray(self._model.run(rows) * (1 + self._errors[codes][:, None]))


@pytest.mark.parametrize(
    ("kind", "main"), [("regression", "mae"), ("classification", "log_loss"), ("binary", "roc_auc")]
)
def test_models_are_compared_by_any_metric(evaluated: Project, with_params: WithParams, main: str) -> None:
    model, rows = load(evaluated)
    train.run(with_params(evaluated, "train", trees=1, learning_rate=0.01))
    worse, metrics = Model.load(evaluated.paths.candidate), metrics_for(evaluated.contract, main)
    found = compare(worse, model, rows, metrics, 0.05, replace(SETTINGS, resamples=100))
    assert not found.passed
    assert found.low <= found.high < 0
    assert compare(model, worse, rows, metrics, 0.05, replace(SETTINGS, resamples=100)).low > 0


def test_metric_of_the_teams_own_may_use_the_rows(evaluated: Project) -> None:
    def weighted(answers: Answers) -> float:
        right = answers.predicted == answers.target if evaluated.contract.classes else answers.target * 0 + 1
        return float(np.average(right, weights=answers.values("length")))

    model, rows = load(evaluated)
    params = MetricsParams(main="weighted")
    metrics = find_metrics({"weighted": Metric(weighted)}, params, evaluated.contract)
    found = compare(model, model, rows, metrics, 0.05, replace(SETTINGS, resamples=60))
    assert (found.low, found.high, found.metric) == (0, 0, "weighted")
    numbers = np.arange(50.0) % 2
    columns = {f"output_{index}": numbers for index in range(len(evaluated.contract.classes) or 1)}
    with pytest.raises(DataError, match="weighted cannot be computed from the outputs alone"):
        measure_outcomes(pa.table({"target": numbers, **columns}), evaluated.contract, Decision(), metrics, SETTINGS)


@pytest.mark.parametrize("kind", ["regression"])
@pytest.mark.parametrize("count", [2, 29])
def test_handful_of_rows_tells_nothing(count: int, evaluated: Project) -> None:
    model, rows = load(evaluated)
    found = look(model, model, rows.slice(0, count))
    assert not found.passed
    assert "too few rows to rule out" in str(found)


@pytest.mark.parametrize("kind", ["binary"])
def test_command_compares_two_files_and_prints_a_sentence_or_json(
    evaluated: Project, with_params: WithParams, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = tmp_path / "old.onnx"
    old.write_bytes(evaluated.paths.candidate.read_bytes())
    train.run(with_params(evaluated, "train", model="linear"))
    files = [str(path) for path in (evaluated.paths.candidate, old, evaluated.paths.holdout)]
    assert main(["compare", *files, "--resamples", "100"]) == 0
    said = capsys.readouterr().out.strip()
    assert main(["compare", *files, "--resamples", "100", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["text"], found["metric"], found["rows"]) == (said, "balanced_accuracy", 100)
    assert isinstance(found["passed"], bool)


def test_rows_that_break_the_old_contract_are_left_out(evaluated: Project) -> None:
    model, rows = load(evaluated)
    narrow = model.contract.features["length"].model_copy(update={"maximum": 5.0})
    contract = model.contract.model_copy(update={"features": {**model.contract.features, "length": narrow}})
    found = look(model, replace(model, contract=contract), rows)
    assert found.rows == sum(length <= 5 for length in rows.column("length").to_pylist())
    with pytest.raises(DataError, match="no row of the holdout is valid under both contracts"):
        look(model, replace(model, contract=contract), rows.slice(0, 0))


def test_models_that_predict_different_things_are_not_compared(evaluated: Project) -> None:
    model, rows = load(evaluated)
    target = model.contract.target
    other = model.contract.model_copy(update={"target": {"other": target[model.contract.target_name]}})
    with pytest.raises(DataError, match="cannot be compared: one predicts .*, the other other"):
        look(model, replace(model, contract=other), rows)


def test_outcomes_are_measured_as_the_evaluation_measures(evaluated: Project) -> None:
    model, rows = load(evaluated)
    dataset = load_dataset(rows, evaluated.contract)
    outputs = model.run(dataset.encode(model.encoder)).astype(float)
    columns = {f"output_{index}": column for index, column in enumerate(outputs.T)}
    table = pa.table({"target": dataset.target, **columns})
    found = measure_outcomes(table, evaluated.contract, Decision(), evaluated.metrics, SETTINGS)
    assert found["metrics"] == json.loads(evaluated.paths.metrics.read_text())["model"]
    assert isinstance(found["metrics"], dict)
    metric = found["metrics"][found["metric"]]
    assert found["low"] <= metric <= found["high"]


@pytest.mark.parametrize("kind", ["regression"])
def test_command_measures_a_table_of_outputs(
    evaluated: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    numbers = np.arange(50.0)
    pq.write_table(pa.table({"target": numbers, "output_0": numbers}), tmp_path / "outputs.parquet")
    assert main(["measure", str(evaluated.paths.contract), str(tmp_path / "outputs.parquet")]) == 0
    assert json.loads(capsys.readouterr().out)["metrics"]["r2"] == 1
