"""Golden rows: rows that a model file carries with their outputs, so that it can verify itself where it is loaded."""

import math

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from {{ cookiecutter.__package_name }}_batch.tables import Checked, check_batch, decode, to_records
from {{ cookiecutter.__package_name }}_predict.artefact import Golden
from {{ cookiecutter.__package_name }}_predict.encoding import Encoded, Words
from {{ cookiecutter.__package_name }}_predict.fields import (
    AnyField,
    Category,
    Date,
    Number,
    Text,
)

from .dataset import Dataset
from .features import Features
from .learner import Fitted

GOLDEN_ROWS = 8
UNSEEN = "(a value that the training rows lack)"
YEARS, SECONDS_A_DAY = 50, 86_400.0  # of 366 days, from 1970
NO_WORDS = Words(words=[], weights=[])


def make_golden(fitted: Fitted, rows: Dataset, encoded: Encoded, scale: float) -> Golden:
    """Return rows that cover every kind of value: the range of each feature, missing ones and unknown ones.

    They are composed feature by feature; those that equal a training row are left out, unless all do.
    """
    contract = rows.contract
    features = fitted.features
    values = {name: _spread(name, field, rows, features) for name, field in contract.features.items()}
    count = max(map(len, values.values()))
    columns = {name: pa.array(column[index % len(column)] for index in range(count)) for name, column in values.items()}
    checked = check_batch(pa.table(columns), contract.features, "the golden rows")
    composed = to_records(checked, contract.features)
    unknown = [record for record in composed if not _is_known(record, encoded, features)]
    records = unknown or composed  # with a single feature, each value is that of a training row
    matrix = features.compute(features.encoder.encode(contract.check(records)))
    outputs = fitted.compute_outputs(matrix)
    return Golden(rows=records, outputs=outputs.tolist(), scale=scale)


def _is_known(record: dict[str, object], rows: Encoded, features: Features) -> bool:
    numbers = features.encoder.encode([record]).numbers
    return bool((rows.numbers == numbers).all(axis=1).any())


def _spread(name: str, field: AnyField, rows: Dataset, features: Features) -> list[object]:
    """Return values of a field that divide its range evenly, and missing and unknown ones where allowed.

    Those of a sensitive field are no training row's.
    """
    steps, column = np.linspace(0, 1, GOLDEN_ROWS), rows.checked.columns[name]
    known = features.encoder.values.get(name, ())
    if isinstance(field, Text):
        words = features.encoder.vocabulary.words.get(name, NO_WORDS).words or ["word"]
        values: list[object] = [" ".join(words[count::11][:count])[: field.max_length] for count in range(GOLDEN_ROWS)]
    elif isinstance(field, Category):
        values = [known[int(step * (len(known) - 1))] for step in steps] if known else []
        values += [UNSEEN] if field.open else []
    else:
        present = column[~np.isnan(column)]
        if field.sensitive:
            found = _divide(field, (np.arange(GOLDEN_ROWS) + 0.5) / GOLDEN_ROWS)
        else:
            found = np.quantile(present, steps, method="nearest") if len(present) else np.empty(0)
        values = (
            decode(Checked({name: found}, np.ones(len(found), dtype=bool), {}, {}), {name: field}).column(0).to_pylist()
        )
    return [*values, None] if field.missing or not values else values


def _divide(field: AnyField, steps: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return numbers within the usual range of a field, whose ends may be somebody's; of dates, in fifty years."""
    if isinstance(field, Date):
        return np.floor(steps * YEARS) * 366 * SECONDS_A_DAY
    low, high = field.usual if isinstance(field, Number) else (0.0, 1.0)
    values = low + steps * (high - low)
    if isinstance(field, Number) and field.type == "number":
        return values
    return np.clip(np.floor(values), math.ceil(low), math.floor(high))
