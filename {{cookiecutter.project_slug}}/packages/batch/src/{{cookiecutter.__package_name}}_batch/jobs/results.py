"""The rows that a run writes: keys, predictions, and which model made them when; and the rejected rows."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic_core import to_json

from {{ cookiecutter.__package_name }}_predict.contract import Contract
from {{ cookiecutter.__package_name }}_predict.errors import ConfigError, list_names
from {{ cookiecutter.__package_name }}_predict.model import Model

from ..databases import MOMENT
from ..moments import (
    DAY,
    FIRST_SECOND,
    LAST_SECOND,
    MICROSECONDS,
    PER_SECOND,
    read_seconds,
    write_timestamps,
)
from ..score import predict_columns
from ..tables import Checked, as_texts, check_batch, decode, empty_table, encode, is_text, take_good

RUN = {"model_version": pa.string(), "scored_at": MOMENT, "run_id": pa.string()}
EXPECTED = {pa.int64(): "an integer", pa.date32(): "a date", MOMENT: "a time", pa.string(): "text"}
REJECTED = {
    "run_id": pa.string(),
    "rejected_because": pa.string(),
    "rejected_from": pa.string(),
    "rejected_values": pa.string(),
}


def plan_result(
    model: Model, source: pa.Schema, keys: Sequence[str], where: str, *, inputs: bool
) -> dict[str, pa.DataType]:
    """Return the columns that a run writes, and their types.

    Args:
        model: the model.
        source: the columns of the source, whose types those of the keys follow.
        keys: the columns that identify a row.
        where: the source, for messages.
        inputs: whether the features are written, too.

    Raises:
        ConfigError: a key is not in the source or has the name of another column, or nothing tells rows apart.
    """
    contract = model.contract
    if twice := [name for name in (*keys, *contract.features) if source.names.count(name) > 1]:
        raise ConfigError(f"{where} has two columns with the name {twice[0]!r}; rename one")
    if absent := [name for name in (*keys, *contract.features) if name not in source.names]:
        raise ConfigError(
            f"column {absent[0]!r} is missing from {where}; expected: {list_names([*keys, *contract.features])}; "
            "correct the source, the job's keys or schema.yaml"
        )
    if not keys and not inputs:
        raise ConfigError(
            "nothing would tell to which row a prediction belongs: the contract has no id; name `keys` of the job, or "
            "set `inputs: true`"
        )
    nothing = pa.table({name: pa.array([], pa.string()) for name in contract.features})
    outputs = predict_columns(model, encode(check_batch(nothing, contract.features, where), contract, model.encoder))
    found: dict[str, pa.DataType] = {name: _key_type(source.field(name).type) for name in keys}
    kinds = {name: _widen(column.type) for name, column in outputs.items()} | RUN
    if taken := [name for name in kinds | REJECTED if name in found]:
        raise ConfigError(f"the key {taken[0]!r} has the name of a column that a run writes; rename it in the source")
    found |= kinds
    if inputs:
        shown = {name: field for name, field in contract.features.items() if not field.sensitive}
        found |= {field.name: field.type for field in empty_table(shown).schema if field.name not in found}
    return found


def make_result(
    model: Model, checked: Checked, keys: Mapping[str, pa.Array], schema: pa.Schema, run_id: str, moment: datetime
) -> pa.Table:
    """Return the rows to write for the accepted rows of a batch."""
    good = take_good(checked)
    count = len(good.good)
    columns = {name: column.filter(pa.array(checked.good)) for name, column in keys.items()}
    columns |= predict_columns(model, encode(checked, model.contract, model.encoder))
    constants = dict(zip(RUN, (model.version, moment, run_id), strict=True))
    columns |= {name: pa.array([value] * count, RUN[name]) for name, value in constants.items()}
    wanted = {
        name: field for name, field in model.contract.features.items() if name in schema.names and name not in columns
    }
    if wanted:
        decoded = decode(good, wanted)
        columns |= {name: decoded.column(name).combine_chunks() for name in wanted}
    return pa.table([columns[field.name].cast(field.type) for field in schema], schema=schema)


def read_keys(batch: pa.RecordBatch, schema: pa.Schema, names: Sequence[str]) -> dict[str, pa.Array]:
    """Return the keys of a batch with the types that the run writes; null where a value is missing or does not fit."""
    return {name: _convert(batch.column(name), schema.field(name).type) for name in names}


def check_keys(checked: Checked, keys: Mapping[str, pa.Array], batch: pa.RecordBatch) -> None:
    """Reject the rows whose key is missing, or has another type than the sink's column."""
    for name, column in keys.items():
        absent = np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False)).tolist()
        texts = as_texts(batch.column(name).take(pa.array(absent, pa.int64()))).to_pylist()
        for index, text in zip(absent, texts, strict=True):
            found = f"{text:.80}" if text and text != "nan" else "nothing"
            reason = f"{name}: found {found}, expected {EXPECTED[column.type]}"
            checked.reasons[index] = f"{checked.reasons[index]}; {reason}" if index in checked.reasons else reason
            checked.good[index] = False


