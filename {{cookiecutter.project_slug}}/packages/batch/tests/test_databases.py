"""Reading and writing databases as Arrow: no number changes, no type is guessed from the first rows."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from {{ cookiecutter.__package_name }}_batch.addresses import find_secrets, hide_secrets
from {{ cookiecutter.__package_name }}_batch.databases import (
    MOMENT,
    TYPES,
    ConnectionLostError,
    Database,
)
from {{ cookiecutter.__package_name }}_batch.queries import read_query
from {{ cookiecutter.__package_name }}_predict import DataError


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """Return a database whose columns hold what SQLite allows, written by another process."""
    path = tmp_path / "it's.db"
    program = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]);"
        "c.execute('CREATE TABLE t (id INTEGER PRIMARY KEY, late REAL, mixed, never TEXT, whole, bytes BLOB)');"
        "rows = [(n, None if n < 150_000 else 0.1, 1 / n if n % 2 else f't{n}', None, n, b'x')"
        " for n in range(1, 150_003)];"
        "c.executemany('INSERT INTO t VALUES (?, ?, ?, ?, ?, ?)', rows); c.commit()"
    )
    subprocess.run([sys.executable, "-c", program, str(path)], check=True)
    return Database(f"sqlite:///{path}")


def test_query_gives_each_column_one_type_and_exact_numbers(database: Database) -> None:
    parts = list(read_query(database.address, "SELECT * FROM t;"))
    assert len(parts) > 1
    assert {part.schema for part in parts} == {
        pa.schema(
            [
                ("id", pa.int64()),
                ("late", pa.float64()),
                ("mixed", pa.string()),
                ("never", pa.string()),
                ("whole", pa.int64()),
                ("bytes", pa.binary()),
            ]
        )
    }
    table = pa.concat_tables(parts)
    assert table.num_rows == 150_002
    assert table.column("late").to_pylist()[-3:] == [0.1, 0.1, 0.1]
    assert [float(text) for text in table.column("mixed").to_pylist()[::2]] == [1 / n for n in range(1, 150_003, 2)]


def test_query_without_rows_has_its_columns(database: Database) -> None:
    (part,) = read_query(database.address, "SELECT id, late FROM t WHERE id < 0")
    assert (part.num_rows, part.column_names) == (0, ["id", "late"])


def test_each_type_that_is_written_comes_back(tmp_path: Path) -> None:
    moment = datetime(1999, 12, 31, 23, 59, 59, 1, tzinfo=UTC)
    values = {pa.int64(): 2**62, pa.float64(): 5e-324, pa.string(): "é'\"", pa.bool_(): True}
    values |= {pa.date32(): moment.date(), MOMENT: moment}
    assert set(values) == set(TYPES)
    table = pa.table({str(kind): pa.array([value, None], kind) for kind, value in values.items()})
    (tmp_path / "new.db").touch()
    with Database(f"sqlite:///{tmp_path / 'new.db'}").connect() as connection:
        connection.execute(connection.database.create_table("t", table.schema))
        connection.ingest("t", table)
        found = connection.read("SELECT * FROM t").to_pylist()
    assert list(found[0].values()) == [2**62, 5e-324, "é'\"", 1, "1999-12-31", "1999-12-31T23:59:59.000001Z"]
    assert set(found[1].values()) == {None}


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("SELECT nope FROM t", "it's.db reported: .*no such column: nope; check the query"),
        ("SELECT", "it's.db reported: .*incomplete input; check the query"),
    ],
)
def test_error_is_a_sentence(statement: str, message: str, database: Database) -> None:
    with database.connect() as connection, pytest.raises(DataError, match=message):
        connection.read(statement)


def test_database_that_does_not_exist_is_not_created(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no database .*none.db; correct the address"):
        list(read_query(f"sqlite:///{tmp_path / 'none.db'}", "SELECT 1"))
    assert list(tmp_path.iterdir()) == []


def test_password_is_not_shown() -> None:
    database = Database("postgresql://user:secret@127.0.0.1:1/orders?password=secret")
    with pytest.raises(ConnectionLostError) as error, database.connect():
        pass
    assert "secret" not in str(error.value)
    assert "127.0.0.1:1/orders" in str(error.value)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgresql://u:se@c/r e%74@h/db?password=x", "postgresql://u:***@h/db?***"),
        ("https://u:secret@host/t.csv?X-Amz-Signature=x", "https://u:***@host/t.csv?***"),
        ("sqlite:///a.db", "sqlite:///a.db"),
        ("in/a?b.csv", "in/a?b.csv"),
    ],
)
def test_address_is_shown_without_secrets(address: str, shown: str) -> None:
    assert hide_secrets(address) == shown
    assert set(find_secrets("postgresql://u:se%20c@h/db?x=1")) == {"se%20c", "se c", "x=1"}
