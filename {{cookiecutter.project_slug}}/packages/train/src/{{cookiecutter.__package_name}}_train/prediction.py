"""The prediction package, on which training builds; only this module spells its name."""

from {{ cookiecutter.__package_name }}_predict.artefact import (
    ATOL,
    FORMAT,
    INPUT,
    RTOL,
    Baseline,
    FeatureBaseline,
    Golden,
    Lineage,
    as_json,
    seal,
)
from {{ cookiecutter.__package_name }}_predict.atomic import whole_file
from {{ cookiecutter.__package_name }}_predict.contract import (
    Boolean,
    Category,
    Contract,
    Matrix,
    Number,
    load_contract,
)
from {{ cookiecutter.__package_name }}_predict.errors import ConfigError, DataError, ProjectError
from {{ cookiecutter.__package_name }}_predict.model import Model
from {{ cookiecutter.__package_name }}_predict.rejects import Rejects, rejects_file
from {{ cookiecutter.__package_name }}_predict.tables import (
    NULLS,
    SUFFIXES,
    Checked,
    Fields,
    check_batch,
    decode,
    empty_table,
    encode,
    read_batches,
    table_suffix,
)
from {{ cookiecutter.__package_name }}_predict.yamlfile import load_yaml, parse_yaml

__all__ = [
    "ATOL",
    "FORMAT",
    "INPUT",
    "NULLS",
    "RTOL",
    "SUFFIXES",
    "Baseline",
    "Boolean",
    "Category",
    "Checked",
    "ConfigError",
    "Contract",
    "DataError",
    "FeatureBaseline",
    "Fields",
    "Golden",
    "Lineage",
    "Matrix",
    "Model",
    "Number",
    "ProjectError",
    "Rejects",
    "as_json",
    "check_batch",
    "decode",
    "empty_table",
    "encode",
    "load_contract",
    "load_yaml",
    "parse_yaml",
    "read_batches",
    "rejects_file",
    "seal",
    "table_suffix",
    "whole_file",
]
