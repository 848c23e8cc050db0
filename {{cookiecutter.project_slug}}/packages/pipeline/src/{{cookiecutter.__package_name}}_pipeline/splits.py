"""Ways to split a table into training rows and a holdout."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sklearn.model_selection import train_test_split

from {{ cookiecutter.__package_name }}_predict.errors import DataError


def random_split(
    table: pa.Table, holdout_share: float, seed: int, stratify: npt.NDArray[np.object_] | None = None
) -> tuple[pa.Table, pa.Table]:
    """Split a table at random into training rows and a holdout, each in the order of the table.

    Args:
        table: the rows.
        holdout_share: the share of rows to hold out.
        seed: equal seeds draw equal rows.
        stratify: of shape (rows,); each of its values keeps its share in both parts.

    Raises:
        DataError: there are too few rows in total, or too few with one of the values.
    """
    try:
        train, holdout = train_test_split(
            np.arange(table.num_rows), test_size=holdout_share, random_state=seed, stratify=stratify
        )
    except ValueError as error:
        raise DataError(f"{table.num_rows} rows cannot be split: {error}; supply more rows") from error
    return table.take(np.sort(train)), table.take(np.sort(holdout))
