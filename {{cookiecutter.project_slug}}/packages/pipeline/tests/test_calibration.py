"""Calibration: a correction with the lowest log loss, the same in the model file as in the library."""

import json
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from {{ cookiecutter.__package_name }}_pipeline import evaluate, gate, train
from {{ cookiecutter.__package_name }}_pipeline.calibration import (
    Calibration,
    calibration_error,
    reliability_curve,
)
from {{ cookiecutter.__package_name }}_pipeline.dataset import load_dataset, read_table
from {{ cookiecutter.__package_name }}_pipeline.gate import GateError
from {{ cookiecutter.__package_name }}_pipeline.project import Project
from {{ cookiecutter.__package_name }}_predict.model import Model

Array = npt.NDArray[np.float64]


def overconfident(classes: int) -> tuple[Array, npt.NDArray[np.int64]]:
    """Return probabilities that are too extreme and lean towards the first class, and the classes that occurred."""
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(4000, classes))
    true = softmax(scores, axis=1)
    target = (true.cumsum(axis=1) > rng.random((4000, 1))).argmax(axis=1)
    return softmax(3 * scores + np.eye(classes)[0], axis=1), target


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_calibration_corrects_probabilities_that_are_too_extreme(classes: int) -> None:
    outputs, target = overconfident(classes)
    found = Calibration.fit(outputs, target)
    assert found.power == pytest.approx(1 / 3, abs=0.03)
    after = found.apply(outputs)
    np.testing.assert_allclose(after.sum(axis=1), 1)
    assert calibration_error(target, after) < 0.3 * calibration_error(target, outputs)
    assert log_loss(target, after) < log_loss(target, outputs)


def test_calibration_of_two_classes_is_that_of_platt() -> None:
    outputs, target = overconfident(2)
    odds = np.log(outputs[:, [1]] / outputs[:, [0]])
    expected = LogisticRegression(C=np.inf, tol=1e-8).fit(odds, target).predict_proba(odds)
    np.testing.assert_allclose(Calibration.fit(outputs, target).apply(outputs), expected, atol=1e-4)


def test_calibration_of_certain_and_wrong_answers_is_finite() -> None:
    outputs = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    after = Calibration.fit(outputs, np.array([0, 1, 1, 1])).apply(outputs)
    assert np.isfinite(after).all()


def test_reliability_curve_bins_forecasts_by_their_probability() -> None:
    outputs = np.array([[0.95, 0.05], [0.95, 0.05], [0.0, 1.0]])
    assert reliability_curve(np.array([0, 1, 1]), outputs) == [(0.05, 0.5, 2), (1.0, 1.0, 1)]
    assert calibration_error(np.array([0, 1, 1]), outputs) == pytest.approx(0.45 * 2 / 3)
    one = reliability_curve(np.array([0]), np.array([[0.7, 0.2, 0.1]]))
    assert one == [(0.1, 0.0, 1), (0.2, 0.0, 1), (0.7, 1.0, 1)]


@pytest.mark.parametrize("kind", ["binary", "classification"])
def test_calibrated_model_gives_the_same_probabilities_in_the_file(
    evaluated: Project, with_params: Callable[..., Project]
) -> None:
    before = Model.load(evaluated.paths.candidate)
    project = with_params(evaluated, "metrics", calibrate=True)
    train.run(project)
    evaluate.run(project)  # compares the file with the library
    after = Model.load(evaluated.paths.candidate)
    rows = load_dataset(read_table(evaluated.paths.holdout), evaluated.contract)
    outputs = [model.run(rows.encode(model.encoder)) for model in (before, after)]
    fitted = Calibration.fit(outputs[0].astype(float), rows.target)
    assert not np.allclose(outputs[0], outputs[1])
    np.testing.assert_allclose(outputs[1].sum(axis=1), 1, atol=1e-6)
    losses = [log_loss(rows.target, part) for part in (*outputs, fitted.apply(outputs[0].astype(float)))]
    assert losses[2] - 1e-9 <= losses[1] < losses[0] + 0.02
    answer = after.predict(evaluated.contract.example())[0]["probabilities"]
    assert sum(answer.values()) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("kind", ["binary"])
def test_gate_limits_the_calibration_error(evaluated: Project, with_params: Callable[..., Project]) -> None:
    found = json.loads(evaluated.paths.metrics.read_text())["model"]["calibration_error"]
    assert 0 < found < 0.3
    with pytest.raises(GateError, match="calibration_error: found .* expected at most 0.0001"):
        gate.run(with_params(evaluated, "gate", maximum={"calibration_error": 0.0001}))
