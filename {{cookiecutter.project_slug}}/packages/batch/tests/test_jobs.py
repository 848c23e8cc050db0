"""Jobs in SQLite and in files: each row once, whatever happens; all of a run or nothing."""

import json
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import fsspec
import psutil
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
import yaml
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.spec import AbstractBufferedFile

from {{ cookiecutter.__package_name }}_batch import blocks
from {{ cookiecutter.__package_name }}_batch.databases import Database
from {{ cookiecutter.__package_name }}_batch.dialect import PLAIN
from {{ cookiecutter.__package_name }}_batch.jobs.chunks import FilePart, read_part, split_files
from {{ cookiecutter.__package_name }}_batch.jobs.files import write_table
from {{ cookiecutter.__package_name }}_batch.jobs.manifest import check_run_id
from {{ cookiecutter.__package_name }}_batch.jobs.plan import Request
from {{ cookiecutter.__package_name }}_batch.jobs.run import run_job
from {{ cookiecutter.__package_name }}_batch.jobs.settings import Job
from {{ cookiecutter.__package_name }}_batch.jobs.work import open_store
from {{ cookiecutter.__package_name }}_predict import Contract, DataError, Model
from {{ cookiecutter.__package_name }}_predict.errors import ConfigError

from . import job_checks
from .job_checks import Events, Site, small_chunks
from machinery.small_model import SCHEMA, kinds_path

__all__ = ["kinds_path"]


@pytest.fixture
def site(model_path: Path, tmp_path: Path) -> Site:
    """Return a site in SQLite."""
    (tmp_path / "orders.db").touch()
    return Site(Database(f"sqlite:///{tmp_path / 'orders.db'}"), model_path)


def test_rows_are_those_of_the_library(site: Site) -> None:
    job_checks.check_rows_are_those_of_the_library(site)


