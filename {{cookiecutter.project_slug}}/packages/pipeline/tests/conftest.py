"""The fixtures of a small project."""

from machinery.small_config import clean_environment
from machinery.small_project import (
    evaluated,
    kind,
    project,
    small_recipe,
    split_project,
    staged,
    with_params,
)

__all__ = [
    "clean_environment",
    "evaluated",
    "kind",
    "project",
    "small_recipe",
    "split_project",
    "staged",
    "with_params",
]
