"""Drift: each kind of change raises an alarm, unchanged data raises none, and too few rows are not tested."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from {{ cookiecutter.__package_name }}_operate.monitoring.distributions import stability_index
from {{ cookiecutter.__package_name }}_operate.monitoring.drift import DriftReport, Finding, detect
from {{ cookiecutter.__package_name }}_operate.monitoring.predictions import read_scored
from {{ cookiecutter.__package_name }}_operate.monitoring.report import (
    render,
    render_page,
    write_report,
)
from {{ cookiecutter.__package_name }}_operate.settings import Drift
from {{ cookiecutter.__package_name }}_pipeline.project import Project
from {{ cookiecutter.__package_name }}_predict.artefact import ColumnStatistics
from {{ cookiecutter.__package_name }}_predict.errors import DataError
from {{ cookiecutter.__package_name }}_predict.model import Model

from .conftest import SETTINGS, write_scored
from machinery.small_project import run_stages

DRAWS = 100


def look(model: Model, frame: pd.DataFrame, tmp_path: Path, settings: Drift = SETTINGS) -> DriftReport:
    """Return the report on rows, as the command makes it from a scored table."""
    return detect(model, read_scored(model.contract, write_scored(model, frame, tmp_path / "scored.parquet")), settings)


def find(report: DriftReport, name: str) -> Finding:
    """Return the finding of a column."""
    (finding,) = [finding for finding in report.findings if finding.name == name]
    return finding


def draw(frame: pd.DataFrame, seed: int, count: int = 300) -> pd.DataFrame:
    """Return rows drawn with replacement."""
    return frame.sample(count, replace=True, random_state=seed, ignore_index=True)


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_rows_that_have_not_changed_stay_quiet_as_often_as_is_said(
    model: Model, rows: pd.DataFrame, tmp_path: Path
) -> None:
    path = write_scored(model, rows, tmp_path / "all.parquet")
    scored = pd.read_parquet(path)
    alarms = 0
    for seed in range(DRAWS):
        draw(scored, seed).to_parquet(path, index=False)
        alarms += bool(detect(model, read_scored(model.contract, path), SETTINGS).alarms)
    assert alarms <= 2 * SETTINGS.false_alarms * DRAWS


def test_shifted_number_is_found(model: Model, rows: pd.DataFrame, tmp_path: Path) -> None:
    frame = draw(rows, 1)
    frame["length"] = (frame["length"] * 0.8).round(2)
    report = look(model, frame, tmp_path)
    assert find(report, "length").alarms[0].startswith("its distribution has changed (Kolmogorov-Smirnov p = ")
    assert not find(report, "count").alarms
    assert not find(report, "ready").alarms


def test_shifted_shares_of_a_category_and_a_boolean_are_found(model: Model, rows: pd.DataFrame, tmp_path: Path) -> None:
    frame = draw(rows, 1)
    frame.loc[frame["colour"] == "red", "colour"] = "green"
    frame["ready"] = frame["ready"] | (np.arange(len(frame)) % 2 == 0)
    report = look(model, frame, tmp_path)
    assert find(report, "colour").alarms[0].startswith("its distribution has changed (chi-squared p = ")
    assert find(report, "ready").alarms[0].startswith("its distribution has changed (Kolmogorov-Smirnov p = ")


def test_new_category_is_found_and_named(model: Model, rows: pd.DataFrame, tmp_path: Path) -> None:
    path = write_scored(model, draw(rows, 1), tmp_path / "scored.parquet")
    scored = pd.read_parquet(path)
    scored.loc[:19, "colour"] = "purple"
    scored.to_parquet(path, index=False)
    report = detect(model, read_scored(model.contract, path), SETTINGS)
    assert find(report, "colour").new == {"purple": 20}
    assert "values not seen in training: purple (20)" in find(report, "colour").alarms
    assert find(report, "colour").missing < 0.1


def test_number_beyond_the_contract_is_found(model: Model, rows: pd.DataFrame, tmp_path: Path) -> None:
    path = write_scored(model, draw(rows, 1), tmp_path / "scored.parquet")
    scored = pd.read_parquet(path)
    scored.loc[:19, "length"] = 99.0
    scored.to_parquet(path, index=False)
    finding = find(detect(model, read_scored(model.contract, path), SETTINGS), "length")
    assert list(finding.new.values()) == [20]
    assert [alarm for alarm in finding.alarms if alarm.startswith("values not seen in training: other than ")]


def test_rising_share_of_missing_values_is_found(model: Model, rows: pd.DataFrame, tmp_path: Path) -> None:
    frame = draw(rows, 1)
    frame.loc[:59, "count"] = None
    report = look(model, frame, tmp_path)
    (alarm,) = [alarm for alarm in find(report, "count").alarms if "missing" in alarm]
    assert alarm.startswith("23.7% of the values are missing, ")
    assert not [alarm for alarm in report.alarms if alarm.startswith("colour") and "missing" in alarm]


def test_shifted_output_is_found(model: Model, rows: pd.DataFrame, tmp_path: Path) -> None:
    report = look(model, draw(rows[rows["length"] > 6], 1), tmp_path)
    assert find(report, "prediction").alarms


def test_too_few_rows_are_said_and_nothing_is_guessed(model: Model, rows: pd.DataFrame, tmp_path: Path) -> None:
    report = look(model, draw(rows.assign(length=9.9), 1, count=49), tmp_path)
    assert (report.enough, report.findings, report.alarms) == (False, [], [])
    assert "Too few rows: found 49, expected 50 or more." in render(report)


def test_report_has_three_forms_that_say_the_same(model: Model, rows: pd.DataFrame, tmp_path: Path) -> None:
    frame = draw(rows, 1)
    frame["length"] = 1.0
    report = look(model, frame, tmp_path)
    page = write_report(report, tmp_path / "reports", "drift")
    found = json.loads((tmp_path / "reports" / "drift.json").read_text())
    assert found["alarms"] == report.alarms
    assert {finding["name"] for finding in found["findings"]} == {*model.contract.features, "prediction"}
    assert f"**{len(report.alarms)} alarms.**" in (tmp_path / "reports" / "drift.md").read_text()
    html = page.read_text()
    assert html.count("<figure>") == html.count("<svg") == len(report.findings)
    assert "length — drifted" in html
    assert not [part for part in ("<script", "<link", "src=", "url(http") if part in html]  # it needs no other file
    assert write_report(report, tmp_path / "reports", "drift").read_text() == html


def test_page_shows_names_as_they_are() -> None:
    html = render_page("# <b>Drift</b>\n\n<script>alert(1)</script>\n", [])
    assert "<script>" not in html
    assert "<b>" not in html


def test_sensitive_features_are_left_out(model: Model, rows: pd.DataFrame, tmp_path: Path) -> None:
    secret = model.contract.features["length"].model_copy(update={"sensitive": True})
    contract = model.contract.model_copy(update={"features": {**model.contract.features, "length": secret}})
    frame = draw(rows, 1).assign(length=1.0)
    scored = read_scored(model.contract, write_scored(model, frame, tmp_path / "scored.parquet"))
    report = detect(replace(model, contract=contract), scored, SETTINGS)
    assert "length" not in [finding.name for finding in report.findings]


@pytest.mark.parametrize("kind", ["regression"])
def test_table_without_what_it_needs_is_refused(model: Model, rows: pd.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    rows.to_csv(path, index=False)
    with pytest.raises(DataError, match="lacks the column 'prediction'; expected length, count, colour, ready, pred"):
        read_scored(model.contract, path)
    path.write_text("a,b\n1,2,3\n")
    with pytest.raises(DataError, match="1 malformed lines, the first: found 3 columns"):
        read_scored(model.contract, path)
    path.write_text("a,b\n")
    with pytest.raises(DataError, match="has no rows"):
        read_scored(model.contract, path)
    with pytest.raises(DataError, match="no.csv cannot be read"):
        read_scored(model.contract, tmp_path / "no.csv")


def test_stability_index_is_that_of_the_formula() -> None:
    before, now = np.array([0.5, 0.5, 0.0]), np.array([0.25, 0.75, 0.0])
    expected = -0.25 * np.log(0.5) + 0.25 * np.log(1.5)
    assert stability_index(before, now) == pytest.approx(expected)
    assert stability_index(before, before) == 0


@pytest.mark.parametrize("kind", ["regression"])
def test_values_that_single_precision_blurs_stay_ties(model: Model, rows: pd.DataFrame, tmp_path: Path) -> None:
    codes = (np.arange(300) % 10) / 10
    blurred = np.quantile(codes.astype(np.float32).astype(float), np.linspace(0, 1, 101)).tolist()
    length = ColumnStatistics(missing=0, quantiles=blurred)
    features = {**model.reference.features, "length": length}
    same = replace(model, reference=model.reference.model_copy(update={"features": features}))
    frame = draw(rows, 1).assign(length=codes)
    finding = find(look(same, frame, tmp_path), "length")
    assert finding.psi < 0.001


@pytest.mark.parametrize("kind", ["regression"])
@pytest.mark.parametrize("value", ["abc", "1,5"])
def test_prediction_that_is_no_number_is_refused(value: str, model: Model, rows: pd.DataFrame, tmp_path: Path) -> None:
    frame = rows.rename(columns={"weight": "prediction"}).astype({"prediction": object})
    frame.loc[3, "prediction"] = value
    frame.to_csv(tmp_path / "scored.csv", index=False)
    with pytest.raises(DataError, match="the column prediction has values that are not numbers"):
        read_scored(model.contract, tmp_path / "scored.csv")


@pytest.mark.parametrize("kind", ["regression"])
def test_new_values_of_an_open_category_alarm_beyond_the_share_that_training_foretells(
    project: Project, tmp_path: Path
) -> None:
    schema, source = Path("schema.yaml"), Path(project.paths.source)
    schema.write_text(schema.read_text().replace("values: [red, green, blue]", "open: true"))
    shops = [f"shop {number}" for number in np.random.default_rng(1).geometric(0.03, 700)]
    rows = pd.read_csv(source)
    rows.assign(colour=shops[:400]).to_csv(source, index=False)
    run_stages("ingest", "validate", "split", "train")
    model = Model.load(project.paths.candidate)
    later = rows[:300].assign(colour=shops[400:])
    unchanged = find(look(model, later, tmp_path), "colour")
    assert sum(unchanged.new.values()) > 3
    assert not unchanged.alarms
    later.loc[:59, "colour"] = "shop 0"
    changed = find(look(model, later, tmp_path), "colour")
    assert changed.alarms[-1].startswith("values not seen in training: shop 0 (60)")


@pytest.mark.parametrize("kind", ["regression"])
def test_missing_values_of_a_csv_are_no_new_category_and_no_strange_number(
    model: Model, rows: pd.DataFrame, tmp_path: Path
) -> None:
    scored = pd.read_parquet(write_scored(model, draw(rows, 1), tmp_path / "scored.parquet")).astype(object)
    scored.loc[:19, "colour"] = "purple"
    scored.loc[20:59, ["colour", "length"]] = None
    scored.to_csv(tmp_path / "scored.csv", index=False, na_rep="NA")
    report = detect(model, read_scored(model.contract, tmp_path / "scored.csv"), SETTINGS)
    colour, length = find(report, "colour"), find(report, "length")
    assert colour.new == {"purple": 20}
    assert colour.missing >= 40 / 300
    assert length.new == {}
    assert length.missing == pytest.approx(40 / 300, rel=1e-5)
    assert any("are missing" in alarm for alarm in length.alarms)
