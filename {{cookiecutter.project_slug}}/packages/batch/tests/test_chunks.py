"""Parts of files and tables: together, they are the whole, and none cuts a row."""

import io
import json
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.local import LocalFileSystem

from {{ cookiecutter.__package_name }}_batch.dialect import PLAIN, Dialect
from {{ cookiecutter.__package_name }}_batch.jobs import chunks
from {{ cookiecutter.__package_name }}_batch.jobs.chunks import (
    FilePart,
    KeyRange,
    read_part,
    split_files,
)
from {{ cookiecutter.__package_name }}_batch.readers import read_batches

LINES = Dialect(newlines=True)


def read_parts(path: Path, dialect: Dialect) -> list[dict[str, str]]:
    """Return the rows of all parts of a file, each of which has as many as planned."""
    parts, schema = split_files(str(path), dialect)
    rows = list[dict[str, str]]()
    for part in parts:
        assert isinstance(part, FilePart)
        malformed = list[str]()
        found = [
            row for batch in read_part(LocalFileSystem(), part, dialect, malformed.append) for row in batch.to_pylist()
        ]
        assert len(found) + len(malformed) == part.rows
        rows += found
    assert schema.names == list(rows[0])
    return rows


def write_csv(seed: int) -> bytes:
    """Return a CSV file with quotes, empty lines, line breaks in values, and different ends of lines."""
    rng = random.Random(seed)  # noqa: S311  # no secret
    end = rng.choice(["\n", "\r\n", "\r"])
    values = ["1", "", "a b", '"a,b"', '"a ""b"""', f'"two{end}lines"', f'"{end}"', 'x"y', "é"]
    lines = [",".join(rng.choice(values) for _ in range(3)) for _ in range(rng.randrange(1, 60))]
    lines = [line for line in lines if line != ",,"]
    text = end.join(["a,b,c", *lines, *([""] if rng.random() < 0.5 else [])])
    return (b"\xef\xbb\xbf" if rng.random() < 0.3 else b"") + text.encode()


@pytest.mark.parametrize("dialect", [PLAIN, LINES], ids=["plain", "newlines"])
def test_parts_of_csv_are_the_file(dialect: Dialect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("{{ cookiecutter.__package_name }}_batch.blocks.BYTES_PER_BLOCK", 200)
    monkeypatch.setattr(chunks, "BYTES", 300)
    several = 0
    for seed in range(150):
        content = write_csv(seed)
        (tmp_path / "t.csv").write_bytes(content)
        whole = [
            row
            for batch, _ in read_batches(io.BytesIO(content), "t.csv", lambda _: None, dialect)
            for row in batch.to_pylist()
        ]
        if whole:
            assert read_parts(tmp_path / "t.csv", dialect) == whole
            several += len(split_files(str(tmp_path / "t.csv"), dialect)[0]) > 1
    assert several > 30


def test_file_in_another_encoding_is_one_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "BYTES", 10)
    (tmp_path / "t.csv").write_bytes("a;b\nä;1\nö;2\n".encode("utf-16"))
    dialect = Dialect(encoding="utf-16", separator=";")
    assert read_parts(tmp_path / "t.csv", dialect) == [{"a": "ä", "b": "1"}, {"a": "ö", "b": "2"}]


def test_parts_of_parquet_are_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "ROWS", 5)
    pq.write_table(pa.table({"a": [str(number) for number in range(23)]}), tmp_path / "t.parquet", row_group_size=2)
    assert [row["a"] for row in read_parts(tmp_path / "t.parquet", PLAIN)] == [str(number) for number in range(23)]
    parts, _ = split_files(str(tmp_path / "t.parquet"), PLAIN)
    assert [part.rows for part in parts] == [6, 6, 6, 5]


def test_parts_of_json_lines_are_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "BYTES", 30)
    monkeypatch.setattr("{{ cookiecutter.__package_name }}_batch.jobs.chunks.LINES_AT_ONCE", 30)
    lines = [json.dumps({"a": str(number)}) for number in range(20)]
    (tmp_path / "t.jsonl").write_text("\n\n".join([*lines, "no", ""]))
    assert [row["a"] for row in read_parts(tmp_path / "t.jsonl", PLAIN)] == [str(number) for number in range(20)]
    assert len(split_files(str(tmp_path / "t.jsonl"), PLAIN)[0]) > 5


def test_range_of_keys_quotes_what_a_key_may_hold() -> None:
    part = KeyRange(after="a'b", upto="c", rows=1)
    assert part.select(['"a"'], '"t"', 'k"') == (
        """SELECT "a" FROM "t" WHERE "k""\" > 'a''b' AND "k""\" <= 'c' ORDER BY source."k""\""""
    )
