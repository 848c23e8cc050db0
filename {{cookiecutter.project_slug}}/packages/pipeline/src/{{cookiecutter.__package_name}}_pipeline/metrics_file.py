"""The metrics file: the evaluate stage writes it; the gate, the model card and the model file use it."""

from pathlib import Path

from pydantic import BaseModel

from {{ cookiecutter.__package_name }}_predict.errors import DataError

from .scores import CrossValidation, Importance


class Evaluation(BaseModel):
    """How a model and the dummy baseline performed on the holdout.

    Attributes:
        model: the model's metrics.
        dummy: the same metrics of the dummy baseline, which ignores the features.
        main: the name of the main metric.
        less_is_better: the names of the metrics of which less is better.
        slices: the model's metrics by feature and value, with the number of rows.
        importance: of each feature, on the holdout.
        cross_validation: of the recipe, on the training rows.
        rows: how many rows the model was fitted on (`train`) and measured on (`holdout`).
        skew: the largest difference between the exported model's outputs and the training library's.
    """

    model: dict[str, float]
    dummy: dict[str, float]
    main: str
    less_is_better: list[str] = []
    slices: dict[str, dict[str, dict[str, float]]] = {}
    importance: dict[str, Importance] = {}
    cross_validation: CrossValidation | None = None
    rows: dict[str, int]
    skew: float

    @property
    def gain(self) -> float:
        """How much better than the dummy baseline the main metric is."""
        return (
            self.model[self.main] - self.dummy[self.main]
            if self.main not in self.less_is_better
            else self.dummy[self.main] - self.model[self.main]
        )


def read_evaluation(path: Path) -> Evaluation:
    """Return the evaluation written by the evaluate stage.

    Raises:
        DataError: it is absent or damaged.
    """
    try:
        return Evaluation.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}); run the stages before this one (dvc repro)") from error
