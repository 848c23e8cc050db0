"""The jobs in docs/batch.md do what it says."""

import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml

from {{ cookiecutter.__package_name }}_batch.databases import Database
from {{ cookiecutter.__package_name }}_batch.jobs.settings import Job

from ..job_checks import SOURCE, Site
from machinery.engines import Engine, postgres
from machinery.small_config import ROOT

__all__ = ["postgres"]


@pytest.fixture
def jobs() -> dict[str, dict[str, Any]]:
    """Return the jobs of the document."""
    (block,) = re.findall(
        r"```yaml\n(.*?)```", (ROOT / "docs" / "batch.md").read_text(encoding="utf-8"), flags=re.DOTALL
    )
    found: dict[str, dict[str, Any]] = yaml.safe_load(block)["score"]
    return found


def test_jobs_of_the_document_run(
    jobs: dict[str, dict[str, Any]], model_path: Path, postgres: Engine, tmp_path: Path
) -> None:
    here = f"postgresql://test@127.0.0.1:{postgres.port}/postgres"
    site = Site(Database(here), model_path)
    site.execute("CREATE SCHEMA mart")
    site.fill(5)
    site.execute("ALTER TABLE orders RENAME id TO order_id")
    site.execute("ALTER TABLE orders ADD changed_at TIMESTAMPTZ DEFAULT now()")
    site.execute("UPDATE orders SET changed_at = now() - interval '3 hours' WHERE order_id = 1")
    partners = tmp_path / "partners" / "in"
    partners.mkdir(parents=True)
    (partners / "a.csv").write_text("length;count;colour;ready\n1,5;2;red;true\n")
    for name, job in jobs.items():
        text = yaml.safe_dump(job).replace("postgresql://score@db.example.com/shop", here)
        changed = yaml.safe_load(text.replace("s3://partners", str(tmp_path / "partners"))) | {"engine": "local"}
        assert Job.model_validate(job).mode == changed["mode"]
        ended = site.run(Job.model_validate(changed), name)
        assert ended is not None
        assert ended.counts.scored == {"nightly": 5, "changes": 4, "partners": 1}[name]
    assert len(site.read("mart.predictions", "order_id")) == 5
    assert [row["order_id"] for row in site.read("mart.recent", "order_id")] == [2, 3, 4, 5]
    assert site.read("mart.rejected", "run_id") == []
    assert len(list((tmp_path / "partners" / "scored" / "partners").iterdir())) == 1
    assert pa.types.is_integer(SOURCE.field("id").type)
