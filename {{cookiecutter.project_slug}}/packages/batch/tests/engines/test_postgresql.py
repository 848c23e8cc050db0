"""Jobs in PostgreSQL: what they do in SQLite, its own types, a server that stops, readers that never wait."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from {{ cookiecutter.__package_name }}_batch.databases import Database
from {{ cookiecutter.__package_name }}_batch.jobs import database_store, patience
from {{ cookiecutter.__package_name }}_batch.queries import read_query
from {{ cookiecutter.__package_name }}_predict import DataError
from {{ cookiecutter.__package_name }}_predict.errors import ConfigError

from .. import job_checks
from ..job_checks import Events, Site, small_chunks
from machinery.engines import Engine, postgres
from machinery.small_model import kinds_path

__all__ = ["kinds_path", "postgres"]
KILLS = int(os.environ.get("KILLS", "3"))


@pytest.fixture
def site(model_path: Path, postgres: Engine) -> Site:
    """Return a site in PostgreSQL."""
    return Site(Database(f"postgresql://test@127.0.0.1:{postgres.port}/postgres"), model_path)


@pytest.fixture
def clean(site: Site) -> Callable[[], None]:
    """Return a function that empties the database, so that one server serves many checks."""

    def empty() -> None:
        site.execute("DROP SCHEMA public CASCADE")
        site.execute("CREATE SCHEMA public")
        site.events = Events()

    return empty


def test_jobs_do_what_they_do_in_sqlite(
    site: Site,
    clean: Callable[[], None],
    make_model: Callable[..., Path],
    kinds_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job_checks.check_rows_are_those_of_the_library(site)
    for check in (
        job_checks.check_finished_run_is_not_repeated,
        job_checks.check_replace_shows_one_run,
        job_checks.check_appended_run_can_be_taken_back,
        job_checks.check_upsert_replaces_rows_by_their_keys,
        job_checks.check_too_many_rejected_rows_change_nothing,
        job_checks.check_table_that_does_not_fit_is_refused,
        job_checks.check_sources_that_cannot_be_used_are_refused,
        job_checks.check_second_run_at_once_is_refused,
        job_checks.check_views_of_others_are_left_alone,
        job_checks.check_clock_that_is_behind_changes_no_order,
        job_checks.check_query_is_a_source,
    ):
        clean()
        check(site)
    for watched in (
        job_checks.check_unfinished_run_comes_first,
        job_checks.check_source_that_changes_is_noticed,
        job_checks.check_run_belongs_to_one_job_and_one_sink,
        job_checks.check_copies_do_not_stay,
    ):
        clean()
        watched(site, monkeypatch)
    clean()
    job_checks.check_run_goes_on_as_it_began(site, make_model, monkeypatch)
    clean()
    site.model = kinds_path
    job_checks.check_every_kind_of_column(site)


def test_types_of_postgresql_arrive_as_what_the_contract_expects(site: Site) -> None:
    site.execute(
        "CREATE TABLE orders (id UUID PRIMARY KEY, length NUMERIC(12, 3), count SMALLINT, colour CHAR(8), "
        "ready BOOLEAN)"
    )
    site.execute(
        "INSERT INTO orders VALUES ('00000000-0000-0000-0000-000000000001', 0.1, 7, 'green', true),"
        "('00000000-0000-0000-0000-000000000002', 'NaN', NULL, 'red', NULL),"
        "('00000000-0000-0000-0000-000000000003', 9.999, 7, 'red', false)"
    )
    ended = site.run(site.job(max_rejected=0.4, inputs=True))
    assert ended is not None
    assert (ended.counts.scored, ended.counts.rejected) == (2, 1)
    found = site.read()
    assert [(row["id"][-1], row["colour"]) for row in found] == [("1", "green"), ("3", "red")]
    assert [row["length"] for row in found] == [0.1, 9.999]
    table = pa.concat_tables(read_query(site.database.address, "SELECT * FROM orders ORDER BY id"))
    assert table.column("length").to_pylist()[::2] == [0.1, 9.999]
    assert table.column("id")[0].as_py().startswith("0000")


def test_keys_are_exact_or_rejected(site: Site) -> None:
    site.execute(
        "CREATE TABLE orders (id BIGINT PRIMARY KEY, account NUMERIC(30), at TIMESTAMPTZ, day DATE, length FLOAT8, "
        "count INT, colour TEXT, ready BOOLEAN)"
    )
    rows = [
        "(1, 12345678901234567890, '9999-12-31 23:59:59.999998+00', '9999-12-31', 1, 1, 'red', true)",
        "(2, 12345678901234567891, '2300-01-01 00:00:00.000001+00', '0001-01-01', 1, 1, 'red', true)",
        "(3, 1, 'infinity', '2024-01-01', 1, 1, 'red', true)",
        "(4, 1, '2024-01-01', '-infinity', 1, 1, 'red', true)",
    ]
    site.execute(f"INSERT INTO orders VALUES {', '.join(rows)}")
    site.run(site.job(keys=["id", "account", "at", "day"], max_rejected=0.5))
    found = [tuple(str(row[name]) for name in ("account", "at", "day")) for row in site.read()]
    assert found == [
        ("12345678901234567890", "9999-12-31 23:59:59.999998+00:00", "9999-12-31"),
        ("12345678901234567891", "2300-01-01 00:00:00.000001+00:00", "0001-01-01"),
    ]
    reasons = [row["rejected_because"].partition(":")[0] for row in site.read("scored_rejected")]
    assert reasons == ["at", "day"]


def test_odd_names_are_names(site: Site) -> None:
    site.execute('CREATE SCHEMA "m?x"')
    site.fill(3)
    for mode in ("append", "upsert", "replace"):
        job = site.job(mode, sink={"table": f'm?x.a "{mode}" %s.b'})
        site.run(job, mode)
        site.run(job, f"{mode}2")
        table = site.database.quote_table(f'm?x.a "{mode}" %s.b')
        assert site.execute(f"SELECT count(DISTINCT id) FROM {table}") == [(3,)]
    site.execute('CREATE TABLE up AS SELECT * FROM "m?x"."a ""append"" %s.b"')
    site.execute("CREATE UNIQUE INDEX ON up (id, lower(prediction), run_id)")
    with pytest.raises(DataError, match="up in .* has no unique index on id, which upsert needs; create one"):
        site.run(site.job("upsert", sink={"table": "up"}), "third")
    twice = {"table": None, "query": "SELECT *, id FROM orders"}
    with pytest.raises(ConfigError, match="has 'id' twice among its columns; name each column once in the query"):
        site.run(site.job(source=twice), "fourth")


def test_table_of_narrower_types_is_filled_by_the_server_or_refused(site: Site) -> None:
    site.fill(3)
    job = site.job()
    site.run(job)
    site.execute("DELETE FROM scored")
    site.execute("ALTER TABLE scored ALTER id TYPE INTEGER, ALTER prediction TYPE VARCHAR(3)")
    with pytest.raises(DataError, match=r"value too long for type character varying\(3\)"):
        site.run(job, "second")
    site.execute("ALTER TABLE scored ALTER prediction TYPE VARCHAR(9)")
    site.run(job, "second")
    assert [row["id"] for row in site.read()] == [1, 2, 3]


def test_sink_in_a_schema_without_rights_is_a_sentence(site: Site) -> None:
    site.fill(3)
    site.execute("CREATE SCHEMA mart")
    site.execute("CREATE ROLE reader LOGIN")
    site.execute("GRANT SELECT ON orders TO reader")
    database = Database(site.database.address.replace("test@", "reader@"))
    other = Site(database, site.model)
    with pytest.raises(DataError, match="permission denied for schema mart"):
        other.run(other.job(sink={"table": "mart.scored"}))
    site.execute("GRANT ALL ON SCHEMA mart TO reader")
    other.run(other.job("replace", sink={"table": "mart.scored"}))
    assert len(other.read("mart.scored")) == 3
    site.execute("GRANT SELECT ON mart.scored TO test")
    site.fill(4)
    site.execute("GRANT SELECT ON orders TO reader")
    other.run(other.job("replace", sink={"table": "mart.scored"}), "second")
    assert len(site.read("mart.scored")) == 4  # the right to read is kept


def test_reader_sees_whole_results_and_never_waits_long(site: Site) -> None:
    site.fill(50)
    site.run(site.job("replace"))
    seen, longest, stop = set[tuple[str, int]](), [0.0], threading.Event()

    def read() -> None:
        with site.database.connect() as connection:
            while not stop.is_set():
                began = time.perf_counter()
                rows = connection.execute("SELECT run_id, count(*) FROM scored GROUP BY run_id")
                longest[0] = max(longest[0], time.perf_counter() - began)
                assert len(rows) == 1
                seen.add(rows[0])

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(1, 10):
        site.fill(50 + number)
        site.run(site.job("replace"), f"run{number}")
    stop.set()
    reader.join()
    sizes = {"first": 50} | {f"run{number}": 50 + number for number in range(1, 10)}
    assert len(seen) > 2
    assert {(run, sizes[run]) for run, _ in seen} == seen
    assert longest[0] < 5  # a lock that a run cannot get is given up before


def test_view_that_somebody_holds_is_tried_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_store, "LOCK_MILLISECONDS", 100)
    site.fill(3)
    site.run(site.job("replace"))
    with site.database.connect() as holder:
        holder.execute("BEGIN")
        holder.execute("LOCK TABLE scored")  # a view, too
        timer = threading.Timer(1, lambda: holder.execute("COMMIT"))
        timer.start()
        site.run(site.job("replace"), "second")
        timer.join()
    assert {row["run_id"] for row in site.read()} == {"second"}


def test_server_that_stops_and_comes_back_is_waited_for(
    site: Site, postgres: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_chunks(monkeypatch, 100)
    site.fill(20_000)
    site.run(site.job(sink={"table": "calm"}), "calm")

    def stop_and_start() -> None:
        time.sleep(0.5)
        postgres.stop()
        time.sleep(1)
        postgres.start()

    thread = threading.Thread(target=stop_and_start)
    thread.start()
    site.run(site.job())
    thread.join()
    assert job_checks.drop_run(site.read()) == job_checks.drop_run(site.read("calm"))


def test_server_that_stays_away_is_a_sentence_and_the_run_goes_on(
    site: Site, postgres: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_chunks(monkeypatch, 100)
    monkeypatch.setattr(patience, "SECONDS", 0.5)
    site.fill(20_000)
    threading.Timer(0.5, postgres.stop).start()
    with pytest.raises(DataError, match="does not answer .*; check that it is running"):
        site.run(site.job())
    postgres.start()
    ended = site.run(site.job())
    assert ended is not None
    assert ended.counts.scored == 20_000 == len(site.read())


def test_killed_run_writes_each_row_once(site: Site, tmp_path: Path) -> None:
    job_checks.check_killed_runs_write_each_row_once(site, tmp_path, KILLS)


@pytest.fixture(autouse=True)
def shorter_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for a server for less long than in production."""
    monkeypatch.setattr(patience, "SECONDS", 30.0)
