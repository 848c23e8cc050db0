"""The format of a model file: its metadata, and the seal at its end.

A model file is ONNX. Its metadata entries are `contract`, `lineage`, `baseline` (the reference statistics), `golden` (a
few rows and their outputs) and, once it has passed the gate, `metrics`. The last entry is the seal: the SHA-256 of all
bytes before it. The fields of a protocol buffer may appear in any order
(https://protobuf.dev/programming-guides/encoding/#order), so an entry appended to the bytes leaves the file valid ONNX.
"""

import hashlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel

from .errors import ModelError

FORMAT = "1"
INPUT = "features"
SEAL = "sha256"
TOLERANCE = 1e-5
# field 14 of ModelProto, an entry of 74 bytes: field 1, the key `sha256`, and field 2, a value of 64 bytes
# (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto, `metadata_props`)
_SEAL_PREFIX = b"\x72\x4a\x0a\x06sha256\x12\x40"
_SEAL_LENGTH = len(_SEAL_PREFIX) + 64


class Golden(BaseModel):
    """Rows that fit the contract, and the training library's outputs for them, of shape (rows, classes or 1)."""

    rows: list[dict[str, object]]
    outputs: list[list[float]]


class Lineage(BaseModel):
    """What a model was made from: the MD5 of each input, as in dvc.lock, and the training parameters."""

    inputs: dict[str, str]
    params: dict[str, object]


class ColumnStatistics(BaseModel):
    """Reference statistics of a column: its share of missing values, and its percentiles or counts."""

    missing: float
    quantiles: list[float] = []
    counts: dict[str, int] = {}


class ReferenceStatistics(BaseModel):
    """How the training data and the model's outputs on them were distributed, for drift detection."""

    rows: int
    features: dict[str, ColumnStatistics]
    output: ColumnStatistics


def agree(found: npt.NDArray[np.floating], expected: npt.NDArray[np.floating]) -> npt.NDArray[np.bool_]:
    """Return for each row whether its outputs differ by no more than single precision explains.

    Both have the shape (rows, classes or 1); the tolerance is relative to the largest output, whatever its unit.
    """
    largest = float(np.abs(expected).max(initial=0))
    return np.asarray((np.abs(found - expected) <= TOLERANCE * largest).all(axis=1))


def seal(payload: bytes) -> bytes:
    """Return a serialised ONNX model with its seal appended."""
    return payload + _SEAL_PREFIX + hashlib.sha256(payload).hexdigest().encode()


def check_seal(data: bytes, path: Path) -> str:
    """Return the digest in the seal.

    Raises:
        ModelError: there is no seal, or the bytes were changed after sealing.
    """
    payload, trailer = data[:-_SEAL_LENGTH], data[-_SEAL_LENGTH:]
    if not trailer.startswith(_SEAL_PREFIX):
        raise ModelError(
            f"{path} is not a complete model of this project: it has no seal at its end ({len(data)} bytes found); "
            "it is truncated or foreign, fetch or train it again"
        )
    if seal(payload) != data:
        raise ModelError(f"{path} was changed after it was sealed: its SHA-256 does not match; fetch or train it again")
    return trailer[len(_SEAL_PREFIX) :].decode()
