"""A trained model, the rows that it was trained on, and a prediction log."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from {{ cookiecutter.__package_name }}_operate.settings import Drift, Lifecycle
from {{ cookiecutter.__package_name }}_pipeline import gate
from {{ cookiecutter.__package_name }}_pipeline.project import Project
from {{ cookiecutter.__package_name }}_predict.model import Model

from machinery.small_config import LIFECYCLE as SECTION
from machinery.small_log import write
from machinery.small_project import project

__all__ = ["project", "write"]
SETTINGS = Drift(**SECTION["drift"])
LIFECYCLE = Lifecycle(**SECTION)


@pytest.fixture
def model(evaluated: Project) -> Model:
    """Return a model that has passed the gate."""
    gate.run(evaluated)
    return Model.load(evaluated.paths.model)


@pytest.fixture
def rows(evaluated: Project) -> pd.DataFrame:
    """Return the rows of the source, with their target."""
    return pd.read_csv(evaluated.paths.source)


def write_scored(model: Model, frame: pd.DataFrame, path: Path, **columns: Any) -> Path:
    """Write a table of features and predictions, as score does."""
    features = frame[list(model.contract.features)].astype(object).where(frame.notna(), None)
    records = [{name: _plain(value) for name, value in row.items()} for row in features.to_dict("records")]
    answers = model.predict([{str(name): value for name, value in record.items()} for record in records])
    scored = frame[list(model.contract.features)].assign(
        prediction=[answer["prediction"] for answer in answers], **columns
    )
    for name in model.contract.classes:
        scored[f"probability_{name}"] = [answer["probabilities"][name] for answer in answers]
    scored.to_parquet(path, index=False)
    return path


def _plain(value: object) -> object:
    """Return a number that is whole as an integer, as JSON has it."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
