"""The prediction log: whole, bounded, never in the way; with SQLite, which needs no server."""

import re
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
import yaml
from sqlalchemy import Engine, func, insert, select, text
from sqlalchemy.exc import OperationalError

from {{ cookiecutter.__package_name }}_predict import Contract, Model
from {{ cookiecutter.__package_name }}_predict.settings import PREFIX
from {{ cookiecutter.__package_name }}_records.prediction_log import (
    COUNTS,
    PERIODS,
    PREDICTIONS,
    connect,
    insert_predictions,
    limited_time,
    prepare_table,
)
from {{ cookiecutter.__package_name }}_serve import log_writer
from {{ cookiecutter.__package_name }}_serve.periods import Entry, delete_old
from {{ cookiecutter.__package_name }}_serve.stats import summarise

from .conftest import Serve, Start
from .log_checks import add_all, check_rows, check_stats, check_unreachable, read_log
from .running import ROW, Client, wait_until
from machinery.small_model import ORDER, SCHEMA

NUMBERS = (PERIODS, COUNTS)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """Return the tests' own way into the file that their configuration names."""
    engine = connect(f"sqlite:///{tmp_path}/var/predictions.db")
    yield engine
    engine.dispose()


def test_every_row_of_a_request_is_written(service: Client, engine: Engine) -> None:
    check_rows(service, engine)


def test_stats_tell_traffic_latency_and_classes_over_time(service: Client, engine: Engine) -> None:
    check_stats(service, engine)


def test_stats_of_a_service_that_has_answered_nothing(service: Client) -> None:
    wait_until(lambda: service.get("/stats").is_success)
    assert service.get("/stats").json()["steps"] == []


@pytest.mark.parametrize("query", [{"hours": 0}, {"hours": "x"}, {"steps": 0}, {"steps": 501}, {"hours": "nan"}])
def test_stats_of_an_impossible_time_are_refused(query: dict[str, str], service: Client) -> None:
    answer = service.get("/stats", params=query)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"][0]["pointer"] == f"#/query/{next(iter(query))}"


def test_predicted_numbers_are_held_against_the_deciles_of_training(engine: Engine) -> None:
    prepare_table(engine)
    deciles = [float(percent) for percent in range(10, 100, 10)]
    for value in (5.0, 15.0, 15.0, 105.0):
        add_all(engine, [Entry(time.time(), "one", "abc", 1.0, [{}], [{"prediction": value}], deciles)])
    (step,) = summarise(engine, 1, 1).steps
    assert step.classes is None
    assert step.values is not None
    assert (step.values.mean, step.values.min, step.values.max) == (35.0, 5.0, 105.0)
    assert step.values.below == {f"{10 * decile}": 1 if decile == 1 else 3 for decile in range(1, 10)}


def test_numbers_that_nobody_can_ask_for_are_deleted(engine: Engine) -> None:
    prepare_table(engine)
    now = time.time()
    entries = [Entry(now - days * 86_400, "one", "abc", 1.0, [{}], [{"prediction": 1.0}]) for days in (0, 40, 500)]
    add_all(engine, entries)
    with engine.begin() as connection:
        delete_old(connection, datetime.now(UTC))
        kept = [
            connection.execute(select(table.c.seconds, func.count()).group_by("seconds")).all() for table in NUMBERS
        ]
    assert kept == [[(60, 1), (3600, 2)], [(60, 2), (3600, 4)]]


def test_query_that_takes_too_long_is_ended(engine: Engine) -> None:
    prepare_table(engine)
    endless = text("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n")
    with engine.connect() as connection:
        with pytest.raises(OperationalError, match="interrupted"), limited_time(connection, 0.2):
            connection.execute(endless)
        assert connection.execute(text("SELECT 1")).scalar() == 1


def test_predictions_too_old_are_deleted(serve: Serve, engine: Engine) -> None:
    service = serve()
    service.predict(ROW)
    wait_until(lambda: service.count("prediction_log_rows_total") == 1)
    (row,) = read_log(engine)
    del row["id"]
    days = [{**row, "at": row["at"] - timedelta(days=age), "request_id": str(age)} for age in (1, 89, 91)]
    with engine.begin() as connection:
        connection.execute(insert(PREDICTIONS), days)
    again = serve()
    again.predict(ROW)
    wait_until(lambda: again.count("prediction_log_rows_total") == 1)
    assert [row["request_id"] for row in read_log(engine)][1:3] == ["1", "89"]


