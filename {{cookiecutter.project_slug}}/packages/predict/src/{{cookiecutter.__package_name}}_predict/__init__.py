"""Predict with a trained model: `Model.load(path).predict(rows)`.

This package does not depend on training: it needs numpy, onnxruntime, pydantic and typer.
"""

from .contract import Contract, load_contract
from .errors import ConfigError, DataError, ModelError, ProjectError
from .model import Model

__all__ = ["ConfigError", "Contract", "DataError", "Model", "ModelError", "ProjectError", "load_contract"]
