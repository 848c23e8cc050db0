"""The estimators of params.yaml: what cannot be had is refused in a sentence."""

import pytest
import yaml

from {{ cookiecutter.__package_name }}_predict import ConfigError, Contract
from {{ cookiecutter.__package_name }}_train import estimator

from .small_config import ROOT

BINARY = Contract.model_validate({"features": {"a": {"type": "number"}}, "target": {"b": {"type": "boolean"}}})


def read_parameters(**changed: object) -> estimator.Parameters:
    """Return the parameters of the project, with some changed."""
    found = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))["train"]
    return estimator.Parameters.model_validate({**found, **changed})


def test_xgboost_that_is_not_installed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(estimator, "import_module", refuse)
    with pytest.raises(ConfigError, match=r"xgboost is not installed; .* install requirements/extra-xgboost.txt"):
        estimator.build(BINARY, read_parameters(model="xgboost"), 0)


def test_class_weights_of_xgboost_are_refused() -> None:
    with pytest.raises(ConfigError, match="class_weight: xgboost has none; set it to null, or choose lightgbm"):
        estimator.build(BINARY, read_parameters(model="xgboost", class_weight="balanced"), 0)


@pytest.mark.parametrize("model", ["lightgbm", "boosting", "forest", "linear"])
def test_class_weights_reach_the_estimator(model: str) -> None:
    built = estimator.build(BINARY, read_parameters(model=model, class_weight="balanced"), 0)
    assert "balanced" in built.get_params().values() or "balanced" in built[-1].get_params().values()
