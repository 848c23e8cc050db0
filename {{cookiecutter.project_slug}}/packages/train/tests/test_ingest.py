"""Ingest: a file, a glob or an address, byte for byte, or a sentence and the old folder."""

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from {{ cookiecutter.__package_name }}_train.ingest import fetch
from {{ cookiecutter.__package_name }}_train.prediction import DataError


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


def test_fetch_copies_a_file_byte_for_byte(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"a\r\n1\r\n")
    assert fetch(str(tmp_path / "a.csv"), tmp_path / "raw") == [tmp_path / "raw" / "a.csv"]
    assert (tmp_path / "raw" / "a.csv").read_bytes() == b"a\r\n1\r\n"


def test_fetch_replaces_the_whole_folder_by_the_tables_of_another(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "old.csv").write_text("x")
    (tmp_path / "given").mkdir()
    for name in ("b.csv", "a.csv", "c.txt"):
        (tmp_path / "given" / name).write_text(name)
    fetch(str(tmp_path / "given"), tmp_path / "raw")
    assert sorted(path.name for path in (tmp_path / "raw").iterdir()) == ["a.csv", "b.csv"]


def test_fetch_reads_from_a_server(server: str, tmp_path: Path) -> None:
    (tmp_path / "served" / "a.csv").write_text("a\n1\n")
    fetch(f"{server}/a.csv?version=2", tmp_path / "raw")
    assert (tmp_path / "raw" / "a.csv").read_text() == "a\n1\n"


def test_fetch_that_fails_names_the_source_and_leaves_the_folder(server: str, tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "old.csv").write_text("x")
    (tmp_path / "empty.csv").touch()
    (tmp_path / "bare").mkdir()
    for source, message in [
        (f"{server}/none.csv", "cannot be read .*FileNotFound"),
        (str(tmp_path / "none.csv"), "cannot be read .*FileNotFound"),
        (str(tmp_path / "bare"), "holds no table; expected files that end in .csv or .parquet"),
        (str(tmp_path / "empty.csv"), "is empty"),
        (str(tmp_path / "a.xlsx"), "is not a table"),
        ("nowhere://a.csv", "Protocol not known: nowhere"),
    ]:
        with pytest.raises(DataError, match=message):
            fetch(source, tmp_path / "raw")
        assert [path.name for path in (tmp_path / "raw").iterdir()] == ["old.csv"]
    assert not list(tmp_path.glob(".raw*"))
