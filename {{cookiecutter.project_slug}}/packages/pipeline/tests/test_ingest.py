"""Ingest: a file, a glob or an address, byte for byte, or a sentence and the old folder."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from {{ cookiecutter.__package_name }}_batch.databases import Database
from {{ cookiecutter.__package_name }}_batch.queries import read_query
from {{ cookiecutter.__package_name }}_pipeline import ingest
from {{ cookiecutter.__package_name }}_pipeline.fetch import fetch_tables
from {{ cookiecutter.__package_name }}_pipeline.project import Project
from {{ cookiecutter.__package_name }}_predict.errors import DataError

from machinery.small_project import write_project
from machinery.small_recipe import RECIPE

Take = Callable[..., list[str]]


@pytest.fixture(params=["regression"])
def kind(request: pytest.FixtureRequest) -> str:
    """Return the one kind of problem that these tests need."""
    return str(request.param)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """Serve a folder over HTTP, on a free port of the loopback."""
    (tmp_path / "served").mkdir()
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "served"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


@pytest.fixture
def take(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Take:
    """Return a function that runs the stage on a source, in a small project, and returns the raw folder's files."""
    write_project(kind, tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    project = Project.load(RECIPE)

    def run(source: str, files: str | None = None) -> list[str]:
        paths = project.paths.model_copy(update={"source": source})
        ingest.run(replace(project, paths=paths, source=project.source.model_copy(update={"files": files})))
        raw = project.paths.raw
        return sorted(path.relative_to(raw).as_posix() for path in raw.rglob("*") if path.is_file())

    return run


def test_fetch_copies_a_file_byte_for_byte(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"a\r\n1\r\n")
    (tmp_path / "raw").mkdir()
    fetch_tables(str(tmp_path / "a.csv"), tmp_path / "raw")
    assert (tmp_path / "raw" / "a.csv").read_bytes() == b"a\r\n1\r\n"


def test_ingest_replaces_the_whole_folder_by_the_tables_of_another(take: Take, tmp_path: Path) -> None:
    assert take("source.csv") == ["source.csv"]
    (tmp_path / "given").mkdir()
    for name in ("b.csv", "a.csv", "c.txt"):
        (tmp_path / "given" / name).write_text(name)
    assert take(str(tmp_path / "given")) == ["a.csv", "b.csv"]


def test_ingest_takes_the_files_of_a_pattern_and_of_partitions(take: Take, tmp_path: Path) -> None:
    for name in ("year=2024/a.csv", "year=2025/a.csv", "b.csv", "c.csv"):
        (tmp_path / "given" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "given" / name).write_text(name)
    assert take(str(tmp_path / "given")) == ["b.csv", "c.csv", "year=2024/a.csv", "year=2025/a.csv"]
    assert take(str(tmp_path / "given"), "*.csv") == ["b.csv", "c.csv"]
    assert take(f"{tmp_path / 'given'}/", "*/a.csv") == ["year=2024/a.csv", "year=2025/a.csv"]
    assert take(str(tmp_path / "given"), "year=2025/*") == ["a.csv"]
    with pytest.raises(DataError, match="contains no table"):
        take(str(tmp_path / "given"), "*.parquet")


@pytest.mark.parametrize("name", ["b.csv.gz", "b.TSV", "more/b.xlsx"])
def test_table_that_is_not_read_is_not_passed_over(name: str, take: Take, tmp_path: Path) -> None:
    for path in (tmp_path / "given" / "a.csv", tmp_path / "given" / name, tmp_path / "given" / "notes.txt"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("a\n1\n")
    with pytest.raises(
        DataError,
        match=f"has files of unsupported types: {name}; convert them to .csv, .parquet, .jsonl or .ndjson, or choose",
    ):
        take(str(tmp_path / "given"))
    assert take(str(tmp_path / "given"), "*.csv") == ["a.csv"]


def test_run_that_is_killed_between_its_steps_loses_nothing(take: Take, tmp_path: Path) -> None:
    assert take("source.csv") == ["source.csv"]
    Path("data/raw").rename("data/.raw.before")  # as if it had been killed before the next step
    with pytest.raises(DataError, match="cannot be read"):
        take(str(tmp_path / "none.csv"))
    assert Path("data/raw/source.csv").exists()
    assert not Path("data/.raw.before").exists()


def test_source_of_the_team_may_return_tables_of_arrow(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_project(kind, tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    table = pa.table({"a": [1, 2]})
    ingest.run(Project.load(replace(RECIPE, source=lambda *_: table)))
    assert pq.read_table("data/raw/table.parquet") == table
    ingest.run(Project.load(replace(RECIPE, source=lambda *_: iter([table, table]))))
    assert pq.read_table("data/raw/table.parquet").num_rows == 4
    for tables, message in (
        ([], "returned no table"),
        ([table, pa.table({"b": [1]})], "tables with different columns"),
    ):
        with pytest.raises(DataError, match=message):
            ingest.run(Project.load(replace(RECIPE, source=lambda *_, tables=tables: tables)))
    assert pq.read_table("data/raw/table.parquet").num_rows == 4


def test_source_of_the_team_may_return_a_query(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write_project(kind, tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    rows = pa.table({"id": range(150_000), "size": [None if number < 120_000 else 0.1 for number in range(150_000)]})
    Path("orders.db").touch()
    database = Database("sqlite:///orders.db")
    with database.connect() as connection:
        connection.execute(database.create_table("orders", rows.schema))
        connection.ingest("orders", rows)
    recipe = replace(RECIPE, source=lambda *_: read_query(database.address, "SELECT * FROM orders WHERE id > 0"))
    project = Project.load(recipe)
    ingest.run(project)
    assert pq.read_table(project.paths.raw / "table.parquet").equals(rows.slice(1))


def test_ingest_reads_from_a_server(server: str, take: Take, tmp_path: Path) -> None:
    (tmp_path / "served" / "a.csv").write_text("a\n1\n")
    assert take(f"{server}/a.csv?version=2") == ["a.csv"]
    assert Path("data/raw/a.csv").read_text() == "a\n1\n"


def test_ingest_that_fails_names_the_source_and_leaves_the_folder(server: str, take: Take, tmp_path: Path) -> None:
    before = take("source.csv")
    (tmp_path / "empty.csv").touch()
    (tmp_path / "bare").mkdir()
    for source, message in [
        (f"{server}/none.csv", "cannot be read .*FileNotFound"),
        (str(tmp_path / "none.csv"), "cannot be read .*FileNotFound"),
        (str(tmp_path / "bare"), "contains no table; expected files that end in .csv, .parquet"),
        (str(tmp_path / "empty.csv"), "is empty"),
        (str(tmp_path / "a.xlsx"), "is not a table"),
        ("nowhere://a.csv", "Protocol not known: nowhere"),
    ]:
        with pytest.raises(DataError, match=message):
            take(source)
        assert [path.name for path in Path("data/raw").iterdir()] == before
    assert not list(Path("data").glob(".raw*"))


def test_source_of_the_team_that_writes_no_table_is_refused(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_project(kind, tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    with pytest.raises(DataError, match="wrote no table; expected files that end in .csv, .parquet"):
        ingest.run(Project.load(replace(RECIPE, source=lambda _, folder: (folder / "notes.txt").touch())))
