"""What a job of `score` has written is compared with the training data, and joined with outcomes."""

from pathlib import Path

import pandas as pd
import pytest
import yaml

from {{ cookiecutter.__package_name }}_operate.monitoring.drift import detect
from {{ cookiecutter.__package_name }}_operate.monitoring.outcomes import join
from {{ cookiecutter.__package_name }}_operate.monitoring.predictions import read_job
from {{ cookiecutter.__package_name }}_operate.monitoring.predictions import read_table as read_rows
from {{ cookiecutter.__package_name }}_pipeline.project import CONFIG, Project
from {{ cookiecutter.__package_name }}_predict.cli import main
from {{ cookiecutter.__package_name }}_predict.errors import DataError
from {{ cookiecutter.__package_name }}_predict.model import Model

from .conftest import LIFECYCLE, SETTINGS


@pytest.fixture(params=["binary"])
def kind(request: pytest.FixtureRequest) -> str:
    """Return the one kind of problem that these tests need."""
    return str(request.param)


def configure(sink: str, *, inputs: bool) -> None:
    """Write a job into the configuration."""
    config = yaml.safe_load(CONFIG.read_text())
    table = {"table": "scored"} if sink.startswith("sqlite") else {}
    job = {"source": {"address": "rows.csv"}, "sink": {"address": sink} | table, "mode": "replace"}
    config["score"] = {"nightly": {**job, "keys": ["id"], "inputs": inputs, "workers": 1}}
    CONFIG.write_text(yaml.safe_dump(config))


@pytest.mark.parametrize("sink", ["sqlite:///var/scored.db", "var/scored.parquet", "var/scored", "var/scored.csv"])
def test_last_run_is_what_drift_and_outcomes_read(
    sink: str, evaluated: Project, model: Model, rows: pd.DataFrame, tmp_path: Path
) -> None:
    target = evaluated.contract.target_name
    rows = rows.assign(id=range(len(rows)))
    rows.drop(columns=target).to_csv("rows.csv", index=False)
    configure(sink, inputs=True)
    with pytest.raises(DataError, match=r"nightly has no finished run in .*scored.*; start it with: score nightly"):
        read_job(evaluated.contract, "nightly", 1000)
    assert main(["score", "nightly", "--model", str(evaluated.paths.model)]) == 0
    report = detect(model, read_job(evaluated.contract, "nightly", 1000), SETTINGS)
    assert (report.rows, report.alarms) == (len(rows), [])
    assert len(read_job(evaluated.contract, "nightly", 60).answers) == 60
    rows[["id", target]].to_csv("outcomes.csv", index=False)
    predictions = read_job(evaluated.contract, "nightly", 1000, keyed=True)
    found = join(model, predictions, read_rows(Path("outcomes.csv")), LIFECYCLE)
    assert (found.rows, found.waiting, found.unknown) == (len(rows), 0, 0)
    assert found.metrics["accuracy"] > 0.8
    twice = pd.DataFrame({"id": [7, 7], target: rows[target][:2]})
    twice.to_csv(tmp_path / "twice.csv", index=False)
    with pytest.raises(DataError, match=r"the row with id 7 has more than one outcome"):
        join(model, predictions, read_rows(tmp_path / "twice.csv"), LIFECYCLE)


@pytest.mark.usefixtures("model")
def test_features_that_a_job_leaves_out_are_reported(evaluated: Project, rows: pd.DataFrame) -> None:
    rows.assign(id=range(len(rows))).to_csv("rows.csv", index=False)
    configure("sqlite:///var/scored.db", inputs=False)
    assert main(["score", "nightly", "--model", str(evaluated.paths.model)]) == 0
    with pytest.raises(DataError, match="has not written the feature 'length'; set `inputs: true` in score.nightly"):
        read_job(evaluated.contract, "nightly", 1000)
