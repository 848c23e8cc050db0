"""Rows and their targets, checked against the contract: what the stages after `validate` work on."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from {{ cookiecutter.__package_name }}_batch.tables import (
    Checked,
    Column,
    check_batch,
    encode,
    take_good,
)
from {{ cookiecutter.__package_name }}_predict.contract import Contract
from {{ cookiecutter.__package_name }}_predict.encoding import Encoded, Encoder
from {{ cookiecutter.__package_name }}_predict.errors import DataError
from {{ cookiecutter.__package_name }}_predict.fields import Category

Indices = npt.NDArray[np.int64]
Folds = list[tuple[Indices, Indices]]


@dataclass(frozen=True)
class Dataset:
    """Rows and their targets.

    Attributes:
        contract: what a row is.
        checked: the columns of the rows (see `Checked`): features, keys and target.
    """

    contract: Contract
    checked: Checked

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.checked.good)

    @cached_property
    def target(self) -> npt.NDArray[np.float64]:
        """The index of the class, or the number, of shape (rows,)."""
        return np.asarray(self.checked.columns[self.contract.target_name])

    def take(self, rows: Indices) -> "Dataset":
        """Return some of the rows."""
        columns = {
            name: column[rows] if isinstance(column, np.ndarray) else column.take(pa.array(rows))
            for name, column in self.checked.columns.items()
        }
        return Dataset(self.contract, Checked(columns, self.checked.good[rows], {}, {}))

    def encode(self, encoder: Encoder) -> Encoded:
        """Return the rows as a model encodes them."""
        return encode(self.checked, self.contract, encoder)

    def codes(self, name: str) -> npt.NDArray[np.int64]:
        """Return a number for each different value of a key or a feature, of shape (rows,)."""
        column = self.checked.columns[name]
        values = column if isinstance(column, np.ndarray) else column.to_numpy(zero_copy_only=False).astype(str)
        return np.asarray(np.unique(values, return_inverse=True)[1], dtype=np.int64)

    def values(self, name: str) -> npt.NDArray[np.object_] | Column:
        """Return a column as a person writes it: texts for categories, None where a value is missing; else numbers."""
        field, column = self.contract.table_fields[name], self.checked.columns[name]
        if not isinstance(column, np.ndarray):
            return np.array(column.to_pylist(), dtype=object)
        if isinstance(field, Category) or (name == self.contract.target_name and self.contract.classes):
            values = self.contract.classes if name == self.contract.target_name else getattr(field, "values", ())
            texts = np.array([*values, None])
            return np.asarray(texts[np.where(np.isnan(column), -1, column).astype(np.int64)])
        return column


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
    """Return a clean table as a dataset.

    Raises:
        DataError: rows break the contract, because the table was made under another one.
    """
    fields = {**contract.key_fields, **contract.features, **contract.target}
    checked = check_batch(table, fields, "the clean table")
    if not checked.good.all():
        raise DataError(f"{len(checked.reasons)} clean rows break the contract; run the validate stage again")
    return Dataset(contract, take_good(checked))
