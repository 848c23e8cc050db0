"""Model files of format 1, which the first version of the template made: they predict as they did before an update.

So a rollback may reach behind the update. A format is read by two versions of the template: its own and the next.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from .artefact import NUMBERS, SLACK, TOLERANCE, Golden
from .contract import Contract
from .fields import MISSING, Category

FORMAT_1 = "1"


class Format1Session:
    """Runs a graph of format 1 as one of format 2 is run.

    Its input is in single precision and NaN where a category is missing; its output has another name.
    """

    def __init__(self, session: onnxruntime.InferenceSession, contract: Contract) -> None:
        """Wrap the session of a model with a contract."""
        self._session = session
        self._output = "probabilities" if contract.classes else "variable"
        self._categories = [
            index for index, field in enumerate(contract.features.values()) if isinstance(field, Category)
        ]

    def run(self, _: Sequence[str], inputs: Mapping[str, npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        """Return the outputs for numbers of shape (rows, features)."""
        numbers = inputs[NUMBERS].astype(np.float32)
        codes = numbers[:, self._categories]
        numbers[:, self._categories] = np.where(codes == MISSING, np.nan, codes)
        outputs: list[npt.NDArray[Any]] = self._session.run([self._output], {"features": numbers})
        return outputs


def scale_golden(golden: Golden) -> Golden:
    """Return golden rows with the scale that format 1 compared by: that of the largest output."""
    return golden.model_copy(update={"scale": TOLERANCE / SLACK * float(np.abs(golden.outputs).max(initial=0))})
