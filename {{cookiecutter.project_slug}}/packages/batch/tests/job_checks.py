"""What jobs do in any database: the tests of SQLite and of PostgreSQL run these checks."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml

from {{ cookiecutter.__package_name }}_batch.databases import Database
from {{ cookiecutter.__package_name }}_batch.jobs import chunks
from {{ cookiecutter.__package_name }}_batch.jobs.manifest import Manifest
from {{ cookiecutter.__package_name }}_batch.jobs.plan import Request, plan
from {{ cookiecutter.__package_name }}_batch.jobs.run import run_job
from {{ cookiecutter.__package_name }}_batch.jobs.settings import Job
from {{ cookiecutter.__package_name }}_batch.jobs.work import Work, Worker, open_store
from {{ cookiecutter.__package_name }}_predict import DataError, Model
from {{ cookiecutter.__package_name }}_predict.errors import ConfigError, ProjectError

PACKAGE = Model.__module__.partition(".")[0].removesuffix("_predict")
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}
FEATURES = pa.schema([("length", pa.float64()), ("count", pa.int64()), ("colour", pa.string()), ("ready", pa.bool_())])
SOURCE = pa.schema([("id", pa.int64()), *FEATURES])


class Events:
    """A report that keeps what it is told."""

    def __init__(self) -> None:
        """Keep nothing yet."""
        self.names = list[str]()
        self.rows = 0

    def event(self, name: str, **_: object) -> None:
        """Keep the name of an event."""
        self.names.append(name)

    def start(self, _: Manifest, done: int) -> None:
        """Keep how many rows are done."""
        self.rows = done

    def advance(self, rows: int) -> None:
        """Count rows."""
        self.rows += rows


@dataclass
class Site:
    """A database with a table of orders, and jobs that score it."""

    database: Database
    model: Path
    events: Events = field(default_factory=Events)

    def fill(self, rows: int, name: str = "orders", **changes: list[Any]) -> None:
        """Write a table of rows, all of which keep the contract."""
        numbers = range(1, rows + 1)
        columns: dict[str, list[Any]] = {
            "id": list(numbers),
            "length": [number % 10 + 0.1 for number in numbers],
            "count": [None if number % 5 == 0 else number % 90 for number in numbers],
            "colour": ["green" if number % 3 else "red" for number in numbers],
            "ready": [number % 2 == 0 for number in numbers],
        }
        self.write(name, pa.table(columns | changes, schema=SOURCE), keys=["id"])

    def write(self, name: str, table: pa.Table, keys: list[str]) -> None:
        """Replace a table."""
        with self.database.connect() as connection:
            connection.execute(f"DROP TABLE IF EXISTS {self.database.quote_table(name)}")
            connection.execute(self.database.create_table(name, table.schema, keys))
            connection.ingest(name, table)

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement."""
        with self.database.connect() as connection:
            return connection.execute(statement)

    def read(self, name: str = "scored", order: str = "id") -> list[dict[str, Any]]:
        """Return the rows of a table."""
        with self.database.connect() as connection:
            rows: list[dict[str, Any]] = connection.read(f"SELECT * FROM {name} ORDER BY {order}").to_pylist()
        return rows

    def job(self, mode: str = "append", **changes: Any) -> Job:
        """Return a job that scores the table of orders."""
        source = {"address": self.database.address, "table": "orders"} | changes.pop("source", {})
        sink = {"address": self.database.address, "table": "scored"} | changes.pop("sink", {})
        source, sink = ({name: item for name, item in place.items() if item is not None} for place in (source, sink))
        given = {"source": source, "sink": sink, "mode": mode, "keys": ["id"], "workers": 1} | changes
        return Job.model_validate(given)

    def configure(self, folder: Path, mode: str = "append", **changes: Any) -> None:
        """Write a configuration in which the job is called nightly."""
        job = self.job(mode, **changes).model_dump(mode="json", by_alias=True, exclude_defaults=True)
        (folder / "config").mkdir(exist_ok=True)
        paths = {"model": str(self.model), "schema": None}
        text = yaml.safe_dump({"paths": paths, "score": {"nightly": job}})
        (folder / "config" / "default.yaml").write_text(text)

    def request(self, run_id: str = "first", *, restart: bool = False) -> Request:
        """Return the request for a run."""
        return Request("nightly", run_id, self.model, None, restart)

    def run(self, job: Job, run_id: str = "first", *, restart: bool = False) -> Manifest | None:
        """Run a job."""
        return run_job(job, self.request(run_id, restart=restart), self.events)

    def begin(self, job: Job, run_id: str = "first", done: int = 1) -> Manifest:
        """Begin a run and score so many chunks, as a process does that is killed then."""
        content = self.model.read_bytes()
        manifest = plan(job, self.request(run_id), Model.load(self.model))
        store = open_store(job)
        with store.lock("nightly"):
            store.begin(manifest, content)
        worker = Worker(Work(job, run_id))
        for number in range(done):
            worker.score(number)
        worker.close()
        store.close()
        return manifest


