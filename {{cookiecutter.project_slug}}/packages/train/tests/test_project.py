"""Parameters and configuration: an unknown, missing or ill-typed key is refused by name and line."""

import pytest
from {{ cookiecutter.__package_name }}_train.prediction import ConfigError
from {{ cookiecutter.__package_name }}_train.project import CONFIG, PARAMS, Project

pytestmark = pytest.mark.parametrize("kind", ["regression"])


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seed: 7", "sead: 7", "params.yaml:1: sead: unknown key"),
        ("seed: 7\n", "", "params.yaml:1: seed: Field required"),
        ("0.25", "2", "params.yaml:3: split.test_share: Input should be less than 1 (found '2')"),
        ("boosting\n", "booster\n", "params.yaml:5: train.model: Input should be 'boosting', 'forest' or 'linear'"),
        ("max_iter: 20", "max_iter: many", "params.yaml:6: train.boosting.max_iter: Input should be a valid integer"),
    ],
)
def test_parameter_that_is_wrong_is_refused_by_name(old: str, new: str, message: str) -> None:
    PARAMS.write_text(PARAMS.read_text().replace(old, new))
    with pytest.raises(ConfigError) as refused:
        Project.load()
    assert message in str(refused.value)


@pytest.mark.usefixtures("project")
def test_path_that_is_unknown_is_refused_by_name() -> None:
    CONFIG.write_text(CONFIG.read_text() + "  pattern: x\n")
    with pytest.raises(ConfigError, match="default.yaml:17: paths.pattern: unknown key"):
        Project.load()


@pytest.mark.usefixtures("project")
def test_limit_on_an_unknown_metric_is_refused_before_anything_runs() -> None:
    PARAMS.write_text(PARAMS.read_text().replace("minimum: {}", "minimum: {accuracy: 0.5}"))
    with pytest.raises(ConfigError, match="no metric is named 'accuracy'; expected r2, mae, rmse"):
        Project.load()


def test_sections_of_others_in_the_configuration_are_passed_over(project: Project) -> None:
    CONFIG.write_text(CONFIG.read_text() + "service: {port: 8000}\n")
    assert Project.load() == project
