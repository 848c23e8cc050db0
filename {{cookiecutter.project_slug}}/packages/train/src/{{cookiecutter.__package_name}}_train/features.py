"""What the estimator sees."""

from typing import Any


def features(c: Any, f: Any) -> dict[str, Any]:
    """Return the columns for the estimator, by name: here all of schema.yaml, each encoded by its kind.

    `c.amount` or `c["Bill length (%)"]` is a column; calculate with it, compare it, or pass it to a function of `f`
    (docs/science.md lists them). The model file contains the same operations, so production computes the same values.
    """
    return {**c}
