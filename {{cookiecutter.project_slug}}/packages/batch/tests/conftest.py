"""The fixtures of a small model."""

from machinery.small_config import clean_environment
from machinery.small_model import contract, make_model, model_path

__all__ = ["clean_environment", "contract", "make_model", "model_path"]
