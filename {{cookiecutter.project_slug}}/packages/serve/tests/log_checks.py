"""What holds for the prediction log on every database that it may be on."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, select

from {{ cookiecutter.__package_name }}_predict.model import Prediction
from {{ cookiecutter.__package_name }}_records.prediction_log import PREDICTIONS
from {{ cookiecutter.__package_name }}_serve.periods import Entry, add_entries

from .running import ROW, Client, wait_until


def read_log(engine: Engine) -> list[dict[str, Any]]:
    """Return the rows of the log, in the order in which they were written."""
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(select(PREDICTIONS).order_by(PREDICTIONS.c.id)).mappings()]


def check_rows(service: Client, engine: Engine) -> None:
    """Check that a request's rows are written as they came and were answered."""
    before = datetime.now(UTC) - timedelta(seconds=1)
    other = {"length": 9.5, "colour": "red", "ready": None}
    answer = service.predict(ROW, other, headers={"X-Request-ID": "order-1"}).json()
    wait_until(lambda: service.count("prediction_log_rows_total") == 2)
    first, second = read_log(engine)
    assert (first["inputs"], second["inputs"]) == (ROW, other)
    assert (first["row"], second["row"]) == (0, 1)
    for row, prediction in zip((first, second), answer["predictions"], strict=True):
        assert row["request_id"] == "order-1"
        assert row["model_version"] == answer["model_version"]
        assert (row["label"], row["probabilities"]) == (prediction["prediction"], prediction["probabilities"])
        assert row["value"] is None
        assert 0 < row["milliseconds"] < 10_000
        assert before < row["at"].replace(tzinfo=row["at"].tzinfo or UTC) < datetime.now(UTC)


def check_unreachable(service: Client, requests: int, queue_rows: int, batch_rows: int) -> float:
    """Check that requests are answered while the database is unreachable, and return how many rows were dropped."""
    for _ in range(requests):
        assert service.predict(ROW).is_success
    wait_until(lambda: service.count("prediction_log_failures_total") > 0)
    dropped = service.count("prediction_log_dropped_rows_total")
    assert requests - queue_rows - 2 * batch_rows <= dropped <= requests - queue_rows
    assert service.get("/stats").status_code == 503
    return dropped


def check_stats(service: Client, engine: Engine) -> None:
    """Check the numbers for dashboards, over three steps of time, one of which is empty."""
    version = service.predict(ROW).json()["model_version"]
    wait_until(lambda: service.count("prediction_log_rows_total") == 1)
    now = time.time()
    hour = 3600.0
    half_past = (now // hour - 2) * hour + 1799.9
    small: Prediction = {"prediction": "small", "probabilities": {}}
    large: Prediction = {"prediction": "large", "probabilities": {}}
    odd: list[Prediction] = [small, {**large, "unusual": ["length", "colour"]}, {**large, "unusual": ["length"]}]
    old = Entry(half_past, "old", version, 30.0, [ROW] * 3, odd)
    add_all(engine, [old, Entry(half_past - 60, "older", version, 10.0, [ROW], [small])])
    add_all(engine, [Entry(now - 200 * hour, "ancient", version, 5000.0, [ROW], [small])])
    stats = service.get("/stats", params={"hours": 3, "steps": 3}).json()
    assert (stats["step_seconds"], stats["requests"], stats["rows"]) == (3600, 3, 5)
    assert stats["versions"] == {version: 5}
    before, new = stats["steps"]
    assert datetime.fromisoformat(new["start"]) - datetime.fromisoformat(before["start"]) == timedelta(hours=2)
    assert (before["requests"], before["rows"], before["classes"]) == (2, 4, {"large": 2, "small": 2})
    assert (new["requests"], new["rows"], sum(new["classes"].values())) == (1, 1, 1)
    assert (before["unusual"], new["unusual"]) == ({"colour": 1, "length": 2}, {})
    assert (before["latency"]["mean"], before["latency"]["max"]) == (20.0, 30.0)
    assert [before["latency"]["at_most"][bound] for bound in ("5", "10", "25", "50")] == [0, 1, 1, 2]
    assert service.get("/stats", params={"hours": 300}).json()["rows"] == 6
    stats = service.get("/stats", params={"hours": 3, "steps": 180}).json()
    assert [(step["requests"], step["rows"]) for step in stats["steps"]] == [(1, 1), (1, 3), (1, 1)]


def add_all(engine: Engine, entries: list[Entry]) -> None:
    """Add entries to the numbers of their time, one by one, as several workers would."""
    for entry in entries:
        with engine.begin() as connection:
            add_entries(connection, [entry])
