"""Runs in SQLite and in files are killed at random moments: each row is there once."""

import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from {{ cookiecutter.__package_name }}_batch.databases import Database

from ..job_checks import PART, PARTS, SOURCE, Site, check_killed_runs_write_each_row_once, drop_run, kill_runs

KILLS = int(os.environ.get("KILLS", "20"))


def test_killed_runs_in_sqlite_write_each_row_once(model_path: Path, tmp_path: Path) -> None:
    (tmp_path / "orders.db").touch()
    site = Site(Database(f"sqlite:///{tmp_path / 'orders.db'}"), model_path)
    check_killed_runs_write_each_row_once(site, tmp_path, KILLS)


def test_killed_runs_in_files_write_each_row_once(model_path: Path, tmp_path: Path) -> None:
    numbers = range(PARTS * PART)
    columns = {"id": list(numbers), "length": [number % 1000 / 100 for number in numbers]}
    columns |= {"count": [number % 90 for number in numbers], "colour": ["red"] * len(numbers)}
    table = pa.table(columns | {"ready": [True] * len(numbers)}, schema=SOURCE)
    pq.write_table(table, tmp_path / "in.parquet", row_group_size=PART)
    files: dict[str, Any] = {
        "source": {"address": str(tmp_path / "in.parquet"), "table": None},
        "sink": {"table": None},
    }
    site = Site(Database(str(tmp_path / "out")), model_path)
    site.configure(tmp_path, **files, workers=2)
    calm = site.run(site.job(**files, workers=1), "calm")
    assert calm is not None
    expected = drop_run(pq.read_table(tmp_path / "out" / "calm").to_pylist())
    assert len(expected) == len(numbers)

    def count_parts(run_id: str) -> int:
        return len(list((tmp_path / "out" / ".runs" / run_id / "counts").glob("*.json")))

    for run_id in kill_runs(tmp_path, KILLS, count_parts):
        found = tmp_path / "out" / run_id
        assert drop_run(pq.read_table(found).to_pylist()) == expected
        assert len(list(found.iterdir())) == PARTS
