"""A copy of the project whose model is committed."""

from machinery.sandbox import original, reproduced, trained

__all__ = ["original", "reproduced", "trained"]