def test_run_goes_on_as_it_began(site: Site, make_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    job_checks.check_run_goes_on_as_it_began(site, make_model, monkeypatch)


def test_finished_run_is_not_repeated(site: Site) -> None:
    job_checks.check_finished_run_is_not_repeated(site)


def test_unfinished_run_comes_first(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    job_checks.check_unfinished_run_comes_first(site, monkeypatch)


def test_replace_shows_one_run(site: Site) -> None:
    job_checks.check_replace_shows_one_run(site)


def test_appended_run_can_be_taken_back(site: Site) -> None:
    job_checks.check_appended_run_can_be_taken_back(site)


def test_upsert_replaces_rows_by_their_keys(site: Site) -> None:
    job_checks.check_upsert_replaces_rows_by_their_keys(site)


def test_too_many_rejected_rows_change_nothing(site: Site) -> None:
    job_checks.check_too_many_rejected_rows_change_nothing(site)


def test_table_that_does_not_fit_is_refused(site: Site) -> None:
    job_checks.check_table_that_does_not_fit_is_refused(site)


def test_sources_that_cannot_be_used_are_refused(site: Site) -> None:
    job_checks.check_sources_that_cannot_be_used_are_refused(site)


def test_source_that_changes_is_noticed(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    job_checks.check_source_that_changes_is_noticed(site, monkeypatch)


def test_second_run_at_once_is_refused(site: Site) -> None:
    job_checks.check_second_run_at_once_is_refused(site)


def test_every_kind_of_column(site: Site, kinds_path: Path) -> None:
    site.model = kinds_path
    job_checks.check_every_kind_of_column(site)


def test_run_belongs_to_one_job_and_one_sink(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    job_checks.check_run_belongs_to_one_job_and_one_sink(site, monkeypatch)


def test_views_of_others_are_left_alone(site: Site) -> None:
    job_checks.check_views_of_others_are_left_alone(site)


def test_copies_do_not_stay(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    job_checks.check_copies_do_not_stay(site, monkeypatch)


def test_clock_that_is_behind_changes_no_order(site: Site) -> None:
    job_checks.check_clock_that_is_behind_changes_no_order(site)


def test_rows_stay_together_while_another_process_writes(site: Site) -> None:
    program = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], timeout=30); c.execute('PRAGMA journal_mode = WAL');"
        "c.execute('CREATE TABLE t (id INTEGER PRIMARY KEY, mixed)');"
        "c.executemany('INSERT INTO t VALUES (?, ?)', [(n, n / 7 if n != 5 else 'NA') for n in range(20_000)]);"
        "c.commit(); print('ready', flush=True)\n"
        "while True:\n"
        "    for gone, new in ((0, 10**6), (10**6, 0)):\n"
        "        c.execute('DELETE FROM t WHERE id = ?', (gone,))\n"
        "        c.execute('INSERT INTO t VALUES (?, ?)', (new, new / 7)); c.commit()"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(site.database.file)], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
        with site.database.connect() as connection:
            for _ in range(20):
                table = connection.read("SELECT * FROM t ORDER BY id")
                ids, found = (column.to_pylist() for column in table.columns)
                assert [float(value) for value in found if value != "NA"] == [
                    number / 7 for number in ids if number != 5
                ]
        writer.kill()


def test_key_of_another_kind_rejects_its_own_row_alone(model_path: Path, tmp_path: Path) -> None:
    keys: list[Any] = [*range(20), "x1", "", None, 2.0, 2.5]
    lines = [json.dumps({"id": key, "length": 1, "count": 1, "colour": "red", "ready": True}) for key in keys]
    (tmp_path / "in.jsonl").write_text("\n".join(lines))
    pq.write_table(pa.table({"id": list(range(20)), "length": [1.0] * 20}), tmp_path / "ids.parquet")
    job = {"source": {"address": str(tmp_path / "in.jsonl")}, "sink": {"address": str(tmp_path / "out.parquet")}}
    run(model_path, job | {"mode": "replace", "keys": ["id"], "max_rejected": 1})
    found = pq.read_table(tmp_path / "out.parquet").column("id").to_pylist()
    assert found == [*map(str, range(20)), "x1", "2.0", "2.5"]
    reasons = pa_csv.read_csv(tmp_path / "out.rejected.csv").column("rejected_because").to_pylist()
    assert reasons == ["id: found nothing, expected text"] * 2


@pytest.mark.parametrize("run_id", ["..", ".runs", "a/b", "../../esc", "2024.json", "x" * 101, "\udcff", "", "é"])
def test_name_of_a_run_is_no_path(run_id: str) -> None:
    with pytest.raises(ConfigError, match="found --run-id .*, expected up to 100 letters, digits, dashes"):
        check_run_id(run_id)


def test_what_others_have_put_into_the_folder_stays(table: Path, model_path: Path, tmp_path: Path) -> None:
    source = {"address": str(table), "dialect": {"newlines": True}}
    job = {"source": source, "sink": {"address": str(tmp_path / "out")}, "mode": "replace", "keys": ["id"]}
    (tmp_path / "out" / "2024").mkdir(parents=True)
    (tmp_path / "out" / "2024" / "mine.txt").write_text("mine")
    with pytest.raises(DataError, match="out/2024 has files that no run has written; choose another --run-id"):
        run(model_path, job, "2024")
    run(model_path, job, "first")
    run_job(Job.model_validate({"workers": 1} | job), Request("renamed", "second", model_path, None), Events())
    assert {path.name for path in (tmp_path / "out").iterdir()} == {".runs", "2024", "second"}
    (tmp_path / "out.csv").mkdir()
    with pytest.raises(DataError, match="is a folder, expected the name of a file to write"):
        run(model_path, job | {"sink": {"address": str(tmp_path / "out.csv")}})


def test_file_that_changes_under_a_run_is_noticed(
    table: Path, model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "BYTES_PER_BLOCK", 200)
    small_chunks(monkeypatch)
    source = {"address": str(table), "dialect": {"newlines": True}}
    job = {"source": source, "sink": {"address": str(tmp_path / "out")}, "mode": "append", "keys": ["id"]}
    manifest = Site(Database(""), model_path).begin(Job.model_validate({"workers": 1} | job))
    assert len(manifest.chunks) > 2
    table.write_text(table.read_text().replace("green", "red"))
    with pytest.raises(DataError, match="orders.csv has changed since the run started; restore it, or abandon the run"):
        run(model_path, job)
    run_job(Job.model_validate({"workers": 1} | job), Request("nightly", "second", model_path, None, True), Events())
    assert pq.read_table(tmp_path / "out").num_rows == 40


def test_run_that_is_abandoned_after_its_files_were_moved_leaves_none(
    table: Path, model_path: Path, tmp_path: Path
) -> None:
    source = {"address": str(table), "dialect": {"newlines": True}}
    job = {"source": source, "sink": {"address": str(tmp_path / "out")}, "mode": "append", "keys": ["id"]}
    Site(Database(""), model_path).begin(Job.model_validate({"workers": 1} | job))
    (tmp_path / "out" / ".runs" / "first" / "parts").rename(tmp_path / "out" / "first")
    run_job(Job.model_validate({"workers": 1} | job), Request("nightly", "second", model_path, None, True), Events())
    assert {path.name for path in (tmp_path / "out").iterdir()} == {".runs", "second"}
    chained = {"source": {"address": str(tmp_path / "out")}, "sink": {"address": str(tmp_path / "b.csv")}}
    with pytest.raises(ConfigError, match="column 'length' is missing"):  # its records are no tables
        run(model_path, chained | {"mode": "replace", "keys": ["id"]})


def test_process_that_is_killed_while_it_starts_ends_the_run(site: Site, tmp_path: Path) -> None:
    site.fill(40_000)
    site.configure(tmp_path, workers=2)
    command = [sys.executable, "-c", job_checks.IN_PARTS, "score", "nightly", "--run-id", "first"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        parent, children = psutil.Process(process.pid), list[psutil.Process]()
        while len(children) < 2 and process.poll() is None:
            children = [child for child in parent.children() if "spawn_main" in " ".join(child.cmdline())]
        children[-1].kill()
        _, printed = process.communicate(timeout=60)
    assert process.returncode == 1, printed
    assert "a process of this run ended unexpectedly, perhaps out of memory; run this again to resume" in printed
    assert site.run(site.job(), "first") is not None
    assert len(site.read()) == 40_000


def test_query_is_a_source(site: Site) -> None:
    job_checks.check_query_is_a_source(site)


def test_processes_write_what_one_process_writes(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    small_chunks(monkeypatch, 500)
    site.fill(5000)
    site.run(site.job("replace", workers=1, sink={"table": "alone"}))
    site.run(site.job("replace", workers=2), "second")
    assert job_checks.drop_run(site.read()) == job_checks.drop_run(site.read("alone"))


def test_mixed_column_of_sqlite_is_checked_value_by_value(site: Site) -> None:
    program = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]);"
        "c.execute('CREATE TABLE orders (id INTEGER PRIMARY KEY, length, count, colour, ready)');"
        "c.executemany('INSERT INTO orders VALUES (?, ?, ?, ?, ?)', [(i, None, 1, 'red', 1) for i in range(2000)]"
        " + [(2000, 1 / 3, 1, 'red', 'yes'), (2001, '0.1', 1.0, 'red', 0), (2002, 'long', 1, 'red', None)]); c.commit()"
    )
    subprocess.run([sys.executable, "-c", program, str(site.database.file)], check=True)  # not both in one process
    ended = site.run(site.job(max_rejected=1, inputs=True))
    assert ended is not None
    assert (ended.counts.scored, ended.counts.rejected) == (2, 2001)
    assert [(row["id"], row["length"], row["ready"]) for row in site.read()] == [(2000, 1 / 3, 1), (2001, 0.1, 0)]
    reasons = {row["id"]: row["rejected_because"] for row in site.read("scored_rejected")}
    assert reasons["0"] == "length: found nothing, expected a number from 0 up to 10 mm"
    assert reasons["2002"] == "length: found 'long', expected a number from 0 up to 10 mm"


def test_reader_with_another_sqlite_sees_whole_results(site: Site) -> None:
    site.fill(50)
    site.run(site.job("replace"))
    program = (
        "import sqlite3, sys, time; c = sqlite3.connect(sys.argv[1], timeout=10); print('ready', flush=True)\n"
        "end = time.monotonic() + 20\n"
        "found = set()\n"
        "while time.monotonic() < end and 'run9' not in {run for run, _ in found}:\n"
        "    found.update(c.execute('SELECT max(run_id), count(*) FROM scored').fetchall())\n"
        "print(sorted(found))"
    )
    command = [sys.executable, "-c", program, str(site.database.file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "ready\n"
        for number in range(1, 10):
            site.fill(50 + number)
            site.run(site.job("replace"), f"run{number}")
        seen = eval(reader.stdout.read())  # noqa: S307  # what the program above printed
    sizes = {"first": 50} | {f"run{number}": 50 + number for number in range(1, 10)}
    assert {(run, sizes[run]) for run, _ in seen} == set(seen)
    assert "run9" in {run for run, _ in seen}


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Return a CSV file with a quoted line break in a column that the contract does not know."""
    lines = [f'{number},"note\n{number}",{number % 10 + 0.5},{number % 50},green,true' for number in range(40)]
    path = tmp_path / "orders.csv"
    path.write_text("\n".join(["id,note,length,count,colour,ready", *lines]))
    return path


def run(model: Path, job: dict[str, Any], run_id: str = "first", events: Events | None = None) -> None:
    """Run a job over files."""
    run_job(Job.model_validate({"workers": 1} | job), Request("nightly", run_id, model, None), events or Events())


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a file that a job has written."""
    if path.suffix == ".jsonl":
        return [yaml.safe_load(line) for line in path.read_text().splitlines()]
    table = pa_csv.read_csv(path) if path.suffix == ".csv" else pq.read_table(path)
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


@pytest.mark.parametrize("suffix", ["csv", "parquet", "jsonl"])
def test_file_is_scored_in_parts(
    suffix: str, table: Path, model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_chunks(monkeypatch)
    source = {"address": str(table), "dialect": {"newlines": True}}
    events = Events()
    job = {"source": source, "sink": {"address": str(tmp_path / f"out.{suffix}")}, "mode": "replace", "keys": ["id"]}
    run(model_path, job | {"inputs": True}, events=events)
    assert events.rows == 40
    assert len(list((tmp_path / f".out.{suffix}.runs").glob("*.json"))) == 1
    path = tmp_path / f"out.{suffix}"
    found = read_rows(path)
    assert [str(row["id"]) for row in found] == [str(number) for number in range(40)]
    names = ("length", "count", "colour", "ready")
    answers = Model.load(model_path).predict([{name: row[name] for name in names} for row in found])
    assert [row["prediction"] for row in found] == [answer["prediction"] for answer in answers]
    shares = [answer["probabilities"]["large"] for answer in answers]
    assert [row["probability_large"] for row in found] == shares
    assert (tmp_path / "out.rejected.csv").read_text().count("\n") == 1


def test_folder_of_partitions_is_a_source_and_a_sink(model_path: Path, tmp_path: Path) -> None:
    for colour, suffix in (("red", "parquet"), ("green", "jsonl")):
        folder = tmp_path / "in" / f"colour={colour}"
        folder.mkdir(parents=True)
        rows = [{"id": f"{colour}{number}", "count": number} for number in range(3)]
        if suffix == "parquet":
            pq.write_table(
                pa.Table.from_pylist([row | {"ready": True, "length": 1.5} for row in rows]), folder / "a.parquet"
            )
        else:
            (folder / "a.jsonl").write_text("\n".join(map(str, rows)).replace("'", '"') + "\n[1]\n")
    job = {
        "source": {"address": str(tmp_path / "in")},
        "sink": {"address": str(tmp_path / "out")},
        "mode": "append",
        "keys": ["id"],
        "inputs": True,
        "max_rejected": 0.2,
    }
    with pytest.raises(ConfigError, match="column 'length' is missing from .*in; expected: id, length"):
        run(model_path, job)  # the first file has none
    (tmp_path / "in" / "colour=green" / "a.jsonl").write_text(
        '{"id": "green0", "length": 1.5, "ready": null}\n{"id": "green1", "length": "2", "ready": true}\n[1]\n'
    )
    run(model_path, job)
    run(model_path, job, "second")
    found = pq.read_table(tmp_path / "out" / "first").to_pylist()
    assert [(row["id"], row["colour"], row["length"]) for row in found] == [
        *(("green0", "green", 1.5), ("green1", "green", 2.0)),
        *((f"red{number}", "red", 1.5) for number in range(3)),
    ]
    assert len(pq.read_table(tmp_path / "out").to_pylist()) == 10
    reasons = pa_csv.read_csv(tmp_path / "out.rejected.csv").to_pylist()
    assert [row["rejected_because"] for row in reasons] == ["found no JSON object: [1]"]
    store = open_store(Job.model_validate(job))
    assert store.undo(store.list_runs("nightly")[0]) == "the files of second are removed"
    assert len(pq.read_table(tmp_path / "out").to_pylist()) == 5
    run(model_path, job | {"mode": "replace"}, "third")
    assert {row["run_id"] for row in pq.read_table(tmp_path / "out").to_pylist()} == {"third"}


class Buffered(MemoryFileSystem):  # type: ignore[misc]  # fsspec has no types
    """A file system whose files are read as those of object stores are."""

    protocol = "buffered"

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(MemoryFileSystem._strip_protocol(path.replace("buffered:", "memory:")))

    def _open(self, path: str, mode: str = "rb", **_: Any) -> Any:
        return BufferedFile(self, path, mode) if mode == "rb" else super()._open(path, mode)


class BufferedFile(AbstractBufferedFile):  # type: ignore[misc]  # fsspec has no types
    """A file of which ranges are fetched."""

    def _fetch_range(self, start: int, end: int) -> bytes:
        content: bytes = MemoryFileSystem().cat_file(self.path)[start:end]
        return content


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_object_store_is_read_in_parts(suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_chunks(monkeypatch)
    fsspec.register_implementation("buffered", Buffered, clobber=True)
    rows = [{"id": number, "length": 1.5, "count": 1, "colour": "red", "ready": True} for number in range(50)]
    write_table(str(tmp_path / f"in.{suffix}"), [pa.Table.from_pylist(rows)], pa.Table.from_pylist(rows).schema)
    fsspec.filesystem("memory").pipe(f"/store/in.{suffix}", (tmp_path / f"in.{suffix}").read_bytes())
    chunks, schema = split_files(f"buffered://store/in.{suffix}", PLAIN)
    found = [part for part in chunks if isinstance(part, FilePart)]
    read = [batch for part in found for batch in read_part(Buffered(), part, PLAIN, lambda _: None)]
    assert [str(value) for batch in read for value in batch.column("id").to_pylist()] == [
        str(row["id"]) for row in rows
    ]
    assert schema.names == list(rows[0])


def test_file_is_read_over_http(table: Path, model_path: Path, tmp_path: Path) -> None:
    handler = partial(SimpleHTTPRequestHandler, directory=str(table.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}"
        source: dict[str, Any] = {"address": f"{address}/orders.csv", "dialect": {"newlines": True}}
        job = {"source": source, "sink": {"address": str(tmp_path / "out.parquet")}, "mode": "replace", "keys": ["id"]}
        run(model_path, job)
        with pytest.raises(DataError, match="the source http://.*/none.csv cannot be read"):
            run(model_path, job | {"source": {"address": f"{address}/none.csv"}}, "second")
        server.shutdown()
        thread.join()
    assert pq.read_table(tmp_path / "out.parquet").num_rows == 40


def test_part_that_is_lost_is_noticed(
    table: Path, model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_chunks(monkeypatch)
    source = {"address": str(table), "dialect": {"newlines": True}}
    for sink in ("out", "out.parquet"):
        job = {"source": source, "sink": {"address": str(tmp_path / sink)}, "mode": "replace", "keys": ["id"]}
        Site(Database(""), model_path).begin(Job.model_validate({"workers": 1} | job))
        (part, *_) = tmp_path.rglob("part-000000.parquet")
        part.unlink()
        with pytest.raises(
            DataError, match="rows, expected 40: chunks are missing, .* start the run anew with --restart"
        ):
            run(model_path, job)
        assert not (tmp_path / sink / "first").exists()
        run_job(Job.model_validate({"workers": 1} | job), Request("nightly", "first", model_path, None, True), Events())
        assert len(pq.read_table(tmp_path / sink).to_pylist()) == 40


def test_job_reads_and_writes_where_fsspec_does(model_path: Path) -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe("/bucket/orders.csv", b"id,length,count,colour,ready\n1,2,3,red,true\n2,99,3,red,true\n")
    job = {
        "source": {"address": "memory://bucket/*.csv"},
        "sink": {"address": "memory://bucket/scored"},
        "mode": "append",
        "keys": ["id"],
        "max_rejected": 0.5,
    }
    run(model_path, job)
    (part,) = memory.find("/bucket/scored/first")
    assert pq.read_table(part, filesystem=memory).column("id").to_pylist() == ["1"]
    assert b"found '99'" in memory.cat("/bucket/scored.rejected.csv")
    events = Events()
    run(model_path, job, events=events)
    assert events.names == ["already_finished"]


def test_sensitive_values_are_neither_inputs_nor_among_the_rejected(
    make_model: Callable[..., Path], tmp_path: Path
) -> None:
    hidden = SCHEMA.replace("maximum: 10,", "maximum: 10, sensitive: true,")
    contract = Contract.model_validate(yaml.safe_load(hidden))
    model = make_model(contract=contract.model_dump_json())
    (tmp_path / "in.csv").write_text("id,length,count,colour,ready\n1,2.5,7,green,\n2,4321,7,green,\n3,4322,7\n")
    job = {"source": {"address": str(tmp_path / "in.csv")}, "sink": {"address": str(tmp_path / "out.csv")}}
    run(model, job | {"mode": "replace", "keys": ["id"], "inputs": True, "max_rejected": 1})
    assert "length" not in (tmp_path / "out.csv").read_text()
    assert "432" not in (tmp_path / "out.rejected.csv").read_text()
    assert not any("432" in path.read_text() for path in (tmp_path / ".out.csv.runs").glob("*.json"))


def test_full_disk_is_a_sentence_and_the_run_goes_on(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    small_chunks(monkeypatch, 500)
    site.fill(2000)
    site.begin(site.job(), done=1)
    with sqlite3.connect(":memory:"):  # another file: both kinds of SQLite may be in one process
        pass
    site.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    program = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000));"
        "from machinery.full_disk import run; run(*sys.argv[1:])"
    )
    assert program
    ended = site.run(site.job())
    assert ended is not None
    assert len(site.read()) == 2000
