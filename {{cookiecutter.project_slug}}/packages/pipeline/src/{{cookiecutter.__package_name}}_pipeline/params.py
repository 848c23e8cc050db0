"""The parameters in params.yaml."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat

Range = Annotated[list[Any], Field(min_length=2)]
Share = Annotated[float, Field(gt=0, lt=1)]


class Strict(BaseModel):
    """Base of the parameters: unknown keys are rejected, and instances are immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ValidateParams(Strict):
    """How many rows may break the contract before the pipeline stops."""

    max_rejected: Annotated[float, Field(ge=0, le=1)]


class SplitParams(Strict):
    """How rows are held out of training, and how the others are divided for cross-validation.

    Attributes:
        by: `share` draws rows at random, `time` takes the newest, `group` draws whole groups; the last two need a key.
        holdout: the share of rows or of groups to hold out.
        after: with `time`: hold out the rows from this date on, instead of a share.
        folds: how many parts cross-validation has.
    """

    by: Literal["share", "time", "group"]
    holdout: Share
    after: str | None = None
    folds: Annotated[int, Field(ge=2)]


class Costs(Strict):
    """What a wrong answer costs, for two classes; the second is the positive one."""

    false_positive: PositiveFloat
    false_negative: PositiveFloat


class MetricsParams(Strict):
    """What models are measured by: names of scikit-learn's scorers, or of functions in metrics.py.

    Attributes:
        main: by which experiments and models are compared.
        also: what is measured besides.
        slices: features; the metrics are measured for each of their values, too.
        costs: for two classes: the decision threshold is the one that costs least in cross-validation.
        threshold: for two classes: the probability from which on the second is predicted.
        calibrate: for classes: whether probabilities are corrected by cross-validation, see `Calibration`.
        interval: for a number: the coverage of the interval around each prediction.
    """

    main: str
    also: list[str] = []
    slices: list[str] = []
    costs: Costs | None = None
    threshold: Share | None = None
    calibrate: bool = False
    interval: Share | None = None


class GateParams(Strict):
    """What a model must reach on the holdout to pass the gate.

    Attributes:
        minimum: for metrics of which more is better.
        maximum: for metrics of which less is better, such as log_loss.
        min_gain_over_dummy: how much better than the dummy baseline the main metric must be.
        worst_slice: limits on metrics in the worst slice; at least or, where less is better, at most.
        max_single_feature_score: how well a single feature may predict the target.
    """

    minimum: dict[str, float] = {}
    maximum: dict[str, float] = {}
    worst_slice: dict[str, float] = {}
    min_gain_over_dummy: float
    max_single_feature_score: float


class Params(Strict):
    """The whole of params.yaml; the type of the section `train` is the recipe's.

    `tune` has the space of a search: for parameters of `train`, a range of two numbers or a list of values.
    """

    seed: Annotated[int, Field(ge=0, lt=2**32)]
    validation: ValidateParams = Field(alias="validate")
    split: SplitParams
    metrics: MetricsParams
    train: Any
    tune: dict[str, Range] = {}
    gate: GateParams
