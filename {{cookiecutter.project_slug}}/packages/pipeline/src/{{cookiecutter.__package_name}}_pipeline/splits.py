"""Ways to split a table into training rows and a holdout."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold, train_test_split

from {{ cookiecutter.__package_name }}_predict.errors import DataError

from .dataset import Dataset, Indices

FOLDS = 5


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


def make_folds(rows: Dataset, seed: int, count: int = FOLDS) -> list[tuple[Indices, Indices]]:
    """Return pairs of the rows to fit on and the rows to apply to; each row is in one of the latter.

    The rows of a group are in one fold, where the contract has a group; otherwise each class keeps its share.

    Raises:
        DataError: there are too few rows or groups.
    """
    group, target = rows.contract.keys.group, rows.target
    classes = target.astype(np.int64) if rows.contract.classes else None
    if group:
        found = GroupKFold(count).split(target, classes, rows.codes(group))
    elif classes is not None:
        count = min(count, int(np.bincount(classes).min()))
        found = StratifiedKFold(max(count, 2), shuffle=True, random_state=seed).split(target, classes)
    else:
        found = KFold(min(count, len(rows)), shuffle=True, random_state=seed).split(target)
    try:
        return list(found)
    except ValueError as error:
        raise DataError(f"{len(rows)} rows cannot be divided into {count} folds: {error}; supply more rows") from error
