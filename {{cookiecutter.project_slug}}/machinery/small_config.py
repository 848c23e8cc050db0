"""A small configuration, and an environment without what the caller has set."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from {{ cookiecutter.__package_name }}_predict.settings import PREFIX

ROOT = Path(__file__).parents[1]
PATHS = {
    "schema": "schema.yaml",
    "source": "source.csv",
    "raw": "data/raw",
    "clean": "data/clean.parquet",
    "rejected": "data/rejected.csv",
    "validation": "reports/validation.json",
    "train": "data/train.parquet",
    "holdout": "data/holdout.parquet",
    "cross_validation": "reports/cross_validation.json",
    "candidate": "models/candidate.onnx",
    "reference": "data/reference.parquet",
    "metrics": "reports/metrics.json",
    "plots": "reports/plots",
    "card": "reports/model_card.md",
    "gate": "reports/gate.json",
    "model": "models/model.onnx",
}
SCORE: dict[str, Any] = {
    "nightly": {
        "source": {"address": "var/incoming.parquet"},
        "sink": {"address": "var/scored.parquet"},
        "mode": "replace",
        "inputs": True,
        "on_error": "reject",
        "max_rejected": 0.05,
    }
}
SOURCE = {"files": None, "separator": ",", "sample": None}
LIFECYCLE: dict[str, Any] = {
    "remote": "origin",
    "push": False,
    "reports": "var/reports",
    "promotion": {"margin": 0.02, "confidence": 0.95, "resamples": 500},
    "release": {"keep": 2, "publish": None},
    "retraining": {"stage": None, "release": False},
    "drift": {
        "hours": 24,
        "min_rows": 50,
        "max_rows": 1000,
        "false_alarms": 0.01,
        "psi": 0.1,
        "missing": 0.05,
        "loss": 0.05,
    },
    "alerts": {"events": ["ingestion", "data", "gate", "retraining", "drift", "release", "rollback"]},
}
SERVICE: dict[str, Any] = {
    "service": {
        "host": "127.0.0.1",
        "port": 0,
        "workers": 1,
        "reload_seconds": 0.05,
        "drain_seconds": 0,
        "stop_seconds": 5,
        "docs": True,
        "open": False,
        "cors_origins": [],
        "trusted_proxies": [],
        "limits": {
            "body_bytes": 100_000,
            "rows": 1000,
            "seconds": 10,
            "requests": 100,
            "uploads": 20,
            "connections": 1000,
        },
    },
    "logs": {"format": "json"},
    "prediction_log": {
        "url": "sqlite:///var/predictions.db",
        "queue_rows": 5000,
        "batch_rows": 500,
        "flush_seconds": 0.05,
        "retention_days": 90,
        "content": "inputs",
    },
    "jobs": {"queue": "sqlite:///var/retraining.db", "command": ["python", "-c", "print('done')"], "seconds": 60},
}


@pytest.fixture(autouse=True, scope="session")
def clean_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the caller's settings, identity, git configuration and DVC state out of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith((PREFIX, "GIT_", "APPRISE", "GITHUB_")):
                patch.delenv(name)
        folder = tmp_path_factory.getbasetemp()
        nobody = folder / "nobody"
        nobody.write_text("")
        patch.setenv("GIT_CONFIG_GLOBAL", str(nobody))
        patch.setenv("GIT_CONFIG_SYSTEM", str(nobody))
        patch.setenv("DVC_SITE_CACHE_DIR", str(folder / "dvc"))
        yield
