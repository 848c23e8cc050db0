"""What the estimator sees."""

from {{ cookiecutter.__package_name }}_pipeline.recipe import Columns


def features(columns: Columns) -> Columns:
    """Return the estimator's columns, by name, from the contract's.

    A column has the shape (rows,). A category is the index of its value in the contract; a missing value is NaN.
    """
    return columns