def plan_rejected(keys: Sequence[str]) -> pa.Schema:
    """Return the columns of the table of rejected rows."""
    return pa.schema([("run_id", pa.string()), *((name, pa.string()) for name in keys), *list(REJECTED.items())[1:]])


def make_rejected(
    contract: Contract, batch: pa.RecordBatch, checked: Checked, keys: Sequence[str], run_id: str, source: str
) -> pa.Table:
    """Return the rejected rows of a batch: keys, the reason, and the values as they were, without sensitive ones."""
    schema, indices = plan_rejected(keys), sorted(checked.reasons)
    bad = batch.take(pa.array(indices, pa.int64()))
    shown = [name for name in contract.features if name not in contract.sensitive]
    texts = {name: as_texts(bad.column(name)) for name in (*keys, *shown)}
    rows = zip(*(texts[name].to_pylist() for name in shown), strict=True) if shown else ([()] * len(indices))
    values = [to_json(dict(zip(shown, row, strict=True))).decode() for row in rows]
    none = pa.nulls(len(indices), pa.string())
    columns = {name: none if name in contract.sensitive else texts[name] for name in keys}
    columns |= {
        "run_id": pa.array([run_id] * len(indices), pa.string()),
        "rejected_because": pa.array([checked.reasons[index] for index in indices], pa.string()),
        "rejected_from": pa.array([source] * len(indices), pa.string()),
        "rejected_values": pa.array(values, pa.string()),
    }
    return pa.table([columns[name] for name in schema.names], schema=schema)


def make_malformed(reasons: Sequence[str], keys: Sequence[str], run_id: str, source: str) -> pa.Table:
    """Return malformed lines as rejected rows, which have neither keys nor values."""
    schema, count = plan_rejected(keys), len(reasons)
    columns = dict.fromkeys(schema.names, pa.nulls(count, pa.string()))
    columns |= {"run_id": pa.array([run_id] * count), "rejected_from": pa.array([source] * count)}
    columns["rejected_because"] = pa.array(reasons, pa.string())
    return pa.table([columns[name].cast(pa.string()) for name in schema.names], schema=schema)


def _key_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_integer(kind) and kind != pa.uint64():
        return pa.int64()
    if pa.types.is_date(kind):
        return pa.date32()
    return MOMENT if pa.types.is_timestamp(kind) else pa.string()


def _convert(column: pa.Array, kind: pa.DataType) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), None, column)
    if kind == MOMENT:
        return _to_moments(column)
    if kind == pa.string():
        texts = as_texts(column)
        return pc.if_else(pc.equal(texts, ""), None, texts)
    try:
        converted = column.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        converted = pa.array([_convert_one(value, kind) for value in column], kind)
    return _within_calendar(converted) if kind == pa.date32() else converted


def _convert_one(value: pa.Scalar, kind: pa.DataType) -> object:
    try:
        return value.cast(kind).as_py()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError, OverflowError):
        return None


def _to_moments(column: pa.Array) -> pa.Array:
    """Return times in microseconds, exactly; null where one is finer, infinite, or after the year 9999."""
    if not pa.types.is_timestamp(column.type):
        return write_timestamps(read_seconds(column)) if is_text(column) else pa.nulls(len(column), MOMENT)
    per_second = PER_SECOND[column.type.unit]
    counts = column.cast(pa.int64())
    present = counts.fill_null(0).to_numpy(zero_copy_only=False)
    lost = (
        present % (per_second // MICROSECONDS) != 0 if per_second > MICROSECONDS else np.zeros(len(counts), dtype=bool)
    )
    seconds = present // per_second
    beyond = (seconds < FIRST_SECOND) | (seconds > LAST_SECOND)
    fine = np.where(beyond, 0, present)
    exact = fine // (per_second // MICROSECONDS) if per_second > MICROSECONDS else fine * (MICROSECONDS // per_second)
    mask = lost | beyond | counts.is_null().to_numpy(zero_copy_only=False)
    return pa.array(exact, mask=mask).cast(MOMENT)


def _within_calendar(dates: pa.Array) -> pa.Array:
    """Return dates, null where one is infinite or beyond the years 1 and 9999."""
    seconds = dates.cast(pa.int32()).fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64) * DAY
    mask = (seconds < FIRST_SECOND) | (seconds > LAST_SECOND) | dates.is_null().to_numpy(zero_copy_only=False)
    return pc.if_else(pa.array(mask), None, dates)


def _widen(kind: pa.DataType) -> pa.DataType:
    return pa.float64() if pa.types.is_floating(kind) else kind
