"""Prepare the contract's columns, in steps that can be exported with the estimator."""

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from {{ cookiecutter.__package_name }}_predict.contract import Contract
from {{ cookiecutter.__package_name }}_predict.fields import Category


def prepare_columns(contract: Contract, *, scale: bool) -> ColumnTransformer:
    """Return an unfitted transformer: medians for missing numbers, an indicator column for each value of a category.

    Args:
        contract: its features are the columns, in this order.
        scale: whether to standardise numbers. Trees do not need it, and rounding to single precision can then move
            rows across splits.
    """
    fields = list(contract.features.values())
    categories = [index for index, field in enumerate(fields) if isinstance(field, Category)]
    numbers = [index for index in range(len(fields)) if index not in categories]
    levels = [list(range(len(field.values))) for field in fields if isinstance(field, Category)]
    scaler = [StandardScaler()] if scale else []
    return ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), *scaler), numbers),
            (
                "categories",
                make_pipeline(
                    SimpleImputer(strategy="constant", fill_value=-1),  # not a level: all its columns become zero
                    OneHotEncoder(categories=levels, handle_unknown="ignore", sparse_output=False, dtype=np.float32),
                ),
                categories,
            ),
        ]
    )
