"""The prediction log on PostgreSQL."""

import signal
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine as Database

from {{ cookiecutter.__package_name }}_records.forget import forget
from {{ cookiecutter.__package_name }}_records.prediction_log import (
    connect,
    insert_predictions,
    prepare_table,
)
from {{ cookiecutter.__package_name }}_records.settings import PredictionLogSettings

from ..conftest import Serve, Start
from ..log_checks import check_rows, check_stats, check_unreachable, read_log
from ..running import ROW, wait_until
from machinery.engines import Engine
from machinery.small_config import SERVICE
from machinery.small_log import check_migrations, check_new_table


def address(postgres: Engine) -> str:
    """Return the address of the server's database."""
    return f"postgresql://test@127.0.0.1:{postgres.port}/postgres"


@pytest.fixture
def engine(postgres: Engine) -> Iterator[Database]:
    """Return the tests' own way into the server's database."""
    engine = connect(address(postgres))
    yield engine
    engine.dispose()


def test_table_is_made_once_and_as_this_version_knows_it(engine: Database) -> None:
    check_new_table(engine)


def test_table_of_an_older_version_keeps_its_rows_and_gets_the_new_columns(engine: Database) -> None:
    check_migrations(engine)


def test_every_row_of_a_request_is_written(serve: Serve, postgres: Engine, engine: Database) -> None:
    url = address(postgres)
    check_rows(serve(prediction_log={"url": url}), engine)


def test_stats_tell_traffic_latency_and_classes_over_time(serve: Serve, postgres: Engine, engine: Database) -> None:
    url = address(postgres)
    check_stats(serve(prediction_log={"url": url}), engine)


def test_predictions_of_a_key_are_deleted(postgres: Engine, engine: Database) -> None:
    prepare_table(engine)
    values: list[object] = [42, "42", 42.0, "43", "a\0b", True, None]
    record = {"at": datetime.now(UTC), "row": 0, "model_version": "abc", "milliseconds": 1.0, "value": 1.5}
    rows = [{**record, "request_id": f"{row}", "inputs": {"customer": value}} for row, value in enumerate(values)]
    with engine.begin() as connection:
        insert_predictions(connection, rows)
    settings = PredictionLogSettings(**{**SERVICE["prediction_log"], "url": address(postgres)})
    assert [forget(settings, "customer", value) for value in ("42", "true", "44")] == [3, 1, 0]
    assert [row["inputs"]["customer"] for row in read_log(engine)] == ["43", "a\ufffdb", None]


def test_several_workers_write_into_one_log(start: Start, postgres: Engine, engine: Database) -> None:
    url = address(postgres)
    running = start("serve", workers=2, prediction_log={"url": url})
    with running.client() as service:
        wait_until(lambda: len(running.said("model live")) == 2)
        for _ in range(200):
            assert service.predict(ROW, ROW).is_success
        wait_until(lambda: service.count("prediction_log_rows_total") == 400)
    assert len(read_log(engine)) == 400


def test_server_that_stops_costs_no_request_and_is_written_to_when_it_returns(
    serve: Serve, postgres: Engine, engine: Database
) -> None:
    url = address(postgres)
    service = serve(prediction_log={"url": url, "queue_rows": 50, "batch_rows": 10})
    service.predict(ROW)
    wait_until(lambda: service.count("prediction_log_rows_total") == 1)
    postgres.stop()
    dropped = check_unreachable(service, requests=100, queue_rows=50, batch_rows=10)
    postgres.start()
    wait_until(lambda: service.count("prediction_log_rows_total") == 101 - dropped)
    assert service.predict(ROW).is_success
    wait_until(lambda: len(read_log(engine)) == 102 - dropped)
    assert service.get("/stats").json()["rows"] == 102 - dropped


def test_table_that_is_locked_costs_no_request(serve: Serve, postgres: Engine, engine: Database) -> None:
    url = address(postgres)
    service = serve(prediction_log={"url": url, "queue_rows": 50, "batch_rows": 10})
    service.predict(ROW)
    wait_until(lambda: service.count("prediction_log_rows_total") == 1)
    with engine.connect() as connection:
        connection.exec_driver_sql("LOCK TABLE predictions IN ACCESS EXCLUSIVE MODE")
        for _ in range(100):
            assert service.predict(ROW).is_success
        wait_until(lambda: service.count("prediction_log_dropped_rows_total") > 0)
    dropped = service.count("prediction_log_dropped_rows_total")
    wait_until(lambda: service.count("prediction_log_rows_total") == 101 - dropped)


def test_service_that_starts_before_its_database_waits_for_it(serve: Serve, postgres: Engine) -> None:
    postgres.stop()
    service = serve(prediction_log={"url": address(postgres)})
    assert service.predict(ROW).is_success
    assert service.get("/health/ready").is_success
    postgres.start()
    wait_until(lambda: service.count("prediction_log_rows_total") == 1)


def test_service_that_stops_while_its_database_is_away_still_ends(start: Start, postgres: Engine) -> None:
    running = start("serve", prediction_log={"url": address(postgres)})
    with running.client() as service:
        service.predict(ROW)
        wait_until(lambda: service.count("prediction_log_rows_total") == 1)
        postgres.stop()
        service.predict(ROW, ROW)
    assert running.stop() in (0, -signal.SIGTERM)
    (lost,) = [line for line in running.lines if line["event"].startswith("predictions lost")]
    assert lost["rows"] == 2
