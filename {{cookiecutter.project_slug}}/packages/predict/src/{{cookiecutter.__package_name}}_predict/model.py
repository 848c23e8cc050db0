"""Load a model file, verify it, and predict."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NotRequired, Self, TypedDict

import numpy as np
import numpy.typing as npt
import onnxruntime

from .artefact import FORMAT, INPUT, Golden, Lineage, ReferenceStatistics, agree, check_seal
from .contract import Contract, Matrix, Row
from .errors import DataError, ModelError


class Prediction(TypedDict):
    """The prediction for one row: a class and the probability of each, or a number in the target's unit."""

    prediction: str | float
    probabilities: NotRequired[dict[str, float]]


@dataclass(frozen=True)
class Model:
    """A verified model, ready to predict; safe to share between threads.

    Attributes:
        contract: what a row is.
        version: the first twelve digits of the SHA-256 of the file's content.
        lineage: what the model was made from.
        reference: the reference statistics of the training data.
        metrics: the metrics of the evaluation before the gate; empty for a candidate.
    """

    contract: Contract
    version: str
    lineage: Lineage
    reference: ReferenceStatistics
    metrics: dict[str, object]
    _session: onnxruntime.InferenceSession

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
        session = _session(data, path)
        metadata = session.get_modelmeta().custom_metadata_map
        if metadata.get("format") != FORMAT:
            raise ModelError(
                f"{path} has format {metadata.get('format')!r}, expected {FORMAT!r}; "
                "use the version of the prediction package that it was made with, or train it again"
            )
        try:
            model = cls(
                contract=Contract.model_validate_json(metadata["contract"]),
                version=digest[:12],
                lineage=Lineage.model_validate_json(metadata["lineage"]),
                reference=ReferenceStatistics.model_validate_json(metadata["baseline"]),
                metrics=json.loads(metadata.get("metrics", "{}")),
                _session=session,
            )
            golden = Golden.model_validate_json(metadata["golden"])
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
        return self.answer(self.contract.encode(self.contract.check(batch)))

    def predict_json(self, text: str | bytes) -> list[Prediction]:
        """Return the predictions for a JSON object or a JSON list of objects (see `predict`)."""
        return self.answer(self.contract.encode(self.contract.check_json(text)))

    def answer(self, features: Matrix) -> list[Prediction]:
        """Return a prediction for each row of encoded features.

        Raises:
            DataError: an output is not a finite number, as with linear models beyond single precision.
        """
        outputs = self.run(features)
        flat = outputs.ravel()
        if not math.isfinite(flat.dot(flat)) and not np.isfinite(outputs).all():  # the first is fast, and mostly enough
            row = int((~np.isfinite(outputs)).any(axis=1).argmax()) + 1
            raise DataError(f"row {row}: the model's output is not finite; the row's values are too large, check them")
        if not self.contract.classes:
            return [{"prediction": value} for value in outputs[:, 0].tolist()]
        classes = self.contract.classes
        return [
            {"prediction": classes[best], "probabilities": dict(zip(classes, shares, strict=True))}
            for best, shares in zip(outputs.argmax(axis=1).tolist(), outputs.tolist(), strict=True)
        ]

    def run(self, features: Matrix) -> npt.NDArray[np.float32]:
        """Return the raw outputs for encoded features of shape (rows, features).

        The outputs are probabilities of shape (rows, classes), or predicted numbers of shape (rows, 1).
        """
        if not len(features):
            return np.empty((0, len(self.contract.classes) or 1), dtype=np.float32)
        name = "probabilities" if self.contract.classes else "variable"
        outputs: npt.NDArray[np.float32] = self._session.run([name], {INPUT: features})[0]
        # in single precision, a sum over trees can slightly exceed one
        return np.minimum(np.maximum(outputs, 0, out=outputs), 1, out=outputs) if self.contract.classes else outputs

    def _verify(self, golden: Golden, path: Path) -> None:
        try:
            outputs = self.run(self.contract.encode(self.contract.check(golden.rows)))
            expected = np.array(golden.outputs)
        except Exception as error:  # a contract and a graph that do not match can raise anything
            raise ModelError(f"{path} cannot predict its own golden rows ({error}); train it again") from error
        shape = (len(golden.rows), len(self.contract.classes) or 1)
        if not golden.rows or not outputs.shape == expected.shape == shape or not agree(outputs, expected).all():
            raise ModelError(
                f"{path} computes other numbers for its golden rows than in training: found {outputs.tolist()}, "
                f"expected {golden.outputs}; on the training machine, a step converts inexactly (single precision "
                "rounds integers beyond 16,777,216: subtract an origin); elsewhere, do not trust this onnxruntime"
            )


def _session(data: bytes, path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    # with more threads, trees are summed in another order, and a row's output would depend on the other rows
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises a dozen types without a common base class
        raise ModelError(f"{path} is sealed, but onnxruntime cannot load it: {error}") from error
