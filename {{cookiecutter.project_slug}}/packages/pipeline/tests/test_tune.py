"""Tuning: a search that is resumable, never worse than before, and writes what it found on request."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml

from {{ cookiecutter.__package_name }}_pipeline.params import Range
from {{ cookiecutter.__package_name }}_pipeline.project import PARAMS, Project
from {{ cookiecutter.__package_name }}_pipeline.tune import Budget, change, open_storage, suggest, tune
from {{ cookiecutter.__package_name }}_predict.cli import main
from {{ cookiecutter.__package_name }}_predict.errors import ConfigError, DataError

from machinery.small_recipe import RECIPE

STORAGE = "sqlite:///var/tuning.db"
SPACE = "tune: {trees: [1, 8], learning_rate: [0.001, 1.0], model: [boosting, linear]}\n"


@pytest.fixture(params=["binary"])
def kind(request: pytest.FixtureRequest) -> str:
    """Return the one kind of problem that these tests need."""
    return str(request.param)


@pytest.fixture
def searched(split_project: Project) -> Project:
    """Return a project whose data is split, with a space to search."""
    assert split_project
    PARAMS.write_text(PARAMS.read_text() + SPACE)
    return Project.load(RECIPE)


def test_search_is_never_worse_and_goes_on_where_it_stopped(searched: Project) -> None:
    first = tune(searched, Budget(3, None), STORAGE)
    assert first.trials == 3
    assert first.best >= first.before > 0.5
    assert set(first.parameters) == {"trees", "learning_rate", "model"}
    second = tune(searched, Budget(2, None), STORAGE)
    assert (second.trials, second.before) == (5, first.before)
    assert second.best >= first.best
    assert Path("reports/tuning.png").read_bytes().startswith(b"\x89PNG")


def test_other_rows_begin_another_study(searched: Project) -> None:
    tune(searched, Budget(1, None), STORAGE)
    other = replace(searched, params=searched.params.model_copy(update={"seed": 8}))
    assert tune(other, Budget(1, None), STORAGE).trials == 1
    with open_storage(STORAGE) as storage:
        assert len(optuna.get_all_study_names(storage)) == 2


def test_command_writes_the_best_parameters(searched: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert searched
    assert main(["tune", "--trials", "2", "--write"]) == 0
    said = capsys.readouterr().out
    assert "balanced_accuracy" in said
    assert "2 trials" in said
    written = yaml.safe_load(PARAMS.read_text())["train"]
    assert f"trees: {written['trees']}" in said
    assert Project.load(RECIPE).params.train.trees == written["trees"]


def test_minutes_end_a_search(searched: Project) -> None:
    assert tune(searched, Budget(None, 0.0001), STORAGE).trials >= 1


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ("tune: {leaves: [1, 2]}", "train has no parameter leaves; expected one such as model"),
        ("tune: {trees.many: [1, 2]}", "train has no parameter trees.many"),
        ("tune: {model: [magic, linear]}", "tune: 1 validation error"),
        ("", "params.yaml has no section tune; add one"),
    ],
)
def test_space_that_does_not_fit_is_refused(space: str, message: str, split_project: Project) -> None:
    assert split_project
    PARAMS.write_text(f"{PARAMS.read_text()}{space}\n")
    with pytest.raises(ConfigError, match=message):
        tune(Project.load(RECIPE), Budget(1, None), STORAGE)


def test_search_without_a_success_is_refused(searched: Project) -> None:
    def build(*arguments: Any) -> Any:
        if len(built) < searched.params.split.folds:  # of the parameters that it begins with
            built.append(1)
            return RECIPE.estimator(*arguments)
        raise ConfigError("no estimator")

    built: list[int] = []
    with pytest.raises(DataError, match="none of 2 trials has succeeded"):
        tune(replace(searched, recipe=replace(RECIPE, estimator=build)), Budget(2, None), STORAGE)


@pytest.mark.parametrize(
    ("choice", "kind_of_value"),
    [([1, 5], int), ([1, 500], int), ([0.1, 0.2], float), ([1, 2.5], float), (["a", "b"], str), ([1, 2, 3], int)],
)
def test_list_is_a_range_or_a_choice(choice: Range, kind_of_value: type) -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    values = [suggest(study.ask(), "x", choice) for _ in range(20)]
    assert {type(value) for value in values} == {kind_of_value}
    if len(choice) == 2 and kind_of_value is not str:
        assert all(choice[0] <= value <= choice[1] for value in values)
    else:
        assert set(values) <= set(choice)


def test_parameters_change_one_by_one(searched: Project) -> None:
    changed = change(searched, {"trees": 3})
    assert (changed.trees, changed.model) == (3, searched.params.train.model)
