"""Stage 5: predict for the holdout with the code that production runs, and measure the result."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from {{ cookiecutter.__package_name }}_predict.artefact import agree, scale_of
from {{ cookiecutter.__package_name }}_predict.atomic import whole_file
from {{ cookiecutter.__package_name }}_predict.contract import Contract
from {{ cookiecutter.__package_name }}_predict.encoding import Encoded
from {{ cookiecutter.__package_name }}_predict.errors import DataError, ProjectError
from {{ cookiecutter.__package_name }}_predict.model import Model

from .dataset import Dataset, load_dataset, read_table
from .importance import measure_importance
from .metrics import Answers, measure, measure_slices, measure_uncertainty, shorten
from .metrics_file import Evaluation
from .model_card import write_card
from .plots import write_plots
from .project import Project
from .scores import CrossValidation


class SkewError(ProjectError):
    """The exported model computes different outputs from the estimator that it was exported from."""


def run(project: Project) -> None:
    """Check the candidate for skew, measure it on the holdout, and write metrics, plots and the model card."""
    paths, contract, metrics = project.paths, project.contract, project.metrics
    model = Model.load(paths.candidate, contract=contract)
    train = load_dataset(read_table(paths.train), contract)
    holdout = load_dataset(read_table(paths.holdout), contract)
    skew = measure_skew(model, train.encode(model.encoder), _reference(project))
    outputs = model.run(holdout.encode(model.encoder)).astype(np.float64)
    answers = Answers(contract, holdout.target, outputs, model.decision, holdout)
    dummy = replace(answers, outputs=dummy_outputs(train, len(holdout), contract))
    evaluation = Evaluation(
        model=measure(answers, metrics) | measure_uncertainty(answers),
        dummy=measure(dummy, metrics),
        main=project.params.metrics.main,
        less_is_better=[name for name, metric in metrics.items() if metric.less_is_better],
        slices=measure_slices(answers, metrics, project.params.metrics.slices),
        importance=measure_importance(model, holdout, *next(iter(metrics.items())), project.params.seed),
        cross_validation=_read_scores(project),
        rows={"train": len(train), "holdout": len(holdout)},
        skew=skew,
    )
    with whole_file(paths.metrics) as file:
        file.write(evaluation.model_dump_json(indent=2).encode() + b"\n")
    write_plots(paths.plots, answers, evaluation)
    write_card(paths.card, model, evaluation)


def _read_scores(project: Project) -> CrossValidation:
    path = project.paths.cross_validation
    try:
        return CrossValidation.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}); run the stages before this one (dvc repro)") from error


def measure_skew(model: Model, rows: Encoded, reference: npt.NDArray[np.float64]) -> float:
    """Return the largest difference between the exported model's outputs and scikit-learn's for the same rows.

    Raises:
        SkewError: a difference is beyond what single precision explains.
    """
    outputs = model.run(rows)
    wrong = np.flatnonzero(~agree(outputs, reference, scale_of(reference, len(model.contract.classes))))
    if len(wrong):
        row = int(wrong[0])
        raise SkewError(
            f"train/serve skew: {len(wrong)} of {len(outputs)} training rows get other outputs from the model file; "
            f"row {row + 1}: found {outputs[row].tolist()}, expected {reference[row].tolist()}; "
            "a step of the pipeline converts to ONNX differently: change that step"
        )
    return shorten(np.abs(outputs - reference).max())


def dummy_outputs(train: Dataset, rows: int, contract: Contract) -> npt.NDArray[np.float64]:
    """Return the outputs of the dummy baseline, of shape (rows, classes or 1): each class's share, or the mean."""
    if not contract.classes:
        return np.full((rows, 1), train.target.mean())
    shares = np.bincount(train.target.astype(int), minlength=len(contract.classes)) / len(train.target)
    return np.tile(shares, (rows, 1))


def _reference(project: Project) -> npt.NDArray[np.float64]:
    table = read_table(project.paths.reference)
    return np.column_stack([column.to_numpy() for column in table.columns])
