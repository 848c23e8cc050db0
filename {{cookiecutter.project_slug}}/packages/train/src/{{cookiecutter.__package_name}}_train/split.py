"""Stage 3: hold out a part of the rows, the same ones for the same data and seed."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.model_selection import train_test_split

from .examples import read_table
from .prediction import Contract, DataError, whole_file
from .project import Project


def run(project: Project) -> None:
    """Write the training and the test table."""
    paths, params = project.paths, project.params
    parts = split(read_table(paths.clean), project.contract, params.split.test_share, params.seed)
    for path, part in zip((paths.train, paths.test), parts, strict=True):
        with whole_file(path) as file:
            pq.write_table(part, file)


def split(table: pa.Table, contract: Contract, test_share: float, seed: int) -> tuple[pa.Table, pa.Table]:
    """Return the training and the test rows, each in the order of the table; stratified for a classification.

    Raises:
        DataError: there are too few rows, of one class or in all.
    """
    classes = table.column(contract.target_name).to_numpy() if contract.classes else None
    try:
        train, test = train_test_split(
            np.arange(table.num_rows), test_size=test_share, random_state=seed, stratify=classes
        )
    except ValueError as error:
        raise DataError(f"{table.num_rows} rows cannot be split: {error}; supply more rows") from error
    return table.take(np.sort(train)), table.take(np.sort(test))
