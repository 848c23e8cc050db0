"""Results that stages pass on: scores over folds, and the importance of features."""

from pydantic import BaseModel


class Score(BaseModel):
    """A metric over the folds: its mean, and its standard deviation."""

    mean: float
    spread: float


class CrossValidation(BaseModel):
    """How the recipe performs on training rows that it was not fitted on.

    Attributes:
        rows: how many training rows there are.
        folds: how many folds were measured.
        metrics: over the folds.
    """

    rows: int
    folds: int
    metrics: dict[str, Score]


class Importance(BaseModel):
    """How much a feature matters: the mean loss of the main metric over shuffles, and its standard deviation."""

    loss: float
    spread: float