def small_chunks(monkeypatch: pytest.MonkeyPatch, rows: int = 4) -> None:
    """Have runs divide sources into small chunks."""
    monkeypatch.setattr(chunks, "ROWS", rows)
    monkeypatch.setattr(chunks, "BYTES", 30 * rows)


def check_rows_are_those_of_the_library(site: Site) -> None:
    """Each row is predicted as the library does, or rejected with its key, reason and values."""
    site.fill(10, length=[1.0, 99.0, *(0.1 * number for number in range(1, 9))])
    ended = site.run(site.job(max_rejected=0.1, inputs=True))
    assert ended is not None
    assert (ended.counts.scored, ended.counts.rejected) == (9, 1)
    model, found = Model.load(site.model), site.read()
    assert [row["id"] for row in found] == [1, *range(3, 11)]
    inputs = [{name: row[name] for name in FEATURES.names} for row in found]
    given = [row | {"ready": None if row["ready"] is None else bool(row["ready"])} for row in inputs]
    answers = model.predict(given)
    assert [row["prediction"] for row in found] == [answer["prediction"] for answer in answers]
    for name in model.contract.classes:
        assert [row[f"probability_{name}"] for row in found] == [answer["probabilities"][name] for answer in answers]
    assert {(row["model_version"], row["run_id"]) for row in found} == {(model.version, "first")}
    (rejected,) = site.read("scored_rejected")
    assert rejected["id"] == "2"
    assert rejected["rejected_because"] == "length: found 99.0, expected a number from 0 up to 10 mm"
    assert '"length":"99"' in rejected["rejected_values"]


