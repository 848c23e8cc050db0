"""An environment without the caller's settings."""

from machinery.small_config import clean_environment

__all__ = ["clean_environment"]
