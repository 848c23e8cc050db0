"""The results of an evaluation, as the metrics file holds them."""

from pydantic import BaseModel

Metrics = dict[str, float]
CLASSIFICATION_METRICS = ("accuracy", "balanced_accuracy", "f1_macro", "log_loss")
REGRESSION_METRICS = ("r2", "mae", "rmse")


class Results(BaseModel):
    """How a model and a trivial one did on the hold-out rows.

    Attributes:
        model: the model's metrics.
        trivial: the same metrics of a model that looks at no feature.
        rows: how many rows it was fitted and measured on, as `train` and `test`.
        skew: the largest difference between the exported model's outputs and the training library's.
    """

    model: Metrics
    trivial: Metrics
    rows: dict[str, int]
    skew: float
