"""An environment without the caller's settings, and a prediction log."""

from machinery.small_config import clean_environment
from machinery.small_log import write

__all__ = ["clean_environment", "write"]
