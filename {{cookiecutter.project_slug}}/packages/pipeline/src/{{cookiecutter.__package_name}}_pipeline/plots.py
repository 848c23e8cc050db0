"""The plots of an evaluation, each as a table for `dvc plots` and as an image for people."""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from {{ cookiecutter.__package_name }}_predict.atomic import whole_file

from .calibration import reliability_curve
from .metrics import Answers
from .metrics_file import Evaluation

MOST_POINTS = 2000
MOST_PAIRS = 10_000
MOST_BARS = 30
Array = npt.NDArray[np.float64]


def write_plots(folder: Path, answers: Answers, evaluation: Evaluation) -> None:
    """Write `importance`, and `confusion` and `calibration` or, for a regression, `residuals`, as CSV and PNG.

    Args:
        folder: where to write them.
        answers: of the model to the holdout.
        evaluation: its results, with the importance of each feature.
    """
    _write_importance(folder, evaluation)
    contract, target, outputs = answers.contract, answers.target, answers.outputs
    if not contract.classes:
        label = f"{contract.target_name} {getattr(contract.target_field, 'unit', '')}".strip()
        _write_residuals(folder, target, outputs[:, 0], label)
        return
    _write_confusion(folder, target.astype(int), answers.predicted, contract.classes)
    _write_calibration(folder, target.astype(int), outputs)


def _write_confusion(
    folder: Path, actual: npt.NDArray[np.int64], predicted: npt.NDArray[np.int64], classes: Sequence[str]
) -> None:
    step = max(1, len(actual) // MOST_PAIRS)  # the image counts all pairs, the table in git only a sample
    pairs = zip(actual[::step].tolist(), predicted[::step].tolist(), strict=True)
    _write_table(folder / "confusion.csv", ("actual", "predicted"), ((classes[a], classes[p]) for a, p in pairs))
    counts = np.zeros((len(classes), len(classes)), dtype=int)
    np.add.at(counts, (actual, predicted), 1)
    figure = Figure(figsize=(5, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.imshow(counts, cmap="Blues")
    for (row, column), count in np.ndenumerate(counts):
        shade = "white" if count > counts.max() / 2 else "black"
        axes.text(column, row, str(count), ha="center", va="center", color=shade)
    axes.set_xticks(range(len(classes)), classes, rotation=30, ha="right")
    axes.set_yticks(range(len(classes)), classes)
    axes.set(xlabel="predicted", ylabel="actual", title="Confusion matrix, holdout")
    _write_picture(folder / "confusion.png", figure)


def _write_calibration(folder: Path, target: npt.NDArray[np.int64], outputs: Array) -> None:
    curve = reliability_curve(target, outputs)
    _write_table(folder / "calibration.csv", ("predicted", "observed", "count"), curve)
    figure = Figure(figsize=(5, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="grey", linestyle="--", label="perfect")
    axes.plot([point[0] for point in curve], [point[1] for point in curve], marker="o", label="model")
    axes.set(xlabel="predicted probability", ylabel="observed share", title="Calibration, holdout")
    axes.legend()
    _write_picture(folder / "calibration.png", figure)


def _write_residuals(folder: Path, target: Array, predicted: Array, label: str) -> None:
    step = max(1, len(target) // MOST_POINTS)
    points = np.column_stack([target, predicted, target - predicted])[::step].tolist()
    _write_table(folder / "residuals.csv", ("actual", "predicted", "residual"), points)
    figure = Figure(figsize=(5, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.axhline(0, color="grey", linestyle="--")
    axes.scatter([point[1] for point in points], [point[2] for point in points], s=12, alpha=0.7)
    axes.set(xlabel=f"predicted {label}", ylabel="actual - predicted", title="Residuals, holdout")
    _write_picture(folder / "residuals.png", figure)


def _write_importance(folder: Path, evaluation: Evaluation) -> None:
    found = list(evaluation.importance.items())
    rows = ((name, score.loss, score.spread) for name, score in found)
    _write_table(folder / "importance.csv", ("feature", "loss", "spread"), rows)
    shown = found[:MOST_BARS][::-1]
    figure = Figure(figsize=(5, 1 + 0.25 * len(shown)), layout="constrained")
    axes = figure.subplots()
    spreads = [score.spread for _, score in shown]
    axes.barh(range(len(shown)), [score.loss for _, score in shown], xerr=spreads, color="#9ecae1")
    axes.set_yticks(range(len(shown)), [name for name, _ in shown], parse_math=False)
    axes.set(xlabel=f"loss of {evaluation.main} if shuffled", title="Permutation importance, holdout")
    _write_picture(folder / "importance.png", figure)


def _write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    with whole_file(path) as file:
        file.write(text.getvalue().encode())


def _write_picture(path: Path, figure: Figure) -> None:
    with whole_file(path) as file:
        figure.savefig(file, format="png", dpi=100, metadata={"Software": None})
