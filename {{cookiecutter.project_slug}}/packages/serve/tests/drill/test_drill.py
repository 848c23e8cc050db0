"""The life of a model against a running service: no request fails, whatever is released, forced or rolled back."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest
import yaml

from {{ cookiecutter.__package_name }}_predict import Contract
from {{ cookiecutter.__package_name }}_predict.settings import PREFIX

from ..project.running import Start, connect, wait_for
from machinery.sandbox import KIND, PROGRAM, commit, run_in, train_weakly, write_source
from machinery.small_config import PATHS
from machinery.small_project import make_rows

SOURCE = PATHS["source"]


@pytest.fixture
def world(copied: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project whose first model is committed, registered, promoted and released."""
    monkeypatch.setenv(f"{PREFIX}ENV", "production")
    project = copied
    commit(project, "Train")
    run_in(project, PROGRAM, "register", "--reason", "the first model")
    run_in(project, PROGRAM, "promote", "v0.1.0", "--reason", "we begin")
    run_in(project, PROGRAM, "release")
    return project


class Load:
    """Requests without end, from a thread of their own, and whether each was answered."""

    def __init__(self, client: httpx.Client, row: dict[str, object]) -> None:
        """Prepare to ask for a row again and again."""
        self.answers: list[tuple[int, str]] = []
        self._client, self._row = client, row
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._stop.is_set():
            answer = self._client.post("/predict", json={"instances": [self._row]})
            self.answers.append((answer.status_code, answer.json().get("model_version", "")))
            time.sleep(0.005)

    def __enter__(self) -> "Load":
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._stop.set()
        self._thread.join()


def live_version(client: httpx.Client) -> str:
    """Return the version of the model that answers."""
    return str(client.get("/model").json()["version"])


def version_of(project: Path, version: str) -> str:
    """Return what answers call a registered version."""
    return str(json.loads(run_in(project, PROGRAM, "lineage", version, "--json"))["model"]["version"])


@pytest.fixture
def service(world: Path, start: Start) -> Iterator[httpx.Client]:
    """Return a client of a service in production."""
    start(world, "serve", "--port", "0", "--workers", "1")
    with connect(world) as client:
        yield client


def test_drill(world: Path, contract: Contract, service: httpx.Client) -> None:
    with connect(world) as second, Load(second, contract.example()) as load:
        first = live_version(service)
        write_source(world, rows=500, seed=2)
        commit(world, "New data")
        assert "v0.1.1 on main" in run_in(world, PROGRAM, "retrain", "--reason", "new data")
        assert live_version(service) == first
        twice: dict[str, Any] = {"json": {"instances": [contract.example()]}, "headers": {"X-Request-ID": "twice"}}
        service.post("/predict", **twice)
        run_in(world, PROGRAM, "promote", "v0.1.1", "--reason", "new data")
        run_in(world, PROGRAM, "release")
        good = version_of(world, "v0.1.1")
        wait_for(lambda: live_version(service) == good)
        service.post("/predict", **twice)

        train_weakly(world)
        run_in(world, PROGRAM, "register", "--reason", "for the drill")
        refused = run_in(world, PROGRAM, "promote", "v0.2.0", "--reason", "let us see", code=1)
        assert "v0.2.0 is not promoted to production, which has v0.1.1" in refused
        run_in(world, PROGRAM, "promote", "v0.2.0", "--reason", "the drill", "--force")
        run_in(world, PROGRAM, "release")
        bad = version_of(world, "v0.2.0")
        wait_for(lambda: live_version(service) == bad)
        run_in(world, PROGRAM, "rollback", "--reason", "it is worse")
        wait_for(lambda: live_version(service) == good)
    assert {status for status, _ in load.answers} == {200}
    wait_for(lambda: "belongs to requests to several models" in run_in(world, PROGRAM, "lineage", "twice", code=None))
    seen = list(dict.fromkeys(version for _, version in load.answers))
    assert seen == [first, good, bad]
    history = json.loads(run_in(world, PROGRAM, "history", "--json"))
    assert [(event["action"], event["version"], event["reason"]) for event in history][2:] == [
        ("register", "v0.1.1", "new data"),
        ("promote", "v0.1.1", "new data"),
        ("register", "v0.2.0", "for the drill"),
        ("promote", "v0.2.0", "the drill"),
        ("roll back", "v0.1.1", "it is worse"),
    ]


def test_lineage_of_a_request_leads_to_commit_and_data(world: Path, contract: Contract, service: httpx.Client) -> None:
    answer = service.post("/predict", json={"instances": [contract.example()]}, headers={"X-Request-ID": "audit-1"})
    assert answer.status_code == 200

    def find() -> str:
        printed = run_in(world, PROGRAM, "lineage", "audit-1", "--json", code=None)
        return printed if printed.startswith("{") else ""

    facts = json.loads(wait_for(find))
    lock = yaml.safe_load(run_in(world, "git", "show", f"{facts['commit']['hash']}:dvc.lock"))["stages"]
    assert facts["commit"]["hash"] == run_in(world, "git", "rev-parse", "HEAD").strip()
    assert facts["data"]["raw"] == next(out["md5"] for out in lock["ingest"]["outs"])
    assert facts["data"]["source"] == next(dep["md5"] for dep in lock["ingest"]["deps"] if dep["path"] == SOURCE)
    assert facts["agrees_with_lock"] is True
    assert facts["model"]["version"] == answer.json()["model_version"]
    (prediction,) = facts["request"]["predictions"]
    assert prediction["inputs"] == contract.example()
    assert (prediction["label"] or prediction["value"]) == answer.json()["predictions"][0]["prediction"]


def send(service: httpx.Client, frame: pd.DataFrame, name: str) -> None:
    """Have rows predicted, each in a request of its own."""
    for index, row in enumerate(json.loads(frame.to_json(orient="records"))):
        answer = service.post("/predict", json={"instances": [row]}, headers={"X-Request-ID": f"{name}-{index}"})
        assert answer.status_code == 200


def test_drift_and_outcomes_are_found_in_the_log_of_the_service(
    world: Path, contract: Contract, service: httpx.Client, tmp_path: Path
) -> None:
    few = run_in(world, PROGRAM, "drift", code=None)
    assert "no prediction log" in few or "Too few rows: found" in few
    frame = make_rows(KIND, 300, seed=5)
    send(service, frame.drop(columns=contract.target_name), "same")
    outcomes = pd.DataFrame(
        {"request_id": [f"same-{index}" for index in range(300)], contract.target_name: frame[contract.target_name]}
    )
    outcomes.to_csv(tmp_path / "outcomes.csv", index=False)

    def look(*command: str) -> dict[str, Any]:
        def find() -> dict[str, Any] | None:
            run_in(world, PROGRAM, *command, code=None)
            path = world / "var" / "reports" / f"{command[0]}.json"
            report: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
            return report if report.get("rows") in (300, 600) else None

        return dict(wait_for(find))

    assert look("drift")["alarms"] == []
    measured = look("outcomes", str(tmp_path / "outcomes.csv"))
    assert (measured["rows"], measured["waiting"], measured["unknown"]) == (300, 0, 0)
    assert set(measured["metrics"]) == set(measured["holdout"])
    send(service, pd.DataFrame([contract.example()] * 300), "other")
    wait_for(lambda: "600 rows from" in run_in(world, PROGRAM, "drift", code=None))
    assert "alarms.**" in run_in(world, PROGRAM, "drift", code=3)
    assert "<svg" in (world / "var" / "reports" / "drift.html").read_text()
