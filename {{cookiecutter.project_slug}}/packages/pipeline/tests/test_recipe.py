"""The recipe is found through what is installed; none, several or something else are refused in a sentence."""

from importlib.metadata import EntryPoint

import pytest

from {{ cookiecutter.__package_name }}_pipeline import recipe
from {{ cookiecutter.__package_name }}_predict.errors import ConfigError

from machinery.small_recipe import RECIPE


def test_recipe_is_the_one_that_a_distribution_names() -> None:
    assert recipe.load_recipe() is RECIPE


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "found none as the recipe .*, expected one; install packages/train"),
        (["a:A", "b:B"], "found a:A, b:B as the recipe"),
        (["json:dumps"], "json:dumps is function, expected a Recipe; correct recipe.py"),
    ],
)
def test_no_recipe_several_and_another_thing_are_refused(
    values: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [EntryPoint("recipe", value, recipe.GROUP) for value in values]
    monkeypatch.setattr(recipe, "entry_points", lambda **_: found)
    with pytest.raises(ConfigError, match=message):
        recipe.load_recipe()
