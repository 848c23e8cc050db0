"""One row gets one prediction, to the bit: from the library, the service, files, databases and a cluster."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
import yaml

from {{ cookiecutter.__package_name }}_batch.databases import Database
from {{ cookiecutter.__package_name }}_predict.cli import main
from {{ cookiecutter.__package_name }}_predict.model import Model

from ..conftest import Serve
from machinery.engines import Engine

PROGRAM = [sys.executable, "-m", main.__module__.partition(".")[0]]
ROWS = 300


@pytest.fixture
def rows() -> list[dict[str, Any]]:
    """Return rows with values at which rounding would show, and missing ones."""
    rng = np.random.default_rng(5)
    return [
        {
            "id": number,
            "length": float(rng.uniform(0, 10)),
            "count": None if number % 7 == 0 else int(rng.integers(0, 101)),
            "colour": str(rng.choice(["red", "green"])),
            "ready": [True, False, None][number % 3],
        }
        for number in range(ROWS)
    ]


def test_each_way_gives_the_same_numbers(
    rows: list[dict[str, Any]], serve: Serve, postgres: Engine, model_path: Path, tmp_path: Path
) -> None:
    inputs = [{name: value for name, value in row.items() if name != "id"} for row in rows]
    library = Model.load(model_path).predict(inputs)
    assert serve().predict(*inputs).json()["predictions"] == library
    table = pa.Table.from_pylist(rows)
    pq.write_table(table, tmp_path / "in.parquet")
    pa_csv.write_csv(table, tmp_path / "in.csv")
    (tmp_path / "jobs.db").touch()
    server = f"postgresql://test@127.0.0.1:{postgres.port}/postgres"
    databases = {"sqlite": Database(f"sqlite:///{tmp_path / 'jobs.db'}"), "postgres": Database(server)}
    jobs = {
        "ray": {"source": {"address": "in.parquet"}, "sink": {"address": "ray.parquet"}, "engine": "ray", "workers": 1}
    }
    for name, database in databases.items():
        with database.connect() as connection:
            connection.execute(database.create_table("orders", table.schema, ["id"]))
            connection.ingest("orders", table)
        places = {
            kind: {"address": database.address, "table": at} for kind, at in (("source", "orders"), ("sink", "scored"))
        }
        jobs[name] = {**places, "workers": 1}
    config = yaml.safe_load((tmp_path / "config" / "default.yaml").read_text())
    config["score"] = {name: {**job, "mode": "replace", "keys": ["id"]} for name, job in jobs.items()}
    (tmp_path / "config" / "default.yaml").write_text(yaml.safe_dump(config))
    for arguments in (["in.csv", "csv.parquet"], ["in.parquet", "parquet.parquet"], *([name] for name in jobs)):
        environment = os.environ | {"RAY_AUTH_MODE": "disabled"}  # without a token in the home folder
        subprocess.run([*PROGRAM, "score", *arguments], cwd=tmp_path, check=True, env=environment)
    found = {name: pq.read_table(tmp_path / f"{name}.parquet") for name in ("csv", "parquet", "ray")}
    for name, database in databases.items():
        with database.connect() as connection:
            found[name] = connection.read("SELECT * FROM scored ORDER BY id")
    for name, result in found.items():
        assert result.column("prediction").to_pylist() == [answer["prediction"] for answer in library], name
        for label in Model.load(model_path).contract.classes:
            shares = [answer["probabilities"][label] for answer in library]
            assert result.column(f"probability_{label}").cast(pa.float64()).to_pylist() == shares, name
