"""The metrics file: what an evaluation writes, and the gate, the card and the model file read."""

from pydantic import BaseModel


class Evaluation(BaseModel):
    """How a model and the dummy baseline did on the holdout.

    Attributes:
        model: the model's metrics.
        dummy: the same metrics of the dummy baseline, which ignores the features.
        rows: how many rows the model was fitted on, `train`, and measured on, `holdout`.
        skew: the largest difference between the exported model's outputs and the training library's.
    """

    model: dict[str, float]
    dummy: dict[str, float]
    rows: dict[str, int]
    skew: float
