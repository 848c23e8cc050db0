"""How rows are held out of training, and how the others are divided for cross-validation."""

from {{ cookiecutter.__package_name }}_pipeline.dataset import Dataset, Folds, Indices
from {{ cookiecutter.__package_name }}_pipeline.params import SplitParams
from {{ cookiecutter.__package_name }}_pipeline.splits import hold_out, make_folds


def split(rows: Dataset, how: SplitParams, seed: int) -> Indices:
    """Return the indices of the rows to hold out: by share, time or group, as `split` in params.yaml says."""
    return hold_out(rows, how, seed)


def folds(rows: Dataset, how: SplitParams, seed: int) -> Folds:
    """Return pairs of the training rows to fit on and those to measure on, in the same way."""
    return make_folds(rows, how, seed)
