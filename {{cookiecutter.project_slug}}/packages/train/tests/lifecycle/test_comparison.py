"""The comparison of two models: the difference is that of the metric, and the interval tells what rows can tell."""

from collections.abc import Callable

import numpy as np
import pytest
from {{ cookiecutter.__package_name }}_train.examples import Examples, load_examples, read_table
from {{ cookiecutter.__package_name }}_train.lifecycle.comparison import Comparison, compare
from {{ cookiecutter.__package_name }}_train.lifecycle.settings import Promotion
from {{ cookiecutter.__package_name }}_train.prediction import Contract, Model
from {{ cookiecutter.__package_name }}_train.project import Project
from sklearn.metrics import balanced_accuracy_score, r2_score

from {{ cookiecutter.__package_name }}_train import fit

WithParams = Callable[..., Project]
SETTINGS = Promotion(margin=0.05, confidence=0.95, resamples=500)


def load(project: Project) -> tuple[Model, Examples]:
    """Return the candidate and the hold-out rows."""
    return Model.load(project.paths.candidate), load_examples(read_table(project.paths.test), project.contract)


def test_model_is_no_worse_than_itself(evaluated: Project) -> None:
    model, rows = load(evaluated)
    found = compare(model, model, rows, SETTINGS, seed=1)
    assert (found.low, found.high, found.passed) == (0.0, 0.0, True)
    assert found.old == found.new


def test_worse_model_is_found_worse(evaluated: Project, with_params: WithParams) -> None:
    model, rows = load(evaluated)
    weak = evaluated.params.train.boosting.model_copy(update={"max_iter": 1, "learning_rate": 0.01})
    fit.run(with_params(evaluated, "train", boosting=weak))
    worse = Model.load(evaluated.paths.candidate)
    found = compare(worse, model, rows, SETTINGS, seed=1)
    assert not found.passed
    assert found.low < found.new - found.old < found.high
    assert found.new < found.old
    assert "allowed is a loss of 0.05" in str(found)
    assert compare(model, worse, rows, SETTINGS, seed=1).passed


@pytest.mark.parametrize(
    ("new", "low", "passed", "said"),
    [
        (0.89, -0.04, True, "allowed is a loss of 0.05"),
        (0.89, -0.2, False, "too few to tell that it loses no more)"),
        (0.7, -0.3, False, "allowed is a loss of 0.05"),
    ],
)
def test_refusal_says_whether_more_rows_could_help(new: float, low: float, passed: bool, said: str) -> None:
    found = Comparison("r2", old=0.9, new=new, low=low, high=0.1, rows=50, margin=0.05)
    assert found.passed == passed
    assert str(found).endswith(said)


def test_difference_is_that_of_the_metric(evaluated: Project, with_params: WithParams) -> None:
    model, rows = load(evaluated)
    fit.run(with_params(evaluated, "train", model="linear"))
    other = Model.load(evaluated.paths.candidate)
    found = compare(other, model, rows, SETTINGS.model_copy(update={"resamples": 100}), seed=1)
    for side, value in ((other, found.new), (model, found.old)):
        outputs = side.run(rows.features)
        if evaluated.contract.classes:
            expected = balanced_accuracy_score(rows.target, outputs.argmax(axis=1))
        else:
            expected = r2_score(rows.target, outputs[:, 0])
        assert value == pytest.approx(expected, abs=1e-5)
    assert found.low <= found.new - found.old <= found.high


def test_interval_covers_the_true_difference_as_often_as_it_says(evaluated: Project) -> None:
    model, rows = load(evaluated)
    rng = np.random.default_rng(0)
    weak = _Noisy(model, rng)
    truth = compare(weak, model, rows, SETTINGS, seed=0)  # type: ignore[arg-type]
    difference = truth.new - truth.old
    covered = 0
    for seed in range(100):
        chosen = rng.integers(0, len(rows.target), len(rows.target))
        part = Examples(rows.features[chosen], rows.target[chosen])
        found = compare(weak, model, part, SETTINGS, seed=seed)  # type: ignore[arg-type]
        covered += found.low <= difference <= found.high
    assert 85 <= covered <= 100


class _Noisy:
    """A model that adds a fixed error to each row of another."""

    def __init__(self, model: Model, rng: np.random.Generator) -> None:
        self._model, self._errors = model, rng.normal(0, 1, 1000)

    @property
    def contract(self) -> Contract:
        return self._model.contract

    def run(self, features: np.ndarray) -> np.ndarray:
        codes = np.abs(features[:, 0] * 1000).astype(int) % 1000
        return np.asarray(self._model.run(features) * (1 + self._errors[codes][:, None]))


@pytest.mark.parametrize("kind", ["regression"])
@pytest.mark.parametrize("count", [2, 29])
def test_handful_of_rows_tells_nothing(count: int, evaluated: Project) -> None:
    model, rows = load(evaluated)
    found = compare(model, model, Examples(rows.features[:count], rows.target[:count]), SETTINGS, seed=1)
    assert not found.passed
    assert "too few to tell" in str(found)
