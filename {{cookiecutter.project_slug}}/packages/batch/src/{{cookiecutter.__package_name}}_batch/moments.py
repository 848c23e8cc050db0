"""Dates and times in tables: as seconds since 1970 in UTC, and back."""

from contextlib import suppress
from datetime import timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from {{ cookiecutter.__package_name }}_predict.fields import EPOCH, parse_seconds

MICROSECONDS, DAY = 1_000_000, 86400
PER_SECOND = {"s": 1, "ms": 1000, "us": MICROSECONDS, "ns": 1_000_000_000}
FIRST_SECOND, LAST_SECOND = -62135596800.0, 253402300799.0  # of the years 1 and 9999
Seconds = npt.NDArray[np.float64]  # of shape (rows,)


def read_seconds(source: pa.Array) -> Seconds:
    """Return the seconds since 1970 in UTC of dates, timestamps or texts in ISO 8601; NaN where a text is neither."""
    if pa.types.is_date(source.type):
        return _from_timestamps(source.cast(pa.date64()).cast(pa.int64()), "ms")
    if pa.types.is_timestamp(source.type):
        return _from_timestamps(source.cast(pa.int64()), source.type.unit)
    texts = pc.utf8_trim_whitespace(source)
    for zone in (None, "UTC"):  # Arrow reads a column of one form quickly
        with suppress(pa.ArrowInvalid):
            return _from_timestamps(texts.cast(pa.timestamp("us", zone)).cast(pa.int64()), "us")
    found = pc.dictionary_encode(texts)
    known = np.array([*map(_parse, found.dictionary.to_pylist()), np.nan])
    codes = found.indices.fill_null(len(known) - 1).to_numpy(zero_copy_only=False)
    return np.asarray(known[codes])


def write_timestamps(seconds: Seconds) -> pa.Array:
    """Return seconds as timestamps in UTC, null where they are NaN."""
    missing = np.isnan(seconds)
    present = np.where(missing, 0, seconds)
    whole = np.floor(present)
    fraction = np.round((present - whole) * MICROSECONDS)
    counts = whole.astype(np.int64) * MICROSECONDS + fraction.astype(np.int64)
    return pa.array(counts, mask=missing).cast(pa.timestamp("us", "UTC"))


def write_iso(seconds: float, *, day: bool) -> str | None:
    """Return seconds as a text in ISO 8601, or the day alone; None for NaN."""
    if np.isnan(seconds):
        return None
    moment = EPOCH + timedelta(seconds=min(max(seconds, FIRST_SECOND), LAST_SECOND))
    return moment.date().isoformat() if day else moment.isoformat().replace("+00:00", "Z")


def _from_timestamps(counts: pa.Array, unit: str) -> Seconds:
    """Return seconds, in steps of a microsecond, as `join_seconds` does; Arrow knows years that ISO 8601 does not."""
    whole, rest = np.divmod(counts.fill_null(0).to_numpy(zero_copy_only=False), PER_SECOND[unit])
    seconds = whole.astype(np.float64) + rest * MICROSECONDS // PER_SECOND[unit] / MICROSECONDS
    beyond = (seconds < FIRST_SECOND - DAY) | (seconds > LAST_SECOND + DAY)  # with a zone, up to a day
    return np.where(counts.is_null().to_numpy(zero_copy_only=False) | beyond, np.nan, seconds)


def _parse(text: str) -> float:
    try:
        return parse_seconds(text)
    except ValueError:
        return np.nan