def test_many_predictions_too_old_are_deleted_few_at_a_time(
    serve: Serve, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_writer, "RETIRE_ROWS", 2)
    service = serve()
    service.predict(ROW)
    wait_until(lambda: service.count("prediction_log_rows_total") == 1)
    (row,) = read_log(engine)
    old = {**row, "at": row["at"] - timedelta(days=100)}
    del old["id"]
    with engine.begin() as connection:
        connection.execute(insert(PREDICTIONS), [old] * 7)
    again = serve()
    assert again.predict(ROW).is_success
    wait_until(lambda: len(read_log(engine)) == 2)


def test_unusual_values_are_logged_by_field(kinds_service: Client, engine: Engine) -> None:
    for share in (50, 101, 102):
        assert kinds_service.predict({**ORDER, "share (%)": share}).is_success
    wait_until(lambda: kinds_service.count("prediction_log_rows_total") == 3)
    assert [row["unusual"] for row in read_log(engine)] == [None, '["share (%)"]', '["share (%)"]']
    (step,) = kinds_service.get("/stats", params={"steps": 1}).json()["steps"]
    assert step["unusual"] == {"share (%)": 2}


def test_without_an_address_no_log_is_kept(serve: Serve, tmp_path: Path) -> None:
    service = serve(prediction_log={"url": None})
    assert service.predict(ROW).is_success
    answer = service.get("/stats")
    assert answer.status_code == 404
    assert "keeps no prediction log" in answer.json()["detail"]
    assert not (tmp_path / "var" / "predictions.db").exists()


def test_service_that_stops_writes_what_is_queued(start: Start, engine: Engine) -> None:
    running = start("serve", prediction_log={"flush_seconds": 3600})
    with running.client() as service:
        for _ in range(100):
            assert service.predict(ROW).is_success
    running.stop()
    assert len(read_log(engine)) == 100


def test_database_away_costs_no_request_and_is_written_to_when_it_returns(
    serve: Serve, tmp_path: Path, engine: Engine
) -> None:
    (tmp_path / "var").write_text("no folder")
    service = serve(prediction_log={"queue_rows": 20, "batch_rows": 5})
    dropped = check_unreachable(service, requests=60, queue_rows=20, batch_rows=5)
    assert str(tmp_path) not in service.get("/stats").text
    (tmp_path / "var").unlink()
    wait_until(lambda: service.count("prediction_log_rows_total") == 60 - dropped)
    assert service.count("prediction_log_queue_rows") == 0
    assert len(read_log(engine)) == 60 - dropped


def test_rows_that_the_database_never_takes_cost_no_others(serve: Serve, engine: Engine) -> None:
    service = serve(prediction_log={"flush_seconds": 0.5})
    service.predict(ROW)
    wait_until(lambda: service.count("prediction_log_rows_total") == 1)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER picky BEFORE INSERT ON predictions WHEN new.request_id = 'odd' "
            "BEGIN SELECT RAISE(ABORT, 'not this one'); END"
        )
    for identity in ("one", "odd", "other"):  # in one batch
        service.predict(ROW, headers={"X-Request-ID": identity})
    wait_until(lambda: service.count("prediction_log_rows_total") == 3)
    assert service.count("prediction_log_dropped_rows_total") == 1
    assert [row["request_id"] for row in read_log(engine)][1:] == ["one", "other"]


def test_old_rows_that_cannot_be_deleted_make_no_row_twice(serve: Serve, engine: Engine) -> None:
    first = serve()
    first.predict(ROW)
    wait_until(lambda: first.count("prediction_log_rows_total") == 1)
    (row,) = read_log(engine)
    with engine.begin() as connection:
        connection.execute(PREDICTIONS.update().values(at=row["at"] - timedelta(days=200)))
        connection.exec_driver_sql(
            "CREATE TRIGGER kept BEFORE DELETE ON predictions BEGIN SELECT RAISE(ABORT, 'kept'); END"
        )
    again = serve()
    for count in (1, 2):
        again.predict(ROW)
        wait_until(lambda: again.count("prediction_log_rows_total") == count)  # noqa: B023  # it waits here
    assert again.count("prediction_log_dropped_rows_total") == again.count("prediction_log_failures_total") == 0
    assert len(read_log(engine)) == 3


