"""Ways to hold rows out of training, and to divide the others for cross-validation."""

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import (
    GroupKFold,
    GroupShuffleSplit,
    KFold,
    StratifiedGroupKFold,
    StratifiedKFold,
    TimeSeriesSplit,
    train_test_split,
)

from {{ cookiecutter.__package_name }}_predict.errors import ConfigError, DataError
from {{ cookiecutter.__package_name }}_predict.fields import parse_seconds

from .dataset import Dataset, Folds, Indices
from .params import SplitParams

INNER_FOLDS = 5


def hold_out(rows: Dataset, how: SplitParams, seed: int) -> Indices:
    """Return the rows of the holdout, in their order.

    Args:
        rows: all rows.
        how: by share, with each class keeping its share; by time; or by group.
        seed: equal seeds draw equal rows.

    Raises:
        ConfigError: the contract lacks the key, or `after` is no date.
        DataError: there are too few rows, or too few of a class or too few groups.
    """
    if how.by == "time":
        return _newest(rows, how)
    everything = np.arange(len(rows))
    try:
        if how.by == "group":
            drawn = GroupShuffleSplit(1, test_size=how.holdout, random_state=seed)
            return np.asarray(next(drawn.split(everything, groups=rows.codes(_key(rows, "group"))))[1])
        stratify = rows.target if rows.contract.classes else None
        return np.sort(train_test_split(everything, test_size=how.holdout, random_state=seed, stratify=stratify)[1])
    except ValueError as error:
        raise DataError(f"{len(rows)} rows cannot be split: {error}; supply more rows") from error


def make_folds(rows: Dataset, how: SplitParams, seed: int) -> Folds:
    """Return pairs of the rows to fit on and the rows to measure on, in the way in which the holdout is chosen.

    By time, a model is measured on the rows that follow those it was fitted on; rows of the same time stay together.

    Raises:
        ConfigError: the contract lacks the key.
        DataError: there are too few rows, or too few of a class or too few groups.
    """
    if rows.contract.classes:
        _refuse_rare_classes(rows)
    if how.by != "time":
        return divide(rows, how.folds, seed, _key(rows, "group") if how.by == "group" else None)
    times = rows.checked.columns[_key(rows, "time")]
    order = np.argsort(times, kind="stable")
    try:
        pairs = [(order[fitted], order[measured]) for fitted, measured in TimeSeriesSplit(how.folds).split(order)]
    except ValueError as error:
        raise DataError(f"{len(rows)} rows cannot be divided: {error}; supply more rows") from error
    folds = [(fitted[times[fitted] < times[measured[0]]], measured) for fitted, measured in pairs]
    if not all(len(fitted) for fitted, _ in folds):
        raise DataError(
            f"{len(rows)} rows cannot be divided by {rows.contract.keys.time}: no row is before the first fold, since "
            "many have the same time; use fewer folds (split.folds)"
        )
    return folds


def divide(rows: Dataset, count: int, seed: int, group: str | None) -> Folds:
    """Return pairs of the rows to fit on and the others; each row is in one of the latter.

    Each class keeps its share, unless one has a single row; if a key is given as the group, the rows of each of its
    values stay together.

    Raises:
        DataError: there are too few rows, or too few of a class or too few groups.
    """
    classes = rows.target.astype(np.int64) if rows.contract.classes else None
    everything = np.arange(len(rows))
    if classes is not None:
        fewest = int(np.unique(classes, return_counts=True)[1].min())
        classes, count = (classes, min(count, fewest)) if fewest > 1 else (None, count)
    try:
        if group is None and classes is None:
            return list(KFold(min(count, len(rows)), shuffle=True, random_state=seed).split(everything))
        if group is None:
            return list(StratifiedKFold(count, shuffle=True, random_state=seed).split(everything, classes))
        kind = GroupKFold if classes is None else StratifiedGroupKFold
        return list(kind(count, shuffle=True, random_state=seed).split(everything, classes, rows.codes(group)))
    except ValueError as error:
        raise DataError(f"{len(rows)} rows cannot be divided into {count} parts: {error}; supply more rows") from error


def inner_folds(rows: Dataset, seed: int) -> Folds:
    """Return the folds in which features that depend on the target are learned."""
    return divide(rows, INNER_FOLDS, seed, rows.contract.keys.group)


def refuse_leaks(rows: Dataset, holdout: npt.NDArray[np.bool_], how: SplitParams) -> None:
    """Compare the keys of the training rows and of the holdout.

    Args:
        rows: all rows.
        holdout: which of them are held out, of shape (rows,).
        how: how they were chosen.

    Raises:
        DataError: the parts share an id or a group, or training has rows that are newer than the holdout.
    """
    keys = rows.contract.keys
    if keys.id:
        _refuse_shared(rows, keys.id, holdout, "remove the repeated rows, or declare a group in schema.yaml")
    if keys.group and how.by != "time":
        _refuse_shared(rows, keys.group, holdout, "set split.by to group in params.yaml")
    if keys.time and how.by == "time":
        times = rows.checked.columns[keys.time]
        if np.nanmax(times[~holdout]) >= np.nanmin(times[holdout]):
            raise DataError(
                f"split.py leaves rows in training whose {keys.time} is not before that of all rows of the holdout; "
                "a model must not be trained on the future: correct split.py"
            )


def _refuse_shared(rows: Dataset, key: str, holdout: npt.NDArray[np.bool_], advice: str) -> None:
    codes = rows.codes(key)
    shared = np.intersect1d(codes[holdout], codes[~holdout])
    if len(shared):
        example = rows.contract.table_fields[key].show(rows.values(key)[np.flatnonzero(codes == shared[0])[0]])
        raise DataError(
            f"{len(shared)} values of {key} are both in training and in the holdout, such as {example}; "
            f"the holdout would measure what the model has seen: {advice}"
        )


def _refuse_rare_classes(rows: Dataset) -> None:
    counts = np.bincount(rows.target.astype(np.int64), minlength=len(rows.contract.classes))
    if counts.min() < 2:
        rare = rows.contract.classes[int(counts.argmin())]
        raise DataError(
            f"{len(rows)} rows cannot be divided: {rows.contract.target_name} {rare} has {counts.min()}, expected two "
            "or more; supply such rows, or remove the value from schema.yaml"
        )


def _newest(rows: Dataset, how: SplitParams) -> Indices:
    key = _key(rows, "time")
    times = rows.checked.columns[key]
    if np.isnan(times).any():
        raise DataError(f"{int(np.isnan(times).sum())} rows have no {key}; a split by time needs it in each row")
    try:
        border = parse_seconds(how.after) if how.after else np.sort(times)[int(len(times) * (1 - how.holdout))]
    except ValueError as error:
        raise ConfigError(
            f"params.yaml: split.after: found {how.after!r}, expected a date such as 2024-05-31"
        ) from error
    return np.flatnonzero(times >= border)


def _key(rows: Dataset, name: str) -> str:
    found: str | None = getattr(rows.contract.keys, name)
    if found is None:
        raise ConfigError(
            f"params.yaml: split.by is {name}, but schema.yaml names no column under keys: {name}; add it"
        )
    return found
