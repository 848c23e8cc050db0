"""Load a model file, verify it, and predict."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NotRequired, Self, TypedDict

import numpy as np
import numpy.typing as npt
import onnxruntime

from .artefact import (
    FORMAT,
    NUMBERS,
    OUTPUT,
    WORDS,
    Decision,
    Golden,
    Lineage,
    ReferenceStatistics,
    agree,
    check_seal,
)
from .contract import Contract, Row
from .encoding import ROWS_AT_ONCE, Encoded, Encoder, Vocabulary
from .errors import DataError, ModelError
from .format_1 import FORMAT_1, Format1Session, scale_golden

Outputs = npt.NDArray[np.float32]


class Prediction(TypedDict):
    """The prediction for one row: a class and the probability of each, or a number in the target's unit.

    `interval` is around a number; `unusual` lists the fields with unusual values, and is absent if there are none.
    """

    prediction: str | bool | float
    probabilities: NotRequired[dict[str, float]]
    interval: NotRequired[list[float]]
    unusual: NotRequired[list[str]]


@dataclass(frozen=True)
class Model:
    """A verified model, ready to predict; safe to share between threads.

    Attributes:
        contract: what a row is.
        version: the first twelve digits of the SHA-256 of the file's content.
        lineage: what the model was made from.
        reference: the reference statistics of the training data.
        metrics: the metrics of the evaluation before the gate; empty for a candidate.
        encoder: encodes checked rows for this model.
        decision: how outputs become a prediction.
    """

    contract: Contract
    version: str
    lineage: Lineage
    reference: ReferenceStatistics
    metrics: dict[str, object]
    encoder: Encoder
    decision: Decision
    _session: onnxruntime.InferenceSession | Format1Session

    @classmethod
    def load(cls, path: str | Path, *, contract: Contract | None = None) -> Self:
        """Read a model file, and verify its seal and its golden rows.

        Args:
            path: the file.
            contract: if given, the contract that the model must have been trained under.

        Raises:
            ModelError: the file is absent, truncated, foreign or tampered with, computes different outputs here than
                in training, or was trained under another contract.
        """
        path = Path(path)
        try:
            data = path.read_bytes()
        except (OSError, ValueError) as error:  # ValueError: an invalid path
            reason = getattr(error, "strerror", error)
            raise ModelError(f"{path} cannot be read ({reason}); train a model or correct the path") from error
        return cls.parse(data, path, contract=contract)

    @classmethod
    def parse(cls, data: bytes, path: Path, *, contract: Contract | None = None) -> Self:
        """Parse and verify the bytes of a model file (see `load`); the path is used in messages."""
        digest = check_seal(data, path)
        try:
            session = open_session(data)
        except Exception as error:  # onnxruntime raises a dozen types without a common base class
            raise ModelError(f"{path} is sealed, but onnxruntime cannot load it: {error}") from error
        metadata = session.get_modelmeta().custom_metadata_map
        if (number := metadata.get("format")) not in (FORMAT, FORMAT_1):
            raise ModelError(
                f"{path} has format {number!r}, expected {FORMAT!r} or {FORMAT_1!r}; "
                "use the version of the prediction package that it was made with, or train it again"
            )
        try:
            contract_inside = Contract.model_validate_json(metadata["contract"])
            vocabulary = Vocabulary.model_validate_json(metadata.get("vocabulary", "{}"))
            model = cls(
                contract=contract_inside,
                version=digest[:12],
                lineage=Lineage.model_validate_json(metadata["lineage"]),
                reference=ReferenceStatistics.model_validate_json(metadata["baseline"]),
                metrics=json.loads(metadata.get("metrics", "{}")),
                encoder=Encoder(contract_inside, vocabulary),
                decision=Decision.model_validate_json(metadata.get("decision", "{}")),
                _session=session if number == FORMAT else Format1Session(session, contract_inside),
            )
            golden = Golden.model_validate_json(metadata["golden"])
            golden = golden if number == FORMAT else scale_golden(golden)
            if not isinstance(model.metrics, dict):
                raise TypeError("its metrics are not an object")
        except (KeyError, TypeError, ValueError) as error:  # pydantic's and json's errors are ValueErrors
            raise ModelError(f"{path} lacks a part of its metadata ({error}); train it again") from error
        model._verify(golden, path)
        if contract is not None and (names := model.contract.differences(contract)):
            raise ModelError(
                f"{path} was trained under another contract, which differs in {', '.join(names)}; "
                "train it again (dvc repro) or restore schema.yaml"
            )
        return model

    def predict(self, rows: Sequence[Row] | Row) -> list[Prediction]:
        """Check rows (or a single row) against the contract, and return one prediction for each, in order.

        Raises:
            DataError: rows break the contract; the message names each with its field.
        """
        batch = [rows] if isinstance(rows, Mapping) else rows
        return self.answer(self.encoder.encode(self.contract.check(batch)))

    def predict_json(self, text: str | bytes) -> list[Prediction]:
        """Return the predictions for a JSON object or a JSON list of objects (see `predict`)."""
        return self.answer(self.encoder.encode(self.contract.check_json(text)))

    def answer(self, rows: Encoded) -> list[Prediction]:
        """Return a prediction for each encoded row.

        Raises:
            DataError: an output is not a finite number, as with linear models beyond single precision.
        """
        outputs = self.run(rows)
        flat = outputs.ravel()
        if not math.isfinite(flat.dot(flat)) and not np.isfinite(outputs).all():  # the first is fast, and mostly enough
            row = int((~np.isfinite(outputs)).any(axis=1).argmax()) + 1
            raise DataError(f"row {row}: the model's output is not finite; the row's values are too large, check them")
        answers = self._answer_classes(outputs) if self.contract.classes else self._answer_numbers(outputs)
        for row, names in self.encoder.find_unusual(rows).items():
            answers[row]["unusual"] = names
        return answers

    def _answer_classes(self, outputs: Outputs) -> list[Prediction]:
        classes, labels = self.contract.classes, self.contract.labels
        return [
            {"prediction": labels[best], "probabilities": dict(zip(classes, shares, strict=True))}
            for best, shares in zip(self.decide(outputs).tolist(), outputs.tolist(), strict=True)
        ]

    def _answer_numbers(self, outputs: Outputs) -> list[Prediction]:
        if self.decision.coverage is None:
            return [{"prediction": value} for value in outputs[:, 0].tolist()]
        low, high = self.bound(outputs)
        return [
            {"prediction": value, "interval": list(ends)}
            for value, *ends in zip(outputs[:, 0].tolist(), low.tolist(), high.tolist(), strict=True)
        ]

    def decide(self, outputs: Outputs) -> npt.NDArray[np.int64]:
        """Return the index of the class that is predicted for each row of outputs."""
        return decide(outputs, self.decision)

    def bound(self, outputs: Outputs) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return the ends of the interval around each predicted number."""
        predicted = outputs[:, 0].astype(np.float64)
        return predicted - self.decision.below, predicted + self.decision.above

    def run(self, rows: Encoded) -> Outputs:
        """Return the raw outputs for encoded rows.

        The outputs are probabilities of shape (rows, classes), or predicted numbers of shape (rows, 1).
        """
        if not len(rows.numbers):
            return np.empty((0, len(self.contract.classes) or 1), dtype=np.float32)
        if not rows.texts:
            return self._run({NUMBERS: rows.numbers})
        starts = range(0, len(rows.numbers), ROWS_AT_ONCE)
        return np.concatenate([self._run_words(rows, start, start + ROWS_AT_ONCE) for start in starts])

    def _run_words(self, rows: Encoded, start: int, stop: int) -> Outputs:
        words = self.encoder.weigh_words(rows.texts, start, stop)
        return self._run({NUMBERS: rows.numbers[start:stop], WORDS: words})

    def _run(self, inputs: dict[str, npt.NDArray[Any]]) -> Outputs:
        outputs: Outputs = self._session.run([OUTPUT], inputs)[0]
        # in single precision, a sum over trees can slightly exceed one
        return np.minimum(np.maximum(outputs, 0, out=outputs), 1, out=outputs) if self.contract.classes else outputs

    def _verify(self, golden: Golden, path: Path) -> None:
        try:
            outputs = self.run(self.encoder.encode(self.contract.check(golden.rows)))
            expected = np.array(golden.outputs)
        except Exception as error:  # a contract and a graph that do not match can raise anything
            raise ModelError(f"{path} cannot predict its own golden rows ({error}); train it again") from error
        shape = (len(golden.rows), len(self.contract.classes) or 1)
        if not golden.rows or not outputs.shape == expected.shape == shape:
            raise ModelError(f"{path} gives outputs of shape {outputs.shape}, expected {shape}; train it again")
        if len(wrong := np.flatnonzero(~agree(outputs, expected, golden.scale))):
            row = int(wrong[0])
            raise ModelError(
                f"{path} computes other outputs for a golden row than in training: found {outputs[row].tolist()}, "
                f"expected {golden.outputs[row]} for {golden.rows[row]}; install the locked onnxruntime, or train again"
            )


def decide(outputs: npt.NDArray[np.floating], decision: Decision) -> npt.NDArray[np.int64]:
    """Return the index of the class that is predicted for each row of probabilities, of shape (rows, classes)."""
    if decision.threshold is None:
        return np.asarray(outputs.argmax(axis=1))
    return np.asarray(outputs[:, 1] >= decision.threshold, dtype=np.int64)


def open_session(data: bytes) -> onnxruntime.InferenceSession:
    """Return a session that runs an ONNX model in one thread.

    With more threads, trees are summed in another order, and a row's output would depend on the other rows.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
