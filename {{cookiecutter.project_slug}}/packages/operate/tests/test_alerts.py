"""Alerts: one message for each event to a receiver that is really there; one that is not never fails the work."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from {{ cookiecutter.__package_name }}_predict.settings import PREFIX

from .conftest import Run, configure, git, set_params, take_picture

URLS = f"{PREFIX}LIFECYCLE__ALERTS__URLS"


class Receiver(ThreadingHTTPServer):
    """A server that keeps what it is sent."""

    def __init__(self) -> None:
        """Listen at a free port."""
        super().__init__(("127.0.0.1", 0), Handler)
        self.received: list[dict[str, Any]] = []

    @property
    def titles(self) -> list[str]:
        """Return the titles of what was received."""
        return [message["title"].partition(": ")[2] for message in self.received]


class Handler(BaseHTTPRequestHandler):
    """What answers."""

    server: Receiver

    def do_POST(self) -> None:  # noqa: D102  # the library's name
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append(json.loads(body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:  # noqa: D102
        pass


@pytest.fixture
def receiver(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """Have alerts sent to a server of the test's own."""
    assert project.exists()
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv(URLS, json.dumps([f"json://127.0.0.1:{server.server_port}/"]))
        yield server
        server.shutdown()
        thread.join()


def test_release_and_rollback_are_told_once_each(receiver: Receiver, call: Run) -> None:
    call("register", "--reason", "first")
    call("promote", "v0.1.0", "--reason", "first")
    call("release")
    call("release")
    assert receiver.titles == ["release done"]
    assert "production: v0.1.0" in receiver.received[0]["message"]
    call("rollback", "--reason", "x", code=1)
    assert receiver.titles == ["release done"]


@pytest.mark.parametrize(
    ("stage", "title"),
    [("ingest", "ingestion failed"), ("validate", "invalid data"), ("gate", "the gate refused the model")],
)
def test_failing_stage_is_told_once_and_leaves_production_and_git_as_they_were(
    stage: str, title: str, receiver: Receiver, call: Run
) -> None:
    if stage == "ingest":
        git("rm", "--quiet", "source.csv")
    elif stage == "validate":
        text = Path("source.csv").read_text()
        Path("source.csv").write_text(text.replace("red", "purple"))
    else:
        set_params(gate={"min_gain_over_dummy": 2})
    git("commit", "--quiet", "--all", "--message", "Break it")
    before = take_picture()
    printed = call("retrain", code=1)
    assert take_picture() == before
    assert f"the stage {stage} failed: " in printed
    assert "production and git are unchanged" in printed
    assert receiver.titles == [title]
    assert receiver.received[0]["message"] in printed
    assert "# Retraining failed" in Path("var/reports/retraining.md").read_text()


def test_drift_is_told_with_what_has_drifted(receiver: Receiver, call: Run) -> None:
    call("register", "--reason", "first")
    call("promote", "v0.1.0", "--reason", "first")
    call("release")
    scored = pd.read_csv("source.csv").rename(columns={"weight": "prediction"})
    scored.to_csv("../scored.csv", index=False)
    assert "No drift found" in call("drift", "--table", "../scored.csv")
    scored.assign(length=1.5).to_csv("../scored.csv", index=False)
    printed = call("drift", "--table", "../scored.csv", code=3)
    assert receiver.titles == ["release done", "drift found"]
    assert receiver.received[1]["message"].startswith("length: its distribution has changed")
    assert "var/reports/drift.html" in printed
    for hours in ("0", "-3", "nan", "1e12"):
        assert "expected more than 0 and at most 87600" in call("drift", "--hours", hours, code=1)


def test_model_that_has_become_worse_is_told(receiver: Receiver, call: Run) -> None:
    call("register", "--reason", "first")
    call("promote", "v0.1.0", "--reason", "first")
    call("release")
    rows = pd.read_csv("source.csv")
    ids = [f"r{index}" for index in range(len(rows))]
    rows.rename(columns={"weight": "prediction"}).assign(request_id=ids).to_csv("../scored.csv", index=False)
    outcomes = pd.DataFrame({"request_id": ids, "weight": rows["weight"]})
    outcomes.to_csv("../outcomes.csv", index=False)
    assert "As good as on the holdout" in call("outcomes", "../outcomes.csv", "--table", "../scored.csv")
    outcomes.assign(weight=rows["weight"] + 3).to_csv("../outcomes.csv", index=False)
    call("outcomes", "../outcomes.csv", "--table", "../scored.csv", code=3)
    assert receiver.titles == ["release done", "drift found"]
    assert receiver.received[1]["message"].startswith("r2 is ")


def test_retraining_that_cannot_begin_is_told_too(receiver: Receiver, call: Run) -> None:
    Path("schema.yaml").write_text("changed")
    call("retrain", code=1)
    assert receiver.titles == ["retraining failed"]


def test_events_that_are_not_configured_are_not_told(receiver: Receiver, call: Run) -> None:
    configure(alerts={"events": ["drift"]})
    Path("schema.yaml").write_text("changed")
    call("retrain", code=1)
    assert receiver.received == []


def test_addresses_in_the_variable_of_apprise_count_too(
    receiver: Receiver, call: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(URLS)
    monkeypatch.setenv("APPRISE_URLS", f"json://127.0.0.1:{receiver.server_port}/")
    Path("schema.yaml").write_text("changed")
    call("retrain", code=1)
    assert receiver.titles == ["retraining failed"]


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("url", ["json://127.0.0.1:9/secret-path", "nosuch://secret-path"])
def test_alert_that_fails_is_said_without_its_address_and_fails_nothing(
    url: str, call: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(URLS, json.dumps([url]))
    call("register", "--reason", "first")
    call("promote", "v0.1.0", "--reason", "first")
    printed = call("release")
    assert "v0.1.0" in printed
    assert "warning: the alert 'project: release done' did not reach 1 of 1 addresses" in printed
    assert "secret-path" not in printed
