"""The OpenAPI document, generated from the contract of the live model."""

import math
from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from {{ cookiecutter.__package_name }}_predict.contract import Contract
from {{ cookiecutter.__package_name }}_predict.fields import (
    LONGEST_VALUE,
    AnyField,
    Boolean,
    Category,
    Date,
    Number,
    Text,
)

from .body import INSTANCES
from .problems import MEDIA_TYPE, SCHEMA
from .security import KEY_HEADER, KEY_PATHS

Document = dict[str, Any]


def make_document(app: FastAPI, contract: Contract | None, most_rows: int, *, keys: bool) -> Document:
    """Return the document of an application that serves a model with a contract.

    Args:
        app: the application, whose other routes are documented too.
        contract: the contract of the live model; None if there is no model yet.
        most_rows: how many instances a request may have.
        keys: whether requests need an API key.
    """
    document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    components = document.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):  # FastAPI's own, which problem documents replace
        components.pop(name, None)
    components["Problem"] = SCHEMA
    if contract:
        document["paths"]["/predict"] = {"post": _operation(contract, most_rows)}
    problem = {"description": "A problem document.", "content": {MEDIA_TYPE: {"schema": _reference("Problem")}}}
    for path, item in document["paths"].items():
        for operation in item.values():
            operation["responses"].pop("422", None)
            operation["responses"]["default"] = problem
            if path.startswith("/retrain"):
                operation["security"] = [{"token": []}]
            elif keys and path in KEY_PATHS:
                operation["security"] = [{"key": []}]
    schemes = {"token": {"type": "http", "scheme": "bearer"}}
    if keys:
        schemes["key"] = {"type": "apiKey", "in": "header", "name": KEY_HEADER}
    document["components"]["securitySchemes"] = schemes
    return document


def _operation(contract: Contract, most_rows: int) -> Document:
    instances = {"type": "array", "minItems": 1, "maxItems": most_rows, "items": _describe_row(contract)}
    answer = {
        "type": "object",
        "required": ["model_version", "predictions"],
        "properties": {
            "model_version": {"type": "string", "description": "The version of the model that answered."},
            "predictions": {"type": "array", "items": _describe_prediction(contract)},
        },
    }
    return {
        "summary": f"Predict {contract.target_name}",
        "description": "One prediction for each instance, in order; a single invalid instance rejects the request.",
        "operationId": "predict",
        "tags": ["predictions"],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "required": [INSTANCES],
                        "additionalProperties": False,
                        "properties": {INSTANCES: instances},
                    },
                    "example": {INSTANCES: [contract.example()]},
                }
            },
        },
        "responses": {"200": {"description": "The predictions.", "content": {"application/json": {"schema": answer}}}},
    }


def _describe_row(contract: Contract) -> Document:
    keys = {name: _describe_key(field) for name, field in contract.key_fields.items()}
    return {
        "type": "object",
        "required": [name for name, field in contract.features.items() if not field.missing],
        "additionalProperties": False,
        "properties": {name: _describe_field(field) for name, field in contract.features.items()} | keys,
    }


def _describe_prediction(contract: Contract) -> Document:
    target = contract.target_field
    described = {"description": target.description} if target.description else {}
    unusual = {
        "type": "array",
        "items": {"type": "string"},
        "description": "The fields whose values are unusual, if there are any.",
    }
    if isinstance(target, Number):
        unit = {"x-unit": target.unit} if target.unit else {}
        ends = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
        interval = {**ends, "description": "An interval around the prediction, if the model has one."}
        number = {"type": "number", **unit, **described}
        return {
            "type": "object",
            "required": ["prediction"],
            "properties": {"prediction": number, "interval": interval, "unusual": unusual},
        }
    shares = {label: {"type": "number", "minimum": 0, "maximum": 1} for label in contract.classes}
    kind = "boolean" if isinstance(target, Boolean) else "string"
    return {
        "type": "object",
        "required": ["prediction", "probabilities"],
        "properties": {
            "prediction": {"type": kind, "enum": list(contract.labels), **described},
            "probabilities": {"type": "object", "required": list(contract.classes), "properties": shares},
            "unusual": unusual,
        },
    }


def _reference(name: str) -> Document:
    return {"$ref": f"#/components/schemas/{name}"}


def _describe_key(field: Category | Date) -> Document:
    """Return the JSON schema of a key, which a request may omit."""
    kinds = ["string", "null"] if isinstance(field, Date) else ["string", "integer", "null"]
    return {"type": kinds, "description": "A key: it is logged with the prediction, and does not influence it."}


def _describe_field(field: AnyField) -> Document:
    """Return the JSON schema of a field's values."""
    return {key: value for key, value in _list_properties(field) if value not in ("", None)}


def _list_properties(field: AnyField) -> Iterator[tuple[str, object]]:
    null = ["null"] if field.missing else []
    if isinstance(field, Number):
        low, high = (math.ceil, math.floor) if field.type == "integer" else (float, float)
        yield from {"type": [field.type, *null], "minimum": low(field.low), "maximum": high(field.high)}.items()
        yield "x-unit", field.unit
        yield "x-expected", list(field.expected) if field.expected else None
    elif isinstance(field, Boolean):
        yield "type", ["boolean", *null]
    elif isinstance(field, Category) and not field.open:
        yield from {"type": ["string", *null], "enum": [*field.values, *([None] * field.missing)]}.items()
    else:
        yield "type", ["string", *null]
        if isinstance(field, Category):
            yield from {"minLength": 1, "maxLength": LONGEST_VALUE}.items()
        if isinstance(field, Text):
            yield "maxLength", field.max_length
        if isinstance(field, Date):
            yield from {"format": "date" if field.type == "date" else "date-time", "examples": [field.example]}.items()
    yield "x-since", field.since
    yield "description", field.description
