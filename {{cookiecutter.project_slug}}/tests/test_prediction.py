"""Predictions: known rows and corner cases; one answer, through the library, the command line and the service."""

import json
import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import numpy as np
import pyarrow.parquet as pq

from {{ cookiecutter.__package_name }}_batch.tables import check_batch, to_records
from {{ cookiecutter.__package_name }}_pipeline.project import Project
from {{ cookiecutter.__package_name }}_predict import Contract, Model
from {{ cookiecutter.__package_name }}_predict.cli import GROUP
from {{ cookiecutter.__package_name }}_predict.fields import Category, Number
from {{ cookiecutter.__package_name }}_predict.settings import PREFIX

from .sample_run import Run

PROGRAM = Model.__module__.partition(".")[0]
SETTINGS = {
    "LOGS__FORMAT": "json",
    "PREDICTION_LOG__URL": "null",
    "SERVICE__HOST": "127.0.0.1",
    "SERVICE__WORKERS": "1",
}


def is_sound(answer: Any, contract: Contract) -> bool:
    """Return whether an answer is a class of the contract, or a number."""
    if contract.classes:
        return answer["prediction"] in contract.labels and abs(sum(answer["probabilities"].values()) - 1) < 1e-4
    return bool(np.isfinite(answer["prediction"]))


def test_rows_at_the_edges_of_the_contract_are_answered(run: Run, contract: Contract) -> None:
    rows = [
        contract.example(),
        {name: None if field.missing else field.example for name, field in contract.features.items()},
    ]
    for name, field in contract.features.items():
        values: list[object] = list(field.values) if isinstance(field, Category) else []
        if isinstance(field, Number):
            values = [value for value in (field.minimum, field.maximum) if value is not None]
        rows += [{**contract.example(), name: value} for value in values]
    assert all(is_sound(answer, contract) for answer in run.model.predict(rows))


def test_order_and_company_of_rows_change_no_answer(run: Run, project: Project) -> None:
    rows = read_rows(run, project)
    answers = run.model.predict(rows)
    assert run.model.predict(rows[::-1]) == answers[::-1]
    assert [run.model.predict(row)[0] for row in rows] == answers


def test_library_command_line_and_service_give_the_same_answer(run: Run, project: Project) -> None:
    rows = read_rows(run, project)
    answers = run.model.predict(rows)
    printed = subprocess.run(
        [sys.executable, "-m", PROGRAM, "predict", "-"],
        cwd=run.folder,
        input=json.dumps(rows),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert json.loads(printed) == answers
    if entry_points(group=GROUP, name="serve"):
        assert ask_service(run.folder, rows) == answers


def read_rows(run: Run, project: Project, count: int = 20) -> list[dict[str, object]]:
    """Return rows of the holdout, as JSON has them."""
    table, features = pq.read_table(run.folder / project.paths.holdout).slice(0, count), project.contract.features
    return to_records(check_batch(table, features, "the holdout"), features)


def ask_service(folder: Path, rows: list[dict[str, object]]) -> Any:
    """Start the service at a free port, ask it for predictions, and end it."""
    environment = {**os.environ, **{PREFIX + name: value for name, value in SETTINGS.items()}}
    command = [sys.executable, "-m", PROGRAM, "serve", "--port", "0"]
    with subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True) as service:
        try:
            assert service.stderr is not None
            events = (json.loads(line) for line in service.stderr)
            address = next(event["address"] for event in events if event["event"] == "serving")
            next(event for event in events if event["event"] == "Application startup complete.")
            body = json.dumps({"instances": rows}).encode()
            headers = {"Content-Type": "application/json"}
            with urlopen(Request(f"{address}/predict", body, headers)) as answer:  # noqa: S310  # it is ours
                return json.load(answer)["predictions"]
        finally:
            service.terminate()
