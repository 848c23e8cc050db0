"""The gate, with the limits in params.yaml: each of them refuses a model that misses it."""

import pytest

from {{ cookiecutter.__package_name }}_pipeline.gate import Gate, list_gates
from {{ cookiecutter.__package_name }}_pipeline.metrics_file import Evaluation, read_evaluation
from {{ cookiecutter.__package_name }}_pipeline.project import Project

from .sample_run import ROOT, Run


@pytest.fixture
def evaluation(run: Run, project: Project) -> Evaluation:
    """Return the evaluation of the run."""
    return read_evaluation(run.folder / project.paths.metrics)


@pytest.fixture
def whole(monkeypatch: pytest.MonkeyPatch) -> Project:
    """Return the project as it is here, with all limits."""
    monkeypatch.chdir(ROOT)
    return Project.load()


def find_refusals(project: Project, evaluation: Evaluation, leaks: dict[str, float]) -> list[Gate]:
    """Return the gates that an evaluation does not pass."""
    gates = list_gates(evaluation, leaks, project.params.gate, project.contract)
    assert gates
    return [gate for gate in gates if not gate.passed]


def test_limit_on_a_metric_refuses_a_model_that_misses_it(whole: Project, evaluation: Evaluation) -> None:
    limits = whole.params.gate
    for kind, values, sign in (("minimum", limits.minimum, -1), ("maximum", limits.maximum, 1)):
        for name, limit in values.items():
            missed = evaluation.model_copy(update={"model": {**evaluation.model, name: limit + sign * 1e-6}})
            assert f"{kind}.{name}" in [gate.param for gate in find_refusals(whole, missed, {})]


def test_dummy_baseline_is_refused(whole: Project, evaluation: Evaluation) -> None:
    assert whole.params.gate.min_gain_over_dummy > 0, "with this limit, a model that learned nothing passes"
    dummy = evaluation.model_copy(update={"model": evaluation.dummy})
    assert "min_gain_over_dummy" in [gate.param for gate in find_refusals(whole, dummy, {})]


def test_feature_that_gives_the_target_away_is_refused(whole: Project, evaluation: Evaluation) -> None:
    leaks = {next(iter(whole.contract.features)): 1.0}
    assert whole.params.gate.max_single_feature_score < 1, "with this limit, a feature made from the target passes"
    assert "max_single_feature_score" in [gate.param for gate in find_refusals(whole, evaluation, leaks)]


def test_limits_name_metrics_of_this_project(whole: Project) -> None:
    assert whole.metrics
