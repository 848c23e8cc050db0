"""The fixtures of the service in a copy of the project."""

from ..project.conftest import contract, copied, original, reproduced, small_recipe, start

__all__ = ["contract", "copied", "original", "reproduced", "small_recipe", "start"]
