"""A copy of the project whose model is committed."""

from machinery.sandbox import copied, original, reproduced, trained

__all__ = ["copied", "original", "reproduced", "trained"]
