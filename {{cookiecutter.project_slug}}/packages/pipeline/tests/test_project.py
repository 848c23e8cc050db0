"""Parameters and configuration: an unknown, missing or ill-typed key is refused by name and line."""

import pytest

from {{ cookiecutter.__package_name }}_pipeline.project import CONFIG, PARAMS, Project
from {{ cookiecutter.__package_name }}_predict.errors import ConfigError

from machinery.small_recipe import RECIPE

pytestmark = pytest.mark.parametrize("kind", ["regression"])


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seed: 7", "sead: 7", "params.yaml:1: sead: unknown key"),
        ("seed: 7\n", "", "params.yaml:1: seed: Field required"),
        ("0.25", "2", "params.yaml:3: split.holdout: Input should be less than 1 (found '2')"),
        ("boosting\n", "booster\n", "params.yaml:6: train.model: Input should be"),
        ("trees: 20", "trees: many", "params.yaml:7: train.trees: Input should be a valid integer"),
        ("[mae]", "[precise]", "metrics: 'precise' is neither in metrics.py nor a scorer of scikit-learn"),
        ("[mae]", "[mae], slices: [size]", "metrics.slices: 'size' is not a feature; expected length, count"),
        ("[mae]", "[mae], threshold: 0.3", "threshold are for two classes, and the target has a number; remove them"),
        ("[mae]", "[mae], calibrate: true", "calibrate is for classes, and the target is a number; remove it"),
        ("maximum: {}", "maximum: {calibration_error: 1}", "calibration_error is not measured (metrics.also), only r2"),
        ("minimum: {}", "minimum: {mae: 1}", "gate.minimum: of mae, less is better; limit it under gate.maximum"),
        ("maximum: {}", "maximum: {r2: 1}", "gate.maximum: of r2, more is better; limit it under gate.minimum"),
    ],
)
def test_parameter_that_is_wrong_is_refused_by_name(old: str, new: str, message: str) -> None:
    PARAMS.write_text(PARAMS.read_text().replace(old, new))
    with pytest.raises(ConfigError) as refused:
        Project.load(RECIPE)
    assert message in str(refused.value)


@pytest.mark.usefixtures("project")
def test_path_that_is_unknown_is_refused_by_name() -> None:
    CONFIG.write_text(CONFIG.read_text().replace("paths:\n", "paths:\n  pattern: x\n"))
    with pytest.raises(ConfigError, match="default.yaml:2: paths.pattern: unknown key"):
        Project.load(RECIPE)


@pytest.mark.usefixtures("project")
def test_pattern_as_the_source_is_refused() -> None:
    CONFIG.write_text(CONFIG.read_text().replace("  source: source.csv", "  source: orders/*.csv"))
    with pytest.raises(ConfigError, match="found the pattern 'orders/.*csv', expected a folder.* under source.files"):
        Project.load(RECIPE)


@pytest.mark.usefixtures("project")
def test_format_of_a_column_that_is_no_date_is_refused() -> None:
    CONFIG.write_text(CONFIG.read_text().replace("\nsource:\n", "\nsource:\n  dates: {length: '%d.%m.%Y'}\n"))
    with pytest.raises(ConfigError, match="source.dates: schema.yaml has no date 'length'; correct the name, or rem"):
        Project.load(RECIPE)


@pytest.mark.usefixtures("project")
def test_limit_on_an_unknown_metric_is_refused_before_anything_runs() -> None:
    PARAMS.write_text(PARAMS.read_text().replace("minimum: {}", "minimum: {accuracy: 0.5}"))
    with pytest.raises(ConfigError, match="gate.minimum: accuracy is not measured .metrics.also., only r2, mae"):
        Project.load(RECIPE)


def test_sections_of_others_in_the_configuration_are_passed_over(project: Project) -> None:
    CONFIG.write_text(CONFIG.read_text() + "dashboard: {port: 8000}\n")
    assert Project.load(RECIPE).paths == project.paths
