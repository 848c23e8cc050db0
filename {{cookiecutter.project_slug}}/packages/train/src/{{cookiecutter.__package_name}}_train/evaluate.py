"""Stage 5: score the hold-out rows with the code that production runs, and write down how well it does."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from sklearn import metrics as sk

from .card import write_card
from .examples import Examples, load_examples, read_table
from .plots import write_plots
from .prediction import Contract, DataError, Matrix, Model, ProjectError, agree, whole_file
from .project import Project
from .results import Metrics, Results


class SkewError(ProjectError):
    """The exported model computes other numbers than the pipeline it was made from."""


def run(project: Project) -> None:
    """Check the candidate for skew, measure it on the hold-out rows, and write metrics, plots and the model card."""
    paths, contract = project.paths, project.contract
    model = Model.load(paths.candidate, contract=contract)
    train = load_examples(read_table(paths.train), contract)
    test = load_examples(read_table(paths.test), contract)
    skew = measure_skew(model, train.features, _reference(project))
    outputs = model.run(test.features).astype(np.float64)
    results = Results(
        model=measure(test.target, outputs, contract),
        trivial=measure(test.target, trivial_outputs(train, len(test.target), contract), contract),
        rows={"train": len(train.target), "test": len(test.target)},
        skew=skew,
    )
    with whole_file(paths.metrics) as file:
        file.write(results.model_dump_json(indent=2).encode() + b"\n")
    write_plots(paths.plots, test.target, outputs, contract)
    write_card(paths.card, model, results)


def measure_skew(model: Model, features: Matrix, reference: npt.NDArray[np.float64]) -> float:
    """Return the largest difference between the exported model's outputs and scikit-learn's own for the same rows.

    Raises:
        SkewError: a difference is beyond what single precision explains.
    """
    outputs = model.run(features)
    wrong = np.flatnonzero(~agree(outputs, reference))
    if len(wrong):
        row = int(wrong[0])
        raise SkewError(
            f"train/serve skew: {len(wrong)} of {len(features)} training rows get other outputs from the export; "
            f"row {row + 1}: found {outputs[row].tolist()}, expected {reference[row].tolist()}; "
            "a step of the pipeline converts to ONNX differently: change that step"
        )
    return _short(np.abs(outputs - reference).max())


def measure(target: npt.NDArray[np.float64], outputs: npt.NDArray[np.float64], contract: Contract) -> Metrics:
    """Return the metrics of outputs of shape (rows, classes or 1) for a target of shape (rows,).

    Raises:
        DataError: a metric is not a number, because there are too few rows.
    """
    found = _classification(target, outputs) if contract.classes else _regression(target, outputs[:, 0])
    if missing := [name for name, value in found.items() if not np.isfinite(value)]:
        raise DataError(f"{missing[0]} of {len(target)} hold-out rows is not a number; supply more rows")
    return {name: _short(value) for name, value in found.items()}


def trivial_outputs(train: Examples, rows: int, contract: Contract) -> npt.NDArray[np.float64]:
    """Return the outputs of a model that looks at no feature: each class's share in training, or the mean."""
    if not contract.classes:
        return np.full((rows, 1), train.target.mean())
    shares = np.bincount(train.target.astype(int), minlength=len(contract.classes)) / len(train.target)
    return np.tile(shares, (rows, 1))


def _classification(target: npt.NDArray[np.float64], outputs: npt.NDArray[np.float64]) -> Mapping[str, float]:
    actual, predicted, labels = target.astype(int), outputs.argmax(axis=1), list(range(outputs.shape[1]))
    shares = outputs / outputs.sum(axis=1, keepdims=True)
    return {
        "accuracy": sk.accuracy_score(actual, predicted),
        "balanced_accuracy": sk.balanced_accuracy_score(actual, predicted),
        "f1_macro": sk.f1_score(actual, predicted, average="macro", labels=labels, zero_division=0),
        "log_loss": sk.log_loss(actual, shares, labels=labels),
    }


def _regression(target: npt.NDArray[np.float64], predicted: npt.NDArray[np.float64]) -> Mapping[str, float]:
    return {
        "r2": sk.r2_score(target, predicted),
        "mae": sk.mean_absolute_error(target, predicted),
        "rmse": sk.root_mean_squared_error(target, predicted),
    }


def _short(value: float) -> float:
    return float(f"{value:.6g}")  # six significant digits, whatever the unit


def _reference(project: Project) -> npt.NDArray[np.float64]:
    table = read_table(project.paths.reference)
    return np.column_stack([column.to_numpy() for column in table.columns])
