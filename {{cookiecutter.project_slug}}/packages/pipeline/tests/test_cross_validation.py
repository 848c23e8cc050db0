"""Cross-validation: each row is predicted by a model that has not seen it; what an answer adds follows from it."""

import json
from collections.abc import Callable

import numpy as np
import pyarrow.parquet as pq
import pytest

from {{ cookiecutter.__package_name }}_pipeline import evaluate, train
from {{ cookiecutter.__package_name }}_pipeline.cross_validation import cheapest_threshold
from {{ cookiecutter.__package_name }}_pipeline.dataset import Dataset, load_dataset, read_table
from {{ cookiecutter.__package_name }}_pipeline.metrics import (
    Answers,
    find_metrics,
    measure,
    measure_slices,
    worst_slice,
)
from {{ cookiecutter.__package_name }}_pipeline.params import Costs, MetricsParams
from {{ cookiecutter.__package_name }}_pipeline.project import Project
from {{ cookiecutter.__package_name }}_predict.artefact import Decision
from {{ cookiecutter.__package_name }}_predict.errors import ConfigError, DataError
from {{ cookiecutter.__package_name }}_predict.model import Model

from machinery.small_recipe import RECIPE

REGRESSION = pytest.mark.parametrize("kind", ["regression"])
BINARY = pytest.mark.parametrize("kind", ["binary"])
CLASSIFICATION = pytest.mark.parametrize("kind", ["classification"])
WithParams = Callable[..., Project]


def holdout(project: Project) -> Dataset:
    """Return the rows of the holdout."""
    return load_dataset(read_table(project.paths.holdout), project.contract)


def test_train_writes_mean_and_spread_of_each_metric(evaluated: Project) -> None:
    found = json.loads(evaluated.paths.cross_validation.read_text())
    assert (found["rows"], found["folds"]) == (300, 3)
    assert set(found["metrics"]) == set(evaluated.metrics)
    results = json.loads(evaluated.paths.metrics.read_text())["model"]
    for name, score in found["metrics"].items():
        assert score["spread"] > 0
        assert abs(score["mean"] - results[name]) < 0.25


@BINARY
def test_threshold_that_costs_least_is_kept_in_the_model(evaluated: Project, with_params: WithParams) -> None:
    costs = Costs(false_positive=1, false_negative=50)
    train.run(with_params(evaluated, "metrics", costs=costs))
    model, rows = Model.load(evaluated.paths.candidate), holdout(evaluated)
    assert model.decision.threshold is not None
    assert model.decision.threshold < 0.3
    outputs = model.run(rows.encode(model.encoder))
    expected = outputs[:, 1] >= model.decision.threshold
    assert model.decide(outputs).tolist() == expected.astype(int).tolist()
    trained = load_dataset(read_table(evaluated.paths.train), evaluated.contract)
    decided = model.decide(model.run(trained.encode(model.encoder)))
    assert list(model.reference.output.counts.values()) == np.bincount(decided).tolist()
    row = evaluated.contract.example()
    answer = model.predict(row)[0]
    shares = answer["probabilities"]
    assert answer["prediction"] == ("large" if shares["large"] >= model.decision.threshold else "small")


@pytest.mark.parametrize(
    ("positive", "negative", "expected"), [(1.0, 1.0, 0.5), (1.0, 100.0, 0.3), (100.0, 1.0, 0.7), (1e-9, 1e9, 1e-6)]
)
def test_cheapest_threshold_is_that_of_all_thresholds(positive: float, negative: float, expected: float) -> None:
    shares = np.array([0.1, 0.2, 0.4, 0.6, 0.8, 0.9])
    marks = np.array([False, False, True, False, True, True])
    if expected == 1e-6:
        marks[0] = True
    costs = Costs(false_positive=positive, false_negative=negative)
    found = cheapest_threshold(shares, marks, costs)

    def cost(threshold: float) -> float:
        predicted = shares >= threshold
        return float((predicted & ~marks).sum() * positive + (~predicted & marks).sum() * negative)

    assert cost(found) == min(cost(threshold) for threshold in (0, 0.15, 0.3, 0.5, 0.7, 0.85, 1))
    assert expected in (0.5, pytest.approx(found))


