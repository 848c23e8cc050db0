"""The metrics file: the evaluate stage writes it; the gate, the model card and the model file use it."""

from pathlib import Path

from pydantic import BaseModel

from {{ cookiecutter.__package_name }}_predict.errors import DataError


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


def read_evaluation(path: Path) -> Evaluation:
    """Return the evaluation written by the evaluate stage.

    Raises:
        DataError: it is absent or damaged.
    """
    try:
        return Evaluation.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}); run the stages before this one (dvc repro)") from error
