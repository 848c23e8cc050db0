"""The prediction package, on which training builds; only this module spells its name."""

from {{ cookiecutter.__package_name }}_predict.artefact import (
    FORMAT,
    INPUT,
    Baseline,
    FeatureBaseline,
    Golden,
    Lineage,
    add_entry,
    agree,
    as_json,
    seal,
)
from {{ cookiecutter.__package_name }}_predict.atomic import whole_file
from {{ cookiecutter.__package_name }}_predict.contract import Contract, Matrix, load_contract
from {{ cookiecutter.__package_name }}_predict.errors import (
    ConfigError,
    DataError,
    ModelError,
    ProjectError,
)
from {{ cookiecutter.__package_name }}_predict.fields import INTEGER_MAX, Boolean, Category, Number
from {{ cookiecutter.__package_name }}_predict.main import run_app
from {{ cookiecutter.__package_name }}_predict.model import Model
from {{ cookiecutter.__package_name }}_predict.readers import (
    SUFFIXES,
    read_batches,
    readable,
    table_suffix,
)
from {{ cookiecutter.__package_name }}_predict.rejects import Rejects, rejects_file
from {{ cookiecutter.__package_name }}_predict.settings import (
    PREFIX,
    Settings,
    load_settings,
)
from {{ cookiecutter.__package_name }}_predict.tables import (
    NULLS,
    Checked,
    Fields,
    check_batch,
    decode,
    empty_table,
    encode,
)
from {{ cookiecutter.__package_name }}_predict.yamlfile import load_yaml, parse_yaml

__all__ = [
    "FORMAT",
    "INPUT",
    "INTEGER_MAX",
    "NULLS",
    "PREFIX",
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
    "ModelError",
    "Number",
    "ProjectError",
    "Rejects",
    "Settings",
    "add_entry",
    "agree",
    "as_json",
    "check_batch",
    "decode",
    "empty_table",
    "encode",
    "load_contract",
    "load_settings",
    "load_yaml",
    "parse_yaml",
    "read_batches",
    "readable",
    "rejects_file",
    "run_app",
    "seal",
    "table_suffix",
    "whole_file",
]
