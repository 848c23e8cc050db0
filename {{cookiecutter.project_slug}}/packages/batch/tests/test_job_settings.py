"""Jobs in the configuration: what cannot work is refused before anything is read."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from {{ cookiecutter.__package_name }}_batch.jobs.manifest import name_run
from {{ cookiecutter.__package_name }}_batch.jobs.settings import Job, load_job
from {{ cookiecutter.__package_name }}_predict.errors import ConfigError, ProjectError
from {{ cookiecutter.__package_name }}_predict.settings import PREFIX, SECRETS

FILES = {"source": {"address": "in.csv"}, "sink": {"address": "out.csv"}, "mode": "replace"}
TABLES = {
    "source": {"address": "sqlite:///in.db", "table": "orders"},
    "sink": {"address": "sqlite:///out.db", "table": "scored"},
    "mode": "append",
}


@pytest.mark.parametrize(
    ("job", "change", "message"),
    [
        (FILES, {"source": {"address": "ftp://host/in.csv"}}, "begins with ftp://; expected a path, or s3://"),
        (FILES, {"source": {"address": "in.csv", "table": "t"}}, "`table` is for databases"),
        (FILES, {"source": {"address": "in.csv", "copy": True}}, "`copy` are for databases"),
        (TABLES, {"source": {"address": "sqlite:///in.db"}}, "needs either `table` or `query`"),
        (TABLES, {"source": {"address": "sqlite://in.db", "table": "t"}}, "such as sqlite:///path/to/file.db"),
        (TABLES, {"sink": {"address": "sqlite:///out.db"}}, "a database needs `table`"),
        (FILES, {"sink": {"address": "https://host/out.csv"}}, "nothing can be written to https://"),
        (FILES, {"mode": "append"}, "cannot add to the file out.csv; name a folder"),
        (FILES, {"mode": "upsert"}, "upsert needs a database"),
        (FILES, {"rejected": {"address": "rejected.txt"}}, "is not a table this program reads"),
        (TABLES, {"rejected": {"address": "sqlite:///b.db", "table": "t"}}, "a table in the sink's database"),
        (FILES, {"sink": {"address": "./in.csv"}}, "the source and the sink are the same place, in.csv"),
        (FILES, {"rejected": {"address": "out.csv"}}, "rejected and the sink are the same place, out.csv"),
        (FILES, {"rejected": {"address": "in.csv"}}, "the source and rejected are the same place, in.csv"),
        (TABLES, {"sink": {"address": "sqlite:///in.db", "table": "orders"}}, "are the same place, orders in sqlite"),
        (TABLES, {"sink": {"address": "sqlite:///o.db", "table": "t" * 55}}, "has 55 bytes, expected at most 54"),
        (FILES, {"engine": "spark"}, "engine"),
        (FILES, {"max_rejected": 2}, "max_rejected"),
    ],
)
def test_job_that_cannot_work_is_refused(job: dict[str, Any], change: dict[str, Any], message: str) -> None:
    with pytest.raises((ValidationError, ProjectError), match=message):
        Job.model_validate(job | change)


@pytest.mark.parametrize(
    ("job", "change", "place"),
    [
        (FILES, {}, "out.rejected.csv"),
        (FILES, {"sink": {"address": "var/scored/"}}, "var/scored.rejected.csv"),
        (TABLES, {}, "scored_rejected in sqlite:///out.db"),
        (TABLES, {"rejected": {"address": "r.parquet"}}, "r.parquet"),
    ],
)
def test_rejected_rows_have_a_place(job: dict[str, Any], change: dict[str, Any], place: str) -> None:
    assert Job.model_validate(job | change).rejected_place.shown == place


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work where a configuration has jobs; return its path."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "config" / "default.yaml"
    path.parent.mkdir()
    paths = {"model": "model.onnx", "schema": None}
    log = {"url": "sqlite:///out.db", "queue_rows": 1}
    path.write_text(
        yaml.safe_dump({"paths": paths, "score": {"files": FILES, "tables": TABLES}, "prediction_log": log})
    )
    return path


@pytest.mark.usefixtures("write")
def test_job_is_found_by_its_name_and_completed_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}SCORE__FILES__SINK__ADDRESS", "postgresql://u:secret@db/shop")
    monkeypatch.setenv(f"{PREFIX}SCORE__FILES__SINK__TABLE", "scored")
    job, _ = load_job("files")
    assert job.sink.address == "postgresql://u:secret@db/shop"
    assert job.sink.shown == "scored in postgresql://u:***@db/shop"
    assert job.source.address == "in.csv"
    with pytest.raises(
        ConfigError, match=r"has no batch job 'in.csv' \(section score\); the jobs are files, tables; name one"
    ):
        load_job("in.csv")


@pytest.mark.usefixtures("write")
def test_file_of_the_prediction_log_is_refused() -> None:
    with pytest.raises(ConfigError, match="score.tables: out.db is also the file of the prediction log"):
        load_job("tables")


def test_password_in_the_configuration_is_refused(write: Path) -> None:
    write.write_text(write.read_text().replace("in.csv", "postgresql://u:secret@db/shop"))
    with pytest.raises(ConfigError, match="score.files.source.address: do not put secrets") as error:
        load_job("files")
    assert "secret@" not in str(error.value)
    assert SECRETS in str(error.value)


def test_two_jobs_may_not_write_to_one_place(write: Path) -> None:
    config = yaml.safe_load(write.read_text())
    config["score"] = {"a": FILES, "b": FILES | {"sink": {"address": "out.parquet"}}, "c": TABLES, "d": TABLES}
    config["prediction_log"] = None
    write.write_text(yaml.safe_dump(config))
    with pytest.raises(ConfigError, match="score.a and score.b both write to out.rejected.csv; name another place"):
        load_job("a")
    assert load_job("c")[0].mode == "append"
    config["score"]["d"] = TABLES | {"mode": "replace"}
    write.write_text(yaml.safe_dump(config))
    with pytest.raises(ConfigError, match="score.c and score.d both write to scored in sqlite:///out.db"):
        load_job("c")


def test_unknown_key_of_a_job_is_named(write: Path) -> None:
    write.write_text(write.read_text().replace("mode: append", "mode: append\n    moed: append"))
    with pytest.raises(ConfigError, match="score.tables.moed: unknown setting, remove it"):
        load_job("files")


def test_run_is_named_by_its_scheduled_time() -> None:
    assert name_run("nightly", "2026-11-24T06:00") == "nightly-2026-11-24T0600Z"
    assert name_run("nightly", "2026-11-24T06:00+02:00") == "nightly-2026-11-24T0400Z"
    assert name_run("nightly", None).endswith("00Z")
    with pytest.raises(ConfigError, match="found --for noon, expected a time such as 2026-11-24T05:00"):
        name_run("nightly", "noon")
