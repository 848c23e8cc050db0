"""The format of a model file: what its metadata holds, and the seal at its end.

A model file is ONNX. Its metadata carries the contract, the lineage, the baseline statistics, a few golden rows and,
once it has passed the gate, its metrics; its last bytes are a seal, the SHA-256 of all that precedes them. The seal is
itself a metadata entry, appended to the serialised model: fields of a protocol buffer may follow in any order
(https://protobuf.dev/programming-guides/encoding/#order), so the file stays valid ONNX.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel

from .errors import ModelError

FORMAT = "1"
INPUT = "features"
TOLERANCE = 1e-5


def _field(number: int, content: bytes) -> bytes:
    """Return a field of bytes as protocol buffers write it: tag, length in groups of seven bits, content."""
    length, groups = len(content), []
    while True:
        length, group = length >> 7, length & 0x7F
        groups.append(group | 0x80 if length else group)
        if not length:
            return bytes([number << 3 | 2, *groups]) + content


def _entry(key: str, value: str) -> bytes:
    """Return an entry of a model's metadata: field 14 of ModelProto, in which key is field 1 and value is field 2.

    See https://github.com/onnx/onnx/blob/main/onnx/onnx.proto, `metadata_props`.
    """
    return _field(14, _field(1, key.encode()) + _field(2, value.encode()))


_SEAL_PREFIX = _entry("sha256", "0" * 64)[:-64]
_SEAL_LENGTH = len(_SEAL_PREFIX) + 64


class Golden(BaseModel):
    """Rows made from the contract, and the training library's outputs for them, of shape (rows, classes or 1)."""

    rows: list[dict[str, object]]
    outputs: list[list[float]]


class Lineage(BaseModel):
    """What a model was made from: the MD5 of each input, as in dvc.lock, and the parameters of training."""

    inputs: dict[str, str]
    params: dict[str, object]


class FeatureBaseline(BaseModel):
    """How a column looked in training: its share of missing values, and its percentiles or its counts."""

    missing: float
    quantiles: list[float] = []
    counts: dict[str, int] = {}


class Baseline(BaseModel):
    """How the training data and the model's outputs on them looked, for drift detection."""

    rows: int
    features: dict[str, FeatureBaseline]
    output: FeatureBaseline


def agree(found: npt.NDArray[np.floating], expected: npt.NDArray[np.floating]) -> npt.NDArray[np.bool_]:
    """Return for each row whether its outputs are the same but for what single precision explains.

    Both have the shape (rows, classes or 1); the tolerance is a share of the largest output, whatever its unit.
    """
    largest = float(np.abs(expected).max(initial=0))
    return np.asarray((np.abs(found - expected) <= TOLERANCE * largest).all(axis=1))


def seal(payload: bytes) -> bytes:
    """Return a serialised ONNX model with its seal appended."""
    return payload + _entry("sha256", hashlib.sha256(payload).hexdigest())


def check_seal(data: bytes, path: Path) -> str:
    """Return the digest in the seal.

    Raises:
        ModelError: there is no seal, or the bytes are not those that were sealed.
    """
    payload, trailer = data[:-_SEAL_LENGTH], data[-_SEAL_LENGTH:]
    if not trailer.startswith(_SEAL_PREFIX):
        raise ModelError(
            f"{path} is not a whole model of this project: no seal at its end ({len(data)} bytes found); "
            "it is truncated or foreign, fetch or train it again"
        )
    if seal(payload) != data:
        raise ModelError(
            f"{path} was changed after it was sealed: its SHA-256 is not the one in it; fetch or train it again"
        )
    return trailer[len(_SEAL_PREFIX) :].decode()


def add_entry(sealed: bytes, key: str, value: str) -> bytes:
    """Return a sealed model with one more entry in its metadata, and a seal over it all."""
    return seal(sealed[:-_SEAL_LENGTH] + _entry(key, value))


def as_json(value: BaseModel | Mapping[str, object]) -> str:
    """Return a part of the metadata as compact JSON, the same for equal values."""
    data = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))
