"""Outcomes: predictions are joined with what came true, measured as in the evaluation, and held against it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from {{ cookiecutter.__package_name }}_operate.monitoring.outcomes import (
    OutcomesReport,
    join,
    read_outcomes,
)
from {{ cookiecutter.__package_name }}_operate.monitoring.predictions import read_scored
from {{ cookiecutter.__package_name }}_operate.monitoring.predictions import read_table as read_rows
from {{ cookiecutter.__package_name }}_operate.monitoring.report import render, write_report
from {{ cookiecutter.__package_name }}_pipeline.dataset import load_dataset, read_table
from {{ cookiecutter.__package_name }}_pipeline.metrics import Answers, measure, measure_uncertainty
from {{ cookiecutter.__package_name }}_pipeline.project import Project
from {{ cookiecutter.__package_name }}_predict.artefact import Decision
from {{ cookiecutter.__package_name }}_predict.errors import DataError
from {{ cookiecutter.__package_name }}_predict.model import Model

from .conftest import LIFECYCLE, write_scored


@pytest.fixture
def truth(model: Model, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the outcomes of rows whose requests are named r0, r1, …."""
    name = model.contract.target_name
    return pd.DataFrame({"request_id": [f"r{index}" for index in range(len(rows))], name: rows[name]})


def look(model: Model, rows: pd.DataFrame, truth: pd.DataFrame, folder: Path) -> OutcomesReport:
    """Return the report on outcomes, as the command makes it from two tables."""
    ids = [f"r{index}" for index in range(len(rows))]
    scored = write_scored(model, rows, folder / "scored.parquet", request_id=ids)
    truth.to_csv(folder / "outcomes.csv", index=False)
    predictions = read_scored(model.contract, scored, keyed=True)
    return join(model, predictions, read_outcomes(str(folder / "outcomes.csv")), LIFECYCLE)


def test_metrics_are_those_of_the_evaluation(
    evaluated: Project, model: Model, rows: pd.DataFrame, truth: pd.DataFrame, tmp_path: Path
) -> None:
    report = look(model, rows, truth, tmp_path)
    assert (report.rows, report.waiting, report.unknown, report.refused) == (len(rows), 0, 0, 0)
    dataset = load_dataset(read_table(evaluated.paths.clean), evaluated.contract)
    outputs = model.run(dataset.encode(model.encoder)).astype(float)
    answers = Answers(evaluated.contract, dataset.target, outputs)
    expected = measure(answers, evaluated.metrics) | measure_uncertainty(answers)
    assert report.metrics == pytest.approx(expected, rel=1e-4)
    assert report.holdout == json.loads(evaluated.paths.metrics.read_text())["model"]
    assert not report.alarms
    assert "As good as on the holdout" in render(report)


@pytest.mark.parametrize("kind", ["binary"])
def test_metrics_are_those_of_the_decision_threshold(
    model: Model, rows: pd.DataFrame, truth: pd.DataFrame, tmp_path: Path
) -> None:
    report = look(replace(model, decision=Decision(threshold=1e-6)), rows, truth, tmp_path)
    assert report.metrics["accuracy"] == pytest.approx((rows["kind"] == "large").mean())


@pytest.mark.parametrize("kind", ["regression"])
def test_coverage_of_the_interval_is_measured(
    model: Model, rows: pd.DataFrame, truth: pd.DataFrame, tmp_path: Path
) -> None:
    wide = Decision(coverage=0.9, below=1e6, above=1e6)
    assert look(replace(model, decision=wide), rows, truth, tmp_path).metrics["interval_coverage"] == 1
    half = Decision(coverage=0.9, below=0, above=1e6)
    assert 0.2 < look(replace(model, decision=half), rows, truth, tmp_path).metrics["interval_coverage"] < 0.8


def test_model_that_has_become_worse_is_told(
    model: Model, rows: pd.DataFrame, truth: pd.DataFrame, tmp_path: Path
) -> None:
    shuffled = truth.assign(**{truth.columns[1]: truth[truth.columns[1]].sample(frac=1, random_state=1).to_numpy()})
    report = look(model, rows, shuffled, tmp_path)
    (alarm,) = report.alarms
    assert alarm.startswith(f"{report.metric} is ")
    assert alarm in write_report(report, tmp_path, "outcomes").read_text()


