"""The metrics file: the evaluate stage writes it; the gate, the model card and the model file use it."""

from pydantic import BaseModel


class Evaluation(BaseModel):
    """How a model and the dummy baseline performed on the holdout.

    Attributes:
        model: the model's metrics.
        dummy: the same metrics of the dummy baseline, which ignores the features.
        rows: how many rows the model was fitted on (`train`) and measured on (`holdout`).
        skew: the largest difference between the exported model's outputs and the training library's.
    """

    model: dict[str, float]
    dummy: dict[str, float]
    rows: dict[str, int]
    skew: float
