"""The preparation of the contract's columns, as steps that can be exported with the estimator."""

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
        contract: whose features are the columns, in its order.
        scale: whether to standardise numbers. Trees do without: scaling changes nothing for them, and in single
            precision it moves rows across splits.
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
                    SimpleImputer(strategy="constant", fill_value=-1),  # no level: all its columns are zero
                    OneHotEncoder(categories=levels, handle_unknown="ignore", sparse_output=False, dtype=np.float32),
                ),
                categories,
            ),
        ]
    )
