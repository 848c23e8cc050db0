"""Ways to split a table into training rows and a holdout."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sklearn.model_selection import train_test_split

from {{ cookiecutter.__package_name }}_predict.errors import DataError


def random_split(
    table: pa.Table, holdout_share: float, seed: int, stratify: npt.NDArray[np.object_] | None = None
) -> tuple[pa.Table, pa.Table]:
    """Return training rows and holdout, drawn at random, each in the order of the table.

    Args:
        table: the rows.
        holdout_share: how many of them are held out.
        seed: the same rows are drawn for the same seed.
        stratify: of shape (rows,); each of its values keeps its share in both parts.

    Raises:
        DataError: there are too few rows, of one value or in all.
    """
    try:
        train, holdout = train_test_split(
            np.arange(table.num_rows), test_size=holdout_share, random_state=seed, stratify=stratify
        )
    except ValueError as error:
        raise DataError(f"{table.num_rows} rows cannot be split: {error}; supply more rows") from error
    return table.take(np.sort(train)), table.take(np.sort(holdout))
