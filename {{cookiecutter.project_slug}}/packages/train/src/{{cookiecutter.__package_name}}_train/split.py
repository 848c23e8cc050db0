"""How rows are kept out of training."""

import pyarrow as pa

from {{ cookiecutter.__package_name }}_pipeline.splits import random_split
from {{ cookiecutter.__package_name }}_predict import Contract


def split(table: pa.Table, contract: Contract, holdout_share: float, seed: int) -> tuple[pa.Table, pa.Table]:
    """Return the training rows and the holdout, drawn at random; each class keeps its share in both."""
    classes = table.column(contract.target_name).to_numpy() if contract.classes else None
    return random_split(table, holdout_share, seed, stratify=classes)
