"""The prediction log is read as it is written; what is missing is reported with what to do."""

import sqlite3
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

import pytest
import yaml
from pydantic import SecretStr
from sqlalchemy import text

from {{ cookiecutter.__package_name }}_predict.errors import ConfigError, DataError
from {{ cookiecutter.__package_name }}_predict.settings import PREFIX, Settings, load_settings
from {{ cookiecutter.__package_name }}_records import log_reader
from {{ cookiecutter.__package_name }}_records.forget import forget
from {{ cookiecutter.__package_name }}_records.pseudonyms import make_pseudonym
from {{ cookiecutter.__package_name }}_records.settings import PredictionLogSettings

from machinery.small_config import SERVICE
from machinery.small_log import Write, change

URL = f"{PREFIX}PREDICTION_LOG__URL"
CONFIG = Path("config/default.yaml")
MODULE = sys.modules[forget.__module__]


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work where a configuration names a prediction log."""
    monkeypatch.chdir(tmp_path)
    CONFIG.parent.mkdir()
    CONFIG.write_text(yaml.safe_dump({"paths": {"model": "model.onnx"}, **SERVICE}))


class LogSettings(Settings):
    """The settings of the prediction log, as operation reads them."""

    secrets: ClassVar = ("hash_key",)
    prediction_log: PredictionLogSettings | None = None


def load() -> PredictionLogSettings | None:
    """Return the settings of the prediction log."""
    return load_settings(LogSettings, {}).prediction_log


def test_window_holds_the_newest_rows_of_the_last_hours(write: Write) -> None:
    for hours in (30, 20, 2, 1):
        write(f"r{hours}", hours, length=1.0)
    assert [row["request_id"] for row in log_reader.read_window(load(), hours=24, most=2)] == ["r1", "r2"]
    assert len(log_reader.read_window(load(), hours=24, most=10)) == 3
    assert log_reader.read_window(load(), hours=0.5, most=10) == []


def test_request_is_found_by_its_id(write: Write) -> None:
    write("one", length=1.0)
    (row,) = log_reader.read_request(load(), "one")
    assert (row["model_version"], row["value"], row["inputs"]) == ("abc", 1.5, {"length": 1.0})
    assert datetime.fromisoformat(str(row["at"])).tzinfo == UTC
    assert log_reader.read_request(load(), "another") == []


def test_table_beside_the_log_is_read(write: Write) -> None:
    write("one", length=1.0)
    change(text("create table sales (request_id text, weight real)"), text("insert into sales values ('one', 2.5)"))
    assert log_reader.read_table(load(), "sales") == [{"request_id": "one", "weight": 2.5}]
    with pytest.raises(DataError, match="has no table 'nothing'; expected a file or a table"):
        log_reader.read_table(load(), "nothing")


def test_log_that_does_not_exist_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="there is no prediction log at var/predictions.db"):
        log_reader.read_window(load(), 24, 10)
    assert not Path("var").exists()
    Path("var").mkdir()
    Path("var/predictions.db").touch()
    with pytest.raises(DataError, match="has no table predictions: no service has written into it"):
        log_reader.read_window(load(), 24, 10)
    Path("var/predictions.db").write_text("no database" * 100)
    with pytest.raises(DataError, match="cannot be used .*file is not a database"):
        log_reader.read_window(load(), 24, 10)
    monkeypatch.setenv(URL, "null")
    with pytest.raises(ConfigError, match="prediction_log.url is not configured"):
        log_reader.read_window(load(), 24, 10)
    monkeypatch.setenv(URL, "postgresql://user:a-secret@127.0.0.1:9/x")
    with pytest.raises(DataError, match="cannot be used") as caught:
        log_reader.read_window(load(), 24, 10)
    assert "a-secret" not in str(caught.value)


def test_project_without_a_service_says_what_to_name_instead() -> None:
    CONFIG.write_text("paths: {model: model.onnx}\n")
    with pytest.raises(ConfigError, match="there is no prediction log to read: .* outcomes take a scored table"):
        log_reader.read_window(load(), 24, 10)


def test_predictions_of_a_key_are_deleted(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MODULE, "ROWS_READ", 2)
    monkeypatch.setattr(MODULE, "PAUSE_SECONDS", 0)
    monkeypatch.setenv(f"{PREFIX}PREDICTION_LOG__HASH_KEY", "a key of some length")
    pseudonym = make_pseudonym(4242, SecretStr("a key of some length"))
    for customer in (4242, "4242", 4242.0, pseudonym, "04242", 42421, None):
        write("one", **{"customer no. ü": customer})
    shares = list[float]()
    assert forget(load(), "customer no. ü", "4242", shares.append) == 4
    assert shares == [2 / 7, 4 / 7, 6 / 7, 1.0]
    kept = [row["inputs"]["customer no. ü"] for row in log_reader.read_window(load(), 24, 10)]
    assert kept == [None, 42421, "04242"]
    assert forget(load(), "customer no. ü", "4242") == 0
    files = b"".join(path.read_bytes() for path in Path("var").iterdir())
    assert pseudonym.encode() not in files
    with pytest.raises(DataError, match="expected one without quotes"):
        forget(load(), 'a"b', "1")


def test_forms_of_a_value_are_found(write: Write) -> None:
    for number, (stored, asked) in enumerate(
        [(True, "true"), (False, "false"), (0.5, "0.5"), (1e16, "1e16"), (7.0, "7")]
    ):
        write("one", **{f"name {number}": stored})
        assert forget(load(), f"name {number}", asked) == 1
    write("one", note="a\0b", other="\\u0000")
    assert [row["inputs"] for row in log_reader.read_window(load(), 24, 10)] == [
        {"note": "a\ufffdb", "other": "\\u0000"}
    ]


def test_bytes_that_a_reader_keeps_are_reported(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MODULE, "PATIENCE", 0.2)
    write("one", customer=1)
    with closing(sqlite3.connect("var/predictions.db")) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM predictions").fetchone()
        with pytest.raises(DataError, match="their bytes stay in the file until those who read the log are done"):
            forget(load(), "customer", "1")
    assert forget(load(), "customer", "1") == 0


@pytest.mark.parametrize("key", ["", "short"])
def test_hash_key_that_anybody_could_guess_is_refused(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}PREDICTION_LOG__HASH_KEY", key)
    with pytest.raises(ConfigError, match="prediction_log.hash_key"):
        load()
