"""What holds for the prediction log on every database that it may be on."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, insert, select, update

from {{ cookiecutter.__package_name }}_records.prediction_log import PREDICTIONS

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
    (row,) = read_log(engine)
    del row["id"]
    hour = timedelta(hours=1)
    half_past = row["at"].replace(minute=59, second=59, microsecond=900_000) - 2 * hour  # of a step that is not over
    older = [
        {**row, "at": half_past, "request_id": "old", "row": index, "milliseconds": 30.0, "label": label}
        for index, label in enumerate(("small", "large", "large"))
    ]
    older[1]["unusual"], older[2]["unusual"] = '["length","colour"]', '["length"]'
    older.append({**older[0], "request_id": "older", "milliseconds": 10.0})
    ancient = {**row, "at": row["at"] - 200 * hour, "request_id": "ancient"}
    with engine.begin() as connection:
        connection.execute(update(PREDICTIONS).values(milliseconds=3.0, label="small"))
        connection.execute(insert(PREDICTIONS), [*older, ancient])
    stats = service.get("/stats", params={"hours": 3, "steps": 3}).json()
    assert (stats["step_seconds"], stats["requests"], stats["rows"]) == (3600, 3, 5)
    assert stats["versions"] == {version: 5}
    old, new = stats["steps"]
    assert datetime.fromisoformat(new["start"]) - datetime.fromisoformat(old["start"]) == 2 * hour
    assert (old["requests"], old["rows"], old["classes"]) == (2, 4, {"large": 2, "small": 2})
    assert (new["requests"], new["rows"], new["classes"]) == (1, 1, {"small": 1})
    assert (old["unusual"], new["unusual"]) == ({"colour": 1, "length": 2}, {})
    assert (old["latency"]["mean"], old["latency"]["max"]) == (20.0, 30.0)
    assert (old["latency"]["at_most"]["25"], old["latency"]["at_most"]["50"]) == (1, 2)
    assert (new["latency"]["at_most"]["2"], new["latency"]["at_most"]["5"]) == (0, 1)
    assert service.get("/stats", params={"hours": 300}).json()["rows"] == 6