def check_run_goes_on_as_it_began(site: Site, make_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that was killed writes no row twice, and uses the model with which it began."""
    small_chunks(monkeypatch)
    site.fill(18)
    undisturbed = site.run(site.job(sink={"table": "calm"}), "calm")
    site.begin(site.job(), done=2)
    version = Model.load(site.model).version
    make_model(scale=2)  # a release comes between
    assert Model.load(site.model).version != version
    ended = site.run(site.job())
    assert ended is not None
    assert undisturbed is not None
    assert site.events.names == ["resumed"]
    assert (ended.counts.scored, ended.chunks) == (18, [])
    assert drop_run(site.read()) == drop_run(site.read("calm"))


def drop_run(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows without what differs between two runs."""
    return [{name: value for name, value in row.items() if name not in ("run_id", "scored_at")} for row in rows]


def check_finished_run_is_not_repeated(site: Site) -> None:
    """A run that is finished is not repeated, another one is."""
    site.fill(3)
    assert site.run(site.job()) is not None
    assert site.run(site.job()) is None
    assert site.events.names == ["already_finished"]
    assert len(site.read()) == 3
    site.run(site.job(), "second")
    assert len(site.read()) == 6


def check_unfinished_run_comes_first(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unfinished run of the same job goes on first, or is given up."""
    small_chunks(monkeypatch)
    site.fill(9)
    site.begin(site.job())
    site.run(site.job(), "second")
    assert site.events.names == ["resumed_earlier"]
    assert [row["run_id"] for row in site.read(order="id, run_id")] == ["first", "second"] * 9
    site.begin(site.job(), "third")
    site.run(site.job(), "fourth", restart=True)
    assert site.events.names[1:] == ["abandoned"]
    assert {row["run_id"] for row in site.read()} == {"first", "second", "fourth"}


def check_replace_shows_one_run(site: Site) -> None:
    """A result takes the place of the one before, and can be taken back; so many are kept."""
    for number in range(1, 5):
        site.fill(number)
        site.run(site.job("replace", sink={"keep": 1}), f"run{number}")
        assert [row["run_id"] for row in site.read()] == [f"run{number}"] * number
    store = open_store(site.job("replace", sink={"keep": 1}))
    with store.lock("nightly"):
        runs = {run.run_id: run for run in store.list_runs("nightly")}
        assert store.undo(runs["run4"]) == "scored shows run3"
        with pytest.raises(DataError, match="there is no earlier result than run3 to roll back to; sink.keep is 1"):
            store.undo(runs["run3"])
    store.close()
    assert [row["run_id"] for row in site.read()] == ["run3"] * 3
    site.run(site.job("replace", sink={"keep": 1}), "run5")
    tables = {f"{name}" for (name,) in site.execute(list_tables(site.database))}
    assert len([name for name in tables if name.startswith("scored__")]) == 2


def list_tables(database: Database) -> str:
    """Return the query for the names of all tables."""
    if database.file:
        return "SELECT name FROM sqlite_master WHERE type = 'table'"
    return "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'"


def list_progress(site: Site) -> str:
    """Return the name of the table of progress."""
    return next((name for (name,) in site.execute(list_tables(site.database)) if name.endswith("_chunks")), "none")


PARTS, PART = 40, 500
IN_PARTS = (
    "import sys, {0}_batch.jobs.chunks as chunks, {0}_predict.cli as cli;"
    f"chunks.ROWS = {PART}; sys.exit(cli.main())"
).format(PACKAGE)


def check_killed_runs_write_each_row_once(site: Site, folder: Path, kills: int) -> None:
    """A run in processes that are killed at random moments ends with the rows of one that was not."""
    site.fill(PARTS * PART)
    site.run(site.job(sink={"table": "calm"}), "calm")
    site.configure(folder, workers=2)

    def count_parts(run_id: str) -> int:
        try:
            return int(site.execute(f"SELECT count(*) FROM {list_progress(site)} WHERE run_id = '{run_id}'")[0][0])
        except DataError:  # there is no table yet
            return 0

    for number, run_id in enumerate(kill_runs(folder, kills, count_parts)):
        rows = [row for row in site.read() if row["run_id"] == run_id]
        assert drop_run(rows) == drop_run(site.read("calm")), f"run {number}"


def kill_runs(folder: Path, kills: int, count_parts: Callable[[str], int]) -> Iterator[str]:
    """Yield the names of runs of the job nightly, which were killed so often in all, as soon as each is finished."""
    rng, killed, number = random.Random(kills), 0, 0  # noqa: S311  # no secret
    while killed < kills:
        run_id, finished = f"run{number}", False
        while not finished:
            command = [sys.executable, "-c", IN_PARTS, "score", "nightly", "--run-id", run_id]
            goal = count_parts(run_id) + rng.randrange(0, PARTS // 2)
            process = subprocess.Popen(
                command, cwd=folder, stderr=subprocess.PIPE, text=True, start_new_session=True, env=ENVIRONMENT
            )
            while killed < kills and process.poll() is None and count_parts(run_id) <= min(goal, PARTS - 2):
                time.sleep(0.002)
            if killed < kills and process.poll() is None:
                (os.killpg if rng.random() < 0.5 else os.kill)(process.pid, signal.SIGKILL)
                killed += 1
            _, printed = process.communicate(timeout=120)
            finished = process.returncode == 0
            assert finished or process.returncode == -signal.SIGKILL, printed
        yield run_id
        number += 1
    assert number, "no run was killed"


def check_appended_run_can_be_taken_back(site: Site) -> None:
    """The rows of a run are deleted by one command, and the run can be started again."""
    site.fill(3)
    site.run(site.job())
    ended = site.run(site.job(), "second")
    assert ended is not None
    store = open_store(site.job())
    store.undo(ended)
    store.close()
    assert [row["run_id"] for row in site.read()] == ["first"] * 3
    site.run(site.job(), "second")
    assert len(site.read()) == 6


def check_upsert_replaces_rows_by_their_keys(site: Site) -> None:
    """Rows with known keys are replaced, others are added; twins are refused, and change nothing."""
    site.fill(3)
    site.run(site.job("upsert"))
    site.fill(5)
    site.run(site.job("upsert"), "second")
    assert [(row["id"], row["run_id"]) for row in site.read()] == [(number, "second") for number in range(1, 6)]
    twins = pa.table({"place": [1, 2, 3], "id": [7, 7, 8], "length": [1.0, 2.0, 3.0], "count": [1, 1, 1]})
    twins = twins.append_column("colour", pa.array(["red"] * 3)).append_column("ready", pa.array([True] * 3))
    site.write("twins", twins, ["place"])
    job = site.job("upsert", source={"table": "twins", "key": "place"})
    with pytest.raises(DataError, match="2 rows of the source share id 7; upsert needs unique keys"):
        site.run(job, "third")
    assert [row["id"] for row in site.read()] == [1, 2, 3, 4, 5]


def check_too_many_rejected_rows_change_nothing(site: Site) -> None:
    """A run that fails leaves the sink as it was, in any mode, and says why."""
    for mode in ("append", "upsert", "replace"):
        sink = {"table": f"kept_{mode}"}
        site.fill(4)
        site.run(site.job(mode, sink=sink), f"{mode} 1")
        before = site.read(f"kept_{mode}")
        site.fill(4, length=[1.0, 99.0, 98.0, 2.0])
        with pytest.raises(
            DataError, match=r"2 of 4 rows of orders .* rejected, 50.00%; the share allowed is 5.00%; length"
        ):
            site.run(site.job(mode, sink=sink), f"{mode} 2")
        with pytest.raises(DataError, match="a row is rejected, and on_error is stop; the first: orders .*found 99.0"):
            site.run(site.job(mode, sink=sink, on_error="stop", max_rejected=1), f"{mode} 3")
        assert site.read(f"kept_{mode}") == before
        reasons = site.read(f"kept_{mode}_rejected", "id, run_id")
        assert [row["run_id"] for row in reasons] == [f"{mode} 2", f"{mode} 3"] * 2
        site.fill(4)
        site.run(site.job(mode, sink=sink), f"{mode} 2")  # once the source is corrected
        assert {row["run_id"] for row in site.read(f"kept_{mode}")} >= {f"{mode} 2"}


def check_table_that_does_not_fit_is_refused(site: Site) -> None:
    """What differs is said before anything is written."""
    site.fill(3)
    site.execute("CREATE TABLE scored (id BIGINT, prediction INTEGER, probability_small TEXT, owner TEXT NOT NULL)")
    with pytest.raises(DataError) as refused:
        site.run(site.job())
    for part in (
        "prediction is integer, expected text",
        "probability_small is text, expected",
        "it has no column run_id (text)",
        "owner is NOT NULL without a default, but runs do not write it",
    ):
        assert part in str(refused.value)
    with pytest.raises(DataError, match="scored in .* is a table, but replace creates a view"):
        site.run(site.job("replace"))
    site.execute("DROP TABLE scored")
    site.run(site.job())
    with pytest.raises(DataError, match="has no unique index on id, which upsert needs"):
        site.run(site.job("upsert"), "second")
    site.run(site.job("replace", sink={"table": "shown"}), "third")
    with pytest.raises(DataError, match="shown in .* is a view \\(perhaps from mode: replace\\), but append needs"):
        site.run(site.job(sink={"table": "shown"}), "fourth")


def check_sources_that_cannot_be_used_are_refused(site: Site) -> None:
    """Each is a sentence, and nothing is written."""
    site.fill(3)
    site.write("empty", pa.table({name: [] for name in SOURCE.names}, schema=SOURCE), [])
    for name, ids in (("gaps", [1, None]), ("twice", [1, 1])):
        empty = {column: [None, None] for column in FEATURES.names}
        site.write(name, pa.table({"id": ids} | empty, schema=SOURCE), [])
    cases: list[tuple[dict[str, Any], str]] = [
        ({"table": "nowhere"}, "nowhere"),
        ({"table": None, "query": "SELECT nothing FROM orders"}, "nothing"),
        ({"table": None, "query": "SELECT 1 AS id"}, "column 'length' is missing from .*; correct the source"),
        ({"key": "number"}, "has no column 'number'; set source.key to a column that is unique"),
        ({"table": "empty"}, "has no rows; expected at least one to predict"),
        ({"table": "gaps"}, "the key 'id' in .* is null in 1 rows; expected no nulls"),
        ({"table": "twice"}, "the key 'id' in .* is '?1'? in 2 rows; expected unique values"),
    ]
    for source, message in cases:
        with pytest.raises(ProjectError, match=message):
            site.run(site.job(source=source))
    with pytest.raises(ConfigError, match="orders in .* has no key; set source.key to a column that is unique"):
        site.run(site.job(keys=[], inputs=True))
    with pytest.raises(ConfigError, match="nothing would tell to which row a prediction belongs"):
        site.run(site.job(keys=[], source={"key": "id"}))
    assert "scored" not in {name for (name,) in site.execute(list_tables(site.database))}


def check_source_that_changes_is_noticed(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows above the last key are not seen; others are, and are counted; a copy sees the rows as they were."""
    small_chunks(monkeypatch)
    for copied, rows, events in ((False, 9, ["resumed", "source_changed"]), (True, 8, ["resumed"])):
        site.fill(10)
        site.execute("DELETE FROM orders WHERE id IN (2, 6)")
        site.events.names.clear()
        job = site.job(source={"copy": copied}, sink={"table": f"copied_{copied:d}"})
        site.begin(job, str(copied))
        for number in (2, 6, 11):  # before the first end, between, and after the last one
            site.execute(f"INSERT INTO orders SELECT {number}, length, count, colour, ready FROM orders WHERE id = 1")
        site.run(job, str(copied))
        assert len(site.read(f"copied_{copied:d}")) == rows
        assert site.events.names == events
    assert [name for (name,) in site.execute(list_tables(site.database)) if "source" in name] == []


def check_second_run_at_once_is_refused(site: Site) -> None:
    """While one goes on, another is refused."""
    site.fill(3)
    store = open_store(site.job())
    with store.lock("nightly"), pytest.raises(DataError, match="another run of nightly is in progress; wait"):
        site.run(site.job())
    store.close()
    assert site.run(site.job()) is not None


def check_every_kind_of_column(site: Site) -> None:
    """Keys and inputs of each type arrive as they were, also at the ends of their ranges."""
    site.write(
        "orders",
        pa.table(
            {
                "order no.": pa.array([2**53 - 1, -5, 7], pa.int64()),
                "customer": ["a'b", 'c"d', "é"],
                "ordered": pa.array([253_402_300_799_999_999, 0, -1], pa.timestamp("us", "UTC")),
                "born": pa.array([19_000, None, -40_000], pa.date32()),
                "shop": ["Zürich", None, "elsewhere"],
                "note": ["two words", "", None],
                "share (%)": [0.1, 1e300, -1 / 3],
            }
        ),
        ["order no."],
    )
    ended = site.run(site.job(keys=["order no.", "customer", "ordered"], inputs=True, max_rejected=0.5))
    assert ended is not None
    assert (ended.counts.scored, ended.counts.rejected) == (2, 1)  # the note is missing, which the contract allows
    found = site.read(order='"order no."')
    assert [row["order no."] for row in found] == [7, 2**53 - 1]
    assert [row["customer"] for row in found] == ["é", "a'b"]
    assert [row["share (%)"] for row in found] == [-1 / 3, 0.1]
    moments = [str(row["ordered"]).replace("T", " ").replace("Z", "+00:00") for row in found]
    assert moments == ["1969-12-31 23:59:59.999999+00:00", "9999-12-31 23:59:59.999999+00:00"]
    assert [str(row["born"]) for row in found] == ["1860-06-26", "2022-01-08"]
    assert [row["prediction"] in (True, False, 0, 1) for row in found] == [True, True]


def check_run_belongs_to_one_job_and_one_sink(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run's name is taken for other jobs; a run goes on into the table in which it started."""
    small_chunks(monkeypatch)
    site.fill(9)
    site.begin(site.job())
    elsewhere = site.job(sink={"table": "elsewhere"})
    with pytest.raises(ConfigError, match="first is a run of the job nightly; choose another --run-id"):
        run_job(elsewhere, Request("weekly", "first", site.model, None), site.events)
    site.run(elsewhere)
    assert len(site.read()) == 9
    with pytest.raises(ConfigError, match="first has finished, into scored; choose another --run-id"):
        site.run(elsewhere)
    ended = site.run(elsewhere, "second")
    assert ended is not None
    store = open_store(site.job())
    assert store.undo(ended) == "its rows in elsewhere are deleted"
    store.close()
    assert (len(site.read()), len(site.read("elsewhere"))) == (9, 0)


def check_views_of_others_are_left_alone(site: Site) -> None:
    """A view that no job has made is refused; a rollback finds the columns that a view had."""
    site.fill(3)
    site.execute("CREATE VIEW scored AS SELECT id FROM orders")
    with pytest.raises(DataError, match="scored in .* is a view that no job has made; drop it, or choose another name"):
        site.run(site.job("replace"))
    site.execute("DROP VIEW scored")
    site.run(site.job("replace"))
    ended = site.run(site.job("replace", inputs=True), "second")
    assert ended is not None
    assert "length" in site.read()[0]
    store = open_store(site.job("replace"))
    assert store.undo(ended) == "scored shows first"
    store.close()
    assert "length" not in site.read()[0]


def check_copies_do_not_stay(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of the source is dropped, also if a run is refused or abandoned."""
    small_chunks(monkeypatch)
    site.fill(9)
    copied = {"copy": True}
    site.execute("CREATE TABLE other (id BIGINT)")
    with pytest.raises(DataError, match="other in .* does not fit"):
        site.run(site.job(source=copied, sink={"table": "other"}))
    site.begin(site.job(source=copied))
    site.run(site.job(source=copied), "second", restart=True)
    with pytest.raises(DataError, match="is null in 9 rows"):
        site.run(
            site.job(
                source={
                    "table": None,
                    "query": "SELECT NULL AS id, * FROM (SELECT length, count, colour, ready FROM orders) AS o",
                    "copy": True,
                }
            ),
            "third",
        )
    assert [name for (name,) in site.execute(list_tables(site.database)) if "_source_" in name] == []


def check_clock_that_is_behind_changes_no_order(site: Site) -> None:
    """Runs are ordered by their numbers: the last one is shown, kept and rolled back."""
    site.fill(3)
    job = site.job("replace", sink={"keep": 0})
    first = site.run(job)
    assert first is not None
    late = json.dumps(json.loads(first.model_dump_json()) | {"started_at": "2999-01-01T00:00:00Z"})
    runs = next(name for (name,) in site.execute(list_tables(site.database)) if name.endswith("_runs"))
    site.execute(f"UPDATE {runs} SET manifest = '{late}'")
    site.run(job, "second")
    assert {row["run_id"] for row in site.read()} == {"second"}
    renamed = run_job(job, Request("renamed", "third", site.model, None), site.events)
    assert renamed is not None
    assert renamed.number == 3
    assert {row["run_id"] for row in site.read()} == {"third"}


def check_query_is_a_source(site: Site) -> None:
    """A query is read like a table, also with a condition and a text as its key."""
    site.fill(9)
    query = "SELECT 'no ' || id AS name, length, count, colour, ready FROM orders WHERE id > 2; -- what? all"
    query = query.replace(";", "")
    site.run(site.job(source={"table": None, "query": query}, keys=["name"]))
    assert [row["name"] for row in site.read(order="name")] == [f"no {number}" for number in range(3, 10)]
