"""The run: a model that is better than the dummy baseline, its reports, and the same bytes again."""

import json
from contextlib import chdir

from {{ cookiecutter.__package_name }}_pipeline import train
from {{ cookiecutter.__package_name }}_pipeline.metrics_file import read_evaluation
from {{ cookiecutter.__package_name }}_pipeline.project import Project

from .sample_run import Run


def test_model_beats_the_dummy_baseline(run: Run, project: Project) -> None:
    evaluation = read_evaluation(run.folder / project.paths.metrics)
    assert evaluation.gain > 0
    assert set(evaluation.model) >= set(project.metrics)


def test_model_carries_its_contract_metrics_and_inputs(run: Run, project: Project) -> None:
    assert run.model.contract == project.contract
    assert run.model.metrics == json.loads((run.folder / project.paths.metrics).read_text())
    assert project.paths.train.as_posix() in run.model.lineage.inputs


def test_reports_are_written(run: Run, project: Project) -> None:
    assert run.model.contract.target_name in (run.folder / project.paths.card).read_text()
    assert list((run.folder / project.paths.plots).glob("*.png"))
    assert all(row["passed"] for row in json.loads((run.folder / project.paths.gate).read_text()))


def test_training_again_gives_the_same_bytes(run: Run, project: Project) -> None:
    candidate = run.folder / project.paths.candidate
    before = candidate.read_bytes()
    with chdir(run.folder):
        train.run(project)
    assert candidate.read_bytes() == before
