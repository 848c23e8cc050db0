"""Write the metadata of a model file with onnx; the prediction package only reads it."""

from onnx import load_from_string
from onnx.helper import set_model_props

from {{ cookiecutter.__package_name }}_predict.artefact import SEAL, seal


def add_metadata(sealed: bytes, key: str, value: str) -> bytes:
    """Return a sealed model file with one more metadata entry and a new seal."""
    model = load_from_string(sealed)
    kept = {entry.key: entry.value for entry in model.metadata_props if entry.key != SEAL}
    set_model_props(model, {**kept, key: value})
    return seal(model.SerializeToString(deterministic=True))