def test_predictions_that_cannot_be_written_at_the_end_are_told(start: Start, tmp_path: Path) -> None:
    (tmp_path / "var").write_text("no folder")
    running = start("serve")
    with running.client() as service:
        service.predict(ROW, ROW)
    running.stop()
    (lost,) = [line for line in running.lines if line["event"].startswith("predictions lost")]
    assert lost["rows"] == 2


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps a file that is open")
@pytest.mark.parametrize("replaced", [False, True])
def test_log_whose_file_vanishes_is_begun_anew(serve: Serve, tmp_path: Path, engine: Engine, *, replaced: bool) -> None:
    service = serve()
    service.predict(ROW)
    wait_until(lambda: service.count("prediction_log_rows_total") == 1)
    file = tmp_path / "var" / "predictions.db"
    for path in file.parent.glob("predictions.db*"):
        path.rename(path.with_name(f"old-{path.name}"))
    if replaced:
        file.touch()
    for _ in range(10):
        assert service.predict(ROW).is_success
    wait_until(lambda: service.count("prediction_log_rows_total") == 11)
    assert len(read_log(engine)) == 10
    assert service.count("prediction_log_failures_total") == 1
    assert service.get("/stats").json()["rows"] == 10


@pytest.mark.skipif(sys.platform != "linux", reason="limits of another process can be changed on Linux alone")
def test_full_disk_costs_no_request_and_the_log_recovers(start: Start, engine: Engine, model_path: Path) -> None:
    running = start("serve", prediction_log={"queue_rows": 3000, "retention_days": None})
    process = psutil.Process(running.process.pid)
    with running.client() as service:
        version = Model.load(model_path).version
        process.rlimit(psutil.RLIMIT_FSIZE, (200_000, -1))  # no file may grow beyond it, as on a disk that is full
        while not service.count("prediction_log_dropped_rows_total"):
            assert service.predict(*[ROW] * 500).json()["model_version"] == version
        assert service.count("prediction_log_failures_total") > 0
        dropped = service.count("prediction_log_dropped_rows_total")
        process.rlimit(psutil.RLIMIT_FSIZE, (-1, -1))
        rows = service.count("prediction_rows_total")
        wait_until(lambda: service.count("prediction_log_rows_total") == rows - dropped)
        assert len(read_log(engine)) == rows - dropped


def test_sensitive_inputs_are_logged_as_pseudonyms_or_not_at_all(
    serve: Serve, make_model: Callable[..., Path], engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden = yaml.safe_load(SCHEMA.replace("missing: true}", "missing: true, sensitive: true}"))
    contract = Contract.model_validate(hidden | {"keys": {"id": "customer", "sensitive": True}})
    make_model(contract=contract.model_dump_json())
    shown = {"length": 2.5, "colour": "green"}
    for secret in ("null", "a key of some length"):
        monkeypatch.setenv(f"{PREFIX}PREDICTION_LOG__HASH_KEY", secret)
        service = serve()
        service.predict({**ROW, "customer": 42})
        service.predict({**shown, "count": None, "customer": "42"})
        wait_until(lambda service=service: service.count("prediction_log_rows_total") == 2)  # type: ignore[misc]
    left_out, *_, hashed, other = (row["inputs"] for row in read_log(engine))
    assert left_out == shown
    assert other == {**shown, "customer": hashed["customer"]}
    assert set(hashed) == {*ROW, "customer"}
    assert all(re.fullmatch("[0-9a-f]{32}", hashed[name]) for name in ("count", "ready", "customer"))


@pytest.mark.parametrize(("content", "rows"), [("metadata", [None]), ("none", [])])
def test_log_keeps_what_is_configured(content: str, rows: list[object], serve: Serve, engine: Engine) -> None:
    service = serve(prediction_log={"content": content})
    service.predict(ROW)
    wait_until(lambda: service.get("/stats").json().get("rows") == 1)  # a problem document, until there is a table
    assert [row["inputs"] for row in read_log(engine)] == rows


def test_more_rows_than_a_statement_takes_are_written(engine: Engine) -> None:
    prepare_table(engine)
    at = datetime.now(UTC)
    record = {"at": at, "request_id": "one", "model_version": "abc", "milliseconds": 1.0, "value": 1.5}
    with engine.begin() as connection:
        insert_predictions(connection, [{**record, "row": row, "inputs": {"a": row}} for row in range(10_001)])
    rows = read_log(engine)
    assert [(row["row"], row["inputs"]) for row in rows] == [(row, {"a": row}) for row in range(10_001)]
    assert (rows[-1]["at"], rows[-1]["value"], rows[-1]["label"]) == (at.replace(tzinfo=None), 1.5, None)
