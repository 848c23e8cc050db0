"""Reference statistics: how the training rows and the model's answers to them are distributed, to detect drift."""

import numpy as np
import numpy.typing as npt

from {{ cookiecutter.__package_name }}_predict.artefact import (
    ColumnStatistics,
    Decision,
    ReferenceStatistics,
)
from {{ cookiecutter.__package_name }}_predict.encoding import Encoded, length_of
from {{ cookiecutter.__package_name }}_predict.fields import Category, Text
from {{ cookiecutter.__package_name }}_predict.model import decide

from .dataset import Dataset
from .features import Features
from .metrics import Outputs

MOST_LEVELS = 100
OTHER_LEVELS = "(other values)"
NOTHING = ColumnStatistics(missing=0)  # of a sensitive field
PERCENTILES = np.linspace(0, 1, 101)


def describe_training(
    rows: Dataset, encoded: Encoded, features: Features, outputs: Outputs, decision: Decision
) -> ReferenceStatistics:
    """Return the reference statistics of training rows and of the model's answers to them.

    No training row has a value that is new, but some rows of production will: of an open category, the share of unusual
    values is the share of the rows whose value no other row has (Good, 1953, The population frequencies of species and
    the estimation of population parameters, https://doi.org/10.1093/biomet/40.3-4.237).
    """
    contract, unusual = rows.contract, features.encoder.count_unusual(encoded)
    numbers = dict(zip(features.encoder.columns, encoded.numbers.T, strict=True))
    columns: dict[str, ColumnStatistics] = {}
    for name, field in contract.features.items():
        strange = unusual.get(name, 0)
        if field.sensitive:
            columns[name] = NOTHING
            continue
        if isinstance(field, Category):
            if field.open:
                strange = int((np.bincount(numbers[name][numbers[name] >= 0].astype(np.int64)) == 1).sum())
            found = _levels(numbers[name], features.encoder.values[name])
        else:
            found = _percentiles(numbers[length_of(name) if isinstance(field, Text) else name])
        columns[name] = found.model_copy(update={"unusual": round(strange / len(rows), 6)})
    classes = contract.classes
    output = _levels(decide(outputs, decision), classes) if classes else _percentiles(outputs[:, 0])
    return ReferenceStatistics(rows=len(rows), features=columns, output=output)


def _levels(codes: npt.NDArray[np.floating | np.integer], values: tuple[str, ...]) -> ColumnStatistics:
    """Return the counts of the most frequent values of a category, and of all others together."""
    counts = np.bincount(codes[codes >= 0].astype(np.int64), minlength=len(values))
    most = {value: int(count) for value, count in zip(values[:MOST_LEVELS], counts[:MOST_LEVELS], strict=False)}
    rest = {OTHER_LEVELS: int(counts[MOST_LEVELS:].sum())} if len(values) > MOST_LEVELS else {}
    return ColumnStatistics(missing=_share(codes < 0), counts=most | rest)


def _percentiles(values: npt.NDArray[np.floating]) -> ColumnStatistics:
    present = values[~np.isnan(values)].astype(np.float64)
    quantiles = np.quantile(present, PERCENTILES).tolist() if len(present) else []
    return ColumnStatistics(missing=_share(np.isnan(values)), quantiles=quantiles)


def _share(mask: npt.NDArray[np.bool_]) -> float:
    return round(float(mask.mean()), 6)
