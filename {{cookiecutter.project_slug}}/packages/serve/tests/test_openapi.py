"""The OpenAPI document: what it says holds, and whatever a client sends instead is refused, not an error."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from {{ cookiecutter.__package_name }}_predict import Contract, Model

from .conftest import Serve
from .running import ROW, Client
from machinery.small_model import SCHEMA

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(list(ROW.values())),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(list(ROW)) | st.text(), inner, max_size=4)
    ),
    max_leaves=10,
)


def test_document_gives_the_contract_of_the_model(service: Client, model_path: Path) -> None:
    document = service.get("/openapi.json").json()
    operation = document["paths"]["/predict"]["post"]
    body = operation["requestBody"]["content"]["application/json"]
    assert body["example"] == {"instances": [Model.load(model_path).contract.example()]}
    instances = body["schema"]["properties"]["instances"]
    assert (instances["minItems"], instances["maxItems"]) == (1, 1000)
    assert instances["items"]["required"] == ["length", "colour"]
    assert instances["items"]["additionalProperties"] is False
    assert instances["items"]["properties"] == {
        "length": {"type": ["number"], "minimum": 0, "maximum": 10, "x-unit": "mm"},
        "count": {"type": ["integer", "null"], "minimum": 0, "maximum": 100},
        "colour": {"type": ["string"], "enum": ["red", "green"]},
        "ready": {"type": ["boolean", "null"]},
    }
    answer = operation["responses"]["200"]["content"]["application/json"]["schema"]["properties"]["predictions"]
    assert answer["items"]["properties"]["prediction"]["enum"] == ["small", "large"]
    assert "security" not in operation
    assert document["paths"]["/retrain"]["post"]["security"] == [{"token": []}]
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_document_says_since_when_a_field_exists(serve: Serve, make_model: Callable[..., Path]) -> None:
    text = SCHEMA.replace("missing: true}", "missing: true, since: v1.2.0}")
    make_model(contract=Contract.model_validate(yaml.safe_load(text)).model_dump_json())
    operation = serve().get("/openapi.json").json()["paths"]["/predict"]["post"]
    items = operation["requestBody"]["content"]["application/json"]["schema"]["properties"]["instances"]["items"]
    assert {name for name, field in items["properties"].items() if field.get("x-since") == "v1.2.0"} == {
        "count",
        "ready",
    }


def test_document_describes_each_kind_of_field(kinds_service: Client) -> None:
    operation = kinds_service.get("/openapi.json").json()["paths"]["/predict"]["post"]
    items = operation["requestBody"]["content"]["application/json"]["schema"]["properties"]["instances"]["items"]
    assert items["required"] == ["ordered", "share (%)"]
    properties = items["properties"]
    assert properties["ordered"] == {"type": ["string"], "format": "date-time", "examples": ["2024-05-31T14:30:00Z"]}
    assert properties["born"]["format"] == "date"
    assert properties["shop"] == {"type": ["string", "null"], "minLength": 1, "maxLength": 200}
    assert properties["note"] == {"type": ["string", "null"], "maxLength": 100}
    assert properties["share (%)"]["x-expected"] == [0, 100]
    assert properties["customer"]["type"] == ["string", "integer", "null"]
    answer = operation["responses"]["200"]["content"]["application/json"]["schema"]["properties"]["predictions"]
    assert answer["items"]["properties"]["prediction"] == {"type": "boolean", "enum": [False, True]}


def test_document_asks_for_keys_where_there_are_some(serve: Serve) -> None:
    document = serve(secrets={"api_keys": ["key"]}).get("/openapi.json", headers={"X-API-Key": "key"}).json()
    assert document["paths"]["/predict"]["post"]["security"] == [{"key": []}]
    assert document["components"]["securitySchemes"]["key"]["name"] == "X-API-Key"
    assert "security" not in document["paths"]["/health/live"]["get"]


def test_example_of_the_document_is_answered(service: Client) -> None:
    document = service.get("/openapi.json").json()
    example = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["example"]
    assert service.post("/predict", json=example).is_success


@pytest.mark.parametrize("keys", [[], ["key"]])
def test_schemathesis_finds_nothing(keys: list[str], serve: Serve, tmp_path: Path) -> None:
    service = serve(secrets={"api_keys": keys})
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        "run",
        f"{service.base_url}/openapi.json".replace("//openapi", "/openapi"),
        "--header=Authorization: Bearer development",
        "--header=X-API-Key: key",
        "--max-examples=10",
        "--generation-deterministic",
        "--no-color",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-5000:]
    assert "8 selected / 8 total" in done.stdout


def is_refused_or_answered(answer: httpx.Response) -> bool:
    """Return whether an answer is one that a client can do something with."""
    if answer.status_code == 200:
        return bool(answer.json()["predictions"])
    return 400 <= answer.status_code < 500 and answer.headers["content-type"] == "application/problem+json"


def test_no_value_of_json_makes_an_error(service: Client) -> None:
    @settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(VALUES, st.sampled_from(list(ROW)))
    def send(value: object, field: str) -> None:
        for body in (value, {"instances": value}, {"instances": [value]}, {"instances": [{**ROW, field: value}]}):
            content = json.dumps(body).encode(errors="surrogatepass")
            answer = service.post("/predict", content=content, headers={"Content-Type": "application/json"})
            assert is_refused_or_answered(answer), (content, answer.text)

    send()


def test_no_bytes_make_an_error(service: Client) -> None:
    sound = json.dumps({"instances": [ROW]}).encode()

    @settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.binary(max_size=30), st.integers(0, len(sound)), st.integers(0, 10))
    def send(junk: bytes, place: int, cut: int) -> None:
        content = sound[:place] + junk + sound[place + cut :]
        answer = service.post("/predict", content=content, headers={"Content-Type": "application/json"})
        assert is_refused_or_answered(answer), (content, answer.text)

    send()
