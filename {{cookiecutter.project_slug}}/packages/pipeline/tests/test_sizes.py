"""Tables of an unusual size: a dozen rows, two thousand columns, a category of two hundred thousand values."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from {{ cookiecutter.__package_name }}_pipeline import ingest, split, train, validate
from {{ cookiecutter.__package_name }}_pipeline.dataset import Dataset, load_dataset
from {{ cookiecutter.__package_name }}_pipeline.feature_graph import check_graph, write_graph
from {{ cookiecutter.__package_name }}_pipeline.features import FeatureMaker
from {{ cookiecutter.__package_name }}_pipeline.project import Project
from {{ cookiecutter.__package_name }}_predict import Contract
from {{ cookiecutter.__package_name }}_predict.errors import DataError


def make_rows(features: dict[str, dict[str, object]], frame: pd.DataFrame) -> Dataset:
    """Return rows with a number as their target."""
    contract = Contract.model_validate({"features": features, "target": {"price": {"type": "number"}}})
    table = pa.Table.from_pandas(frame.assign(price=np.arange(len(frame)) / 7), preserve_index=False)
    return load_dataset(table, contract)


@pytest.mark.parametrize("kind", ["regression"])
def test_a_dozen_rows_are_too_few_to_measure(project: Project, with_params: Callable[..., Project]) -> None:
    source = Path(project.paths.source)
    source.write_text("".join(source.read_text().splitlines(keepends=True)[:13]))
    for stage in (ingest, validate, split):
        stage.run(project)
    with pytest.raises(
        DataError, match="r2 of 1 rows is not a number; supply more rows, or set fewer folds .split.folds."
    ):
        train.run(with_params(project, "split", folds=9))


def test_two_thousand_columns_are_carried() -> None:
    rng = np.random.default_rng(0)
    names = [f"column {index}" for index in range(2000)]
    frame = pd.DataFrame(rng.normal(size=(300, 2000)), columns=names)
    rows = make_rows({name: {"type": "number"} for name in names}, frame)
    made = FeatureMaker(rows.contract, lambda c, _: {**c, "first twice": c["column 0"] * 2}).learn(rows)
    encoded = rows.encode(made.encoder)
    matrix = made.compute(encoded)
    assert matrix.shape == (300, 2001)
    check_graph(write_graph(made), made, encoded, matrix)


def test_category_of_two_hundred_thousand_values_is_refused() -> None:
    frame = pd.DataFrame({"parcel": [f"parcel {index}" for index in range(200_000)] * 2})
    rows = make_rows({"parcel": {"type": "category", "open": True}}, frame)
    expected = (
        "parcel has 200000 different values in 400000 training rows, expected at most 100000; it looks like an id"
    )
    with pytest.raises(DataError, match=expected):
        FeatureMaker(rows.contract, lambda c, _: {**c}).learn(rows)