@REGRESSION
def test_interval_covers_about_as_many_rows_as_it_says(evaluated: Project, with_params: WithParams) -> None:
    project = with_params(evaluated, "metrics", interval=0.8)
    train.run(project)
    evaluate.run(project)
    model = Model.load(evaluated.paths.candidate)
    assert model.decision.coverage == 0.8
    answer = model.predict(evaluated.contract.example())[0]
    low, high = answer["interval"]
    assert low < float(answer["prediction"]) < high
    coverage = json.loads(evaluated.paths.metrics.read_text())["model"]["interval_coverage"]
    assert 0.65 <= coverage <= 0.95


@REGRESSION
def test_sensitive_feature_is_no_slice(project: Project) -> None:
    contract = project.contract
    secret = contract.features["length"].model_copy(update={"sensitive": True})
    hidden = contract.model_copy(update={"features": {**contract.features, "length": secret}})
    with pytest.raises(ConfigError, match="metrics.slices: 'length' is sensitive, and the reports and the model file"):
        find_metrics(RECIPE.metrics, MetricsParams(main="r2", slices=["length"]), hidden)


@CLASSIFICATION
def test_slices_are_measured_and_the_worst_is_found(evaluated: Project, with_params: WithParams) -> None:
    project = with_params(evaluated, "metrics", slices=["colour", "length", "ready"])
    evaluate.run(project)
    slices = json.loads(evaluated.paths.metrics.read_text())["slices"]
    assert set(slices) == {"colour", "length", "ready"}
    assert set(slices["colour"]) <= {"red", "green", "blue", "(missing)"}
    assert set(slices["ready"]) == {"false", "true"}
    assert len(slices["length"]) == 4
    label, value = worst_slice("accuracy", slices, less_is_better=False)
    assert value == min(part["accuracy"] for parts in slices.values() for part in parts.values())
    assert " = " in label
    assert np.isnan(worst_slice("accuracy", {}, less_is_better=False)[1])


@BINARY
def test_metric_that_a_slice_does_not_have_is_left_out(evaluated: Project) -> None:
    rows = holdout(evaluated)
    outputs = np.full((len(rows), 2), 0.5)
    one = Answers(evaluated.contract, rows.target * 0, outputs, Decision(), rows)
    metrics = find_metrics({}, MetricsParams(main="roc_auc", also=["accuracy"]), evaluated.contract)
    assert all(set(part) == {"rows", "accuracy"} for part in measure_slices(one, metrics, ["ready"])["ready"].values())
    with pytest.raises(DataError, match="roc_auc of 100 rows (is not a number|cannot be computed)"):
        measure(one, metrics)


def test_metrics_of_scikit_learn_are_found_by_name(evaluated: Project) -> None:
    rows = holdout(evaluated)
    model = Model.load(evaluated.paths.candidate)
    answers = Answers(evaluated.contract, rows.target, model.run(rows.encode(model.encoder)).astype(float), rows=rows)
    main = "log_loss" if evaluated.contract.classes else "mean_absolute_error"
    params = MetricsParams(main=main, also=["f1_macro"] if evaluated.contract.classes else ["explained_variance"])
    metrics = find_metrics({}, params, evaluated.contract)
    assert metrics[main].less_is_better
    found = measure(answers, metrics)
    if evaluated.contract.classes:
        picked = answers.outputs[np.arange(len(rows)), rows.target.astype(int)]
        assert found[main] == pytest.approx(-np.log(picked).mean(), rel=1e-4)
    else:
        assert found[main] == pytest.approx(np.abs(rows.target - answers.predicted).mean(), rel=1e-5)


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        (
            "classification",
            {"costs": Costs(false_positive=1, false_negative=2)},
            "the target has 3 classes; remove them",
        ),
        ("binary", {"interval": 0.9}, "an interval is for a number"),
        ("binary", {"threshold": 0.2, "costs": Costs(false_positive=1, false_negative=2)}, "remove one of the two"),
    ],
)
def test_parameter_that_does_not_fit_the_target_is_refused(
    evaluated: Project, changes: dict[str, object], message: str
) -> None:
    params = evaluated.params.metrics.model_copy(update=changes)
    with pytest.raises(ConfigError, match=message):
        find_metrics(RECIPE.metrics, params, evaluated.contract)


@REGRESSION
def test_target_with_one_value_is_refused(split_project: Project) -> None:
    table = pq.read_table(split_project.paths.train)
    one = table.set_column(4, "weight", [[1.0] * table.num_rows])
    pq.write_table(one, split_project.paths.train)
    with pytest.raises(DataError, match="all 300 training rows have the same weight, 1; there is nothing to learn"):
        train.run(split_project)
