"""What holds for the prediction log on every database that it may be on."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, insert, select, update

from {{ cookiecutter.__package_name }}_predict.service.prediction_log import PREDICTIONS

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


def check_stats(service: Client, engine: Engine) -> None:
    """Check the numbers for dashboards, over three steps of time, one of which is empty."""
    version = service.predict(ROW).json()["model_version"]
    wait_until(lambda: service.count("prediction_log_rows_total") == 1)
    (row,) = read_log(engine)
    del row["id"]
    hour = timedelta(hours=1)
    older = [
        {**row, "at": row["at"] - 2 * hour, "request_id": "old", "row": index, "milliseconds": 30.0, "label": label}
        for index, label in enumerate(("small", "large", "large"))
    ]
    ancient = {**row, "at": row["at"] - 200 * hour, "request_id": "ancient"}
    with engine.begin() as connection:
        connection.execute(update(PREDICTIONS).values(milliseconds=3.0, label="small"))
        connection.execute(insert(PREDICTIONS), [*older, ancient])
    stats = service.get("/stats", params={"hours": 3, "steps": 3}).json()
    assert (stats["step_seconds"], stats["requests"], stats["rows"]) == (3600, 2, 4)
    assert stats["versions"] == {version: 4}
    old, new = stats["steps"]
    assert datetime.fromisoformat(new["start"]) - datetime.fromisoformat(old["start"]) == 2 * hour
    assert (old["requests"], old["rows"], old["classes"]) == (1, 3, {"large": 2, "small": 1})
    assert (new["requests"], new["rows"], new["classes"]) == (1, 1, {"small": 1})
    assert (old["latency"]["mean"], old["latency"]["max"]) == (30.0, 30.0)
    assert (old["latency"]["at_most"]["25"], old["latency"]["at_most"]["50"]) == (0, 1)
    assert (new["latency"]["at_most"]["2"], new["latency"]["at_most"]["5"]) == (0, 1)
    assert service.get("/stats", params={"hours": 300}).json()["rows"] == 5
