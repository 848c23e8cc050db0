"""Rows and their targets as arrays for scikit-learn."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from {{ cookiecutter.__package_name }}_batch.tables import check_batch, encode
from {{ cookiecutter.__package_name }}_predict.contract import Contract, Matrix
from {{ cookiecutter.__package_name }}_predict.errors import DataError


@dataclass(frozen=True)
class Dataset:
    """Encoded rows and their targets.

    Attributes:
        features: of shape (rows, features), in the contract's order; NaN where a value is missing.
        target: of shape (rows,); the index of the class, or the number.
    """

    features: Matrix
    target: npt.NDArray[np.float64]


def read_table(path: Path) -> pa.Table:
    """Return a table written by an earlier stage.

    Raises:
        DataError: it is absent or damaged.
    """
    try:
        with pq.ParquetFile(path) as file:  # read_table would import pandas, which takes longer than to read
            return file.read()
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path} cannot be read ({error}); run the stages before this one (dvc repro)") from error


def load_dataset(table: pa.Table, contract: Contract) -> Dataset:
    """Return a clean table as arrays.

    Raises:
        DataError: rows break the contract, because the table was made under another one.
    """
    checked = check_batch(table, {**contract.features, **contract.target}, "the clean table")
    if not checked.good.all():
        raise DataError(f"{len(checked.reasons)} clean rows break the contract; run the validate stage again")
    return Dataset(encode(checked, contract), checked.columns[contract.target_name])
