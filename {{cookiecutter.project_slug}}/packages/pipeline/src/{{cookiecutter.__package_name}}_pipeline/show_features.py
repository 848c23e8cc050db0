"""Show what features.py makes of rows, and check that a model file can carry it."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table
from rich.text import Text

from {{ cookiecutter.__package_name }}_batch.dialect import translate
from {{ cookiecutter.__package_name }}_batch.tables import check_batch, decode, take_good
from {{ cookiecutter.__package_name }}_predict.errors import DataError

from .dataset import Dataset
from .detect import read_source
from .features import FeatureMaker
from .project import Project

MOST_COLUMNS = 60


class _AnyTable(defaultdict[Any, Any]):
    """Stands for the tables of `fit` where there are no rows to make them from."""

    def __missing__(self, key: Any) -> dict[str, float]:
        return {}


def check_features(project: Project) -> list[str]:
    """Return the names of the features, after running features.py on symbols.

    Raises:
        FeatureError: it does what a model cannot carry; the message has the file and the line.
    """
    maker = FeatureMaker(project.contract, project.recipe.features, project.recipe.fit)
    return list(maker.trace(_AnyTable()))


def show_features(project: Project, path: Path, count: int) -> Table:
    """Return a table of the first rows that keep the contract: their values, and what the estimator gets.

    What features learn from rows, they learn from this table.

    Raises:
        DataError: the file cannot be read, or no row keeps the contract.
        FeatureError: features.py does what a model cannot carry.
    """
    contract, fields = project.contract, project.contract.table_fields
    raw = read_source(path, project.source)
    fields = {name: field for name, field in fields.items() if name != contract.target_name or name in raw.column_names}
    maker = FeatureMaker(contract, project.recipe.features, project.recipe.fit)
    if contract.target_name not in fields and maker.uses_target():
        raise DataError(
            f"{path} has no column {contract.target_name!r}, which features that are learned from the target need"
        )
    (batch,) = raw.to_batches()
    checked = check_batch(translate(batch, fields, project.source), fields, path.name)
    if not checked.good.any():
        raise DataError(f"no row of {path} keeps the contract: {next(iter(checked.reasons.values()))}")
    rows = Dataset(contract, take_good(checked))
    if contract.target_name in fields:
        rows = rows.take(np.flatnonzero(~np.isnan(rows.target)))
    made = maker.learn(rows)
    first = rows.take(np.arange(min(count, len(rows))))
    matrix = made.compute(first.encode(made.encoder))
    table = Table("column", *(f"row {number + 1}" for number in range(len(first))))
    plain = decode(first.checked, contract.features)
    for name in contract.features:
        table.add_row(Text(name), *(Text(f"{value.as_py()!s:.30}") for value in plain.column(name)), style="dim")
    table.add_section()
    for name, values in list(zip(made.names, matrix.T, strict=True))[:MOST_COLUMNS]:
        table.add_row(Text(name), *("missing" if np.isnan(value) else f"{value:.6g}" for value in values))
    return table
