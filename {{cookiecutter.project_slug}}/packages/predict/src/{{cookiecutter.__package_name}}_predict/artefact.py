"""The format of a model file: its metadata, and the seal at its end.

A model file is ONNX. Its metadata entries are `contract`, `vocabulary` (the values and words that it has learned),
`lineage`, `baseline` (the reference statistics), `golden` (a few rows and their outputs), `decision` (how outputs
become a prediction), `format` and, once it has passed the gate, `metrics`. The last entry is the seal: the SHA-256 of
all bytes before it. The fields of a protocol buffer may appear in any order
(https://protobuf.dev/programming-guides/encoding/#order), so an entry appended to the bytes leaves the file valid ONNX.
"""

import hashlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from .errors import ModelError

FORMAT = "2"
NUMBERS, WORDS = "numbers", "words"  # the inputs of the graph, see `encoding`; the second only where words count
OUTPUT = "outputs"
SEAL = "sha256"
TOLERANCE, SLACK = 1e-5, 1e-6
# field 14 of ModelProto, an entry of 74 bytes: field 1, the key `sha256`, and field 2, a value of 64 bytes
# (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto, `metadata_props`)
_SEAL_PREFIX = b"\x72\x4a\x0a\x06sha256\x12\x40"
_SEAL_LENGTH = len(_SEAL_PREFIX) + 64


class Golden(BaseModel):
    """Rows that fit the contract, and the training library's outputs for them, of shape (rows, classes or 1).

    `scale` is that of the outputs on the training rows, see `scale_of`.
    """

    rows: list[dict[str, object]]
    outputs: list[list[float]]
    scale: float = 1.0


class Decision(BaseModel):
    """How outputs become a prediction: the decision threshold, or the prediction interval.

    Attributes:
        threshold: the second of two classes is predicted if its probability is at least this; None: the most probable
            class is predicted.
        coverage: the share of the training rows whose target the interval around a predicted number has covered.
        below: how far the interval reaches below the prediction.
        above: how far it reaches above.
    """

    model_config = ConfigDict(frozen=True)

    threshold: float | None = None
    coverage: float | None = None
    below: float = 0.0
    above: float = 0.0


class Lineage(BaseModel):
    """What a model was made from: the MD5 of each input, as in dvc.lock, and the training parameters."""

    inputs: dict[str, str]
    params: dict[str, object]


class ColumnStatistics(BaseModel):
    """Reference statistics of a column: its shares of missing and unusual values, and its percentiles or counts."""

    missing: float
    unusual: float = 0.0
    quantiles: list[float] = []
    counts: dict[str, int] = {}


class ReferenceStatistics(BaseModel):
    """How the training data and the model's outputs on them were distributed, for drift detection."""

    rows: int
    features: dict[str, ColumnStatistics]
    output: ColumnStatistics


def agree(found: npt.NDArray[np.floating], expected: npt.NDArray[np.floating], scale: float) -> npt.NDArray[np.bool_]:
    """Return for each row whether its outputs differ by no more than single precision explains.

    Each output is compared on its own: it may differ by `TOLERANCE` of itself, and by `SLACK` of their scale, since a
    sum over trees is rounded at the size of its largest terms.

    Args:
        found: of shape (rows, classes or 1).
        expected: of the same shape.
        scale: of the outputs on the training rows, see `scale_of`.
    """
    allowed = TOLERANCE * np.abs(expected) + SLACK * scale
    return np.asarray((np.abs(found - expected) <= allowed).all(axis=1))


def scale_of(outputs: npt.NDArray[np.floating], classes: int) -> float:
    """Return the size of outputs by which differences are judged: the mean absolute number.

    A probability may differ by `TOLERANCE`, whatever its size.
    """
    return TOLERANCE / SLACK if classes else float(np.abs(outputs).mean())


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