@pytest.mark.parametrize("kind", ["binary", "regression"])
def test_outcomes_come_in_any_order_and_are_counted(
    model: Model, rows: pd.DataFrame, truth: pd.DataFrame, tmp_path: Path
) -> None:
    some = truth.iloc[:100].sample(frac=1, random_state=2)
    other = pd.DataFrame({"request_id": ["nobody"], truth.columns[1]: truth.iloc[0, 1]})
    bad = pd.DataFrame({"request_id": ["r399"], truth.columns[1]: ["junk"]})
    report = look(model, rows, pd.concat([some, other, bad]).astype(str), tmp_path)
    assert (report.rows, report.waiting, report.unknown, report.refused) == (100, len(rows) - 100, 1, 1)
    assert report.metrics == look(model, rows, truth.iloc[:100], tmp_path).metrics


def test_too_few_outcomes_are_said(model: Model, rows: pd.DataFrame, truth: pd.DataFrame, tmp_path: Path) -> None:
    report = look(model, rows, truth.iloc[:49], tmp_path)
    assert (report.enough, report.metrics, report.alarms) == (False, {}, [])
    assert "Too few rows: found 49, expected 50 or more." in render(report)


@pytest.mark.parametrize("kind", ["binary"])
def test_outcomes_that_cannot_be_joined_are_refused(
    model: Model, rows: pd.DataFrame, truth: pd.DataFrame, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="the outcomes lack the column 'kind'; expected request_id, kind"):
        look(model, rows, truth[["request_id"]], tmp_path)
    with pytest.raises(DataError, match="the row with request_id r0, row 0 has more than one outcome"):
        look(model, rows, pd.concat([truth, truth.iloc[:1]]), tmp_path)
    nameless = read_scored(model.contract, write_scored(model, rows, tmp_path / "scored.parquet"), keyed=True)
    with pytest.raises(DataError, match="lacks request_id or a probability of each class"):
        join(model, nameless, read_rows(tmp_path / "outcomes.csv"), LIFECYCLE)


@pytest.mark.parametrize("kind", ["regression"])
def test_rows_of_one_request_have_outcomes_of_their_own(model: Model, rows: pd.DataFrame, tmp_path: Path) -> None:
    numbers = np.arange(len(rows))
    scored = write_scored(model, rows, tmp_path / "scored.parquet", request_id="one", row=numbers)
    outcomes = pd.DataFrame({"request_id": "one", "row": numbers, "weight": rows["weight"]})
    outcomes.sample(frac=1, random_state=1).to_parquet(tmp_path / "outcomes.parquet", index=False)
    known = read_outcomes(str(tmp_path / "outcomes.parquet"))
    report = join(model, read_scored(model.contract, scored, keyed=True), known, LIFECYCLE)
    assert report.rows == len(rows)
    assert report.metrics["r2"] > 0.95


@pytest.mark.parametrize("kind", ["regression"])
@pytest.mark.parametrize(("row", "sound"), [("0.0", True), ("0.5", False), ("x", False), (None, False)])
def test_column_of_rows_holds_whole_numbers(
    row: str | None, sound: bool, model: Model, rows: pd.DataFrame, truth: pd.DataFrame, tmp_path: Path
) -> None:
    numbered = truth.assign(row=pd.Series([row] * len(truth), dtype=object))
    if sound:
        assert look(model, rows, numbered, tmp_path).rows == len(rows)
    else:
        with pytest.raises(DataError, match="the column row has values that are not integers"):
            look(model, rows, numbered, tmp_path)


@pytest.mark.parametrize("kind", ["binary"])
def test_chance_alone_raises_no_alarm(model: Model, rows: pd.DataFrame, truth: pd.DataFrame, tmp_path: Path) -> None:
    ids = [f"r{index}" for index in range(60)]
    scored = read_scored(
        model.contract, write_scored(model, rows[:60], tmp_path / "s.parquet", request_id=ids), keyed=True
    )
    wrong = truth[:60].copy()
    classes = model.contract.classes
    answers = [classes[0] if index % 10 == 0 else str(answer) for index, answer in enumerate(scored.answers)]
    wrong["kind"] = answers
    wrong.to_csv(tmp_path / "outcomes.csv", index=False)
    report = join(model, scored, read_outcomes(str(tmp_path / "outcomes.csv")), LIFECYCLE)
    assert report.best is not None
    assert report.best > report.metrics["balanced_accuracy"]
    assert not report.alarms
