"""POST /predict: answers, and refusals that say what was found and what is allowed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from {{ cookiecutter.__package_name }}_predict import Model

from .conftest import Serve
from .running import ROW, Client, wait_until
from machinery.small_model import ORDER

JSON = {"Content-Type": "application/json"}


def test_answer_is_the_models_and_names_its_version(service: Client, model_path: Path) -> None:
    model = Model.load(model_path)
    rows = [ROW, {"length": 10, "colour": "red"}, {**ROW, "count": None}]
    answer = service.predict(*rows)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {"model_version": model.version, "predictions": model.predict(rows)}


def test_large_request_gives_the_same_numbers_as_small_ones(service: Client) -> None:
    rows = [{**ROW, "length": index / 100} for index in range(1000)]
    together = service.predict(*rows)
    assert len(together.request.content) > 16_384
    alone = [service.predict(row).json()["predictions"][0] for row in rows[::100]]
    assert together.json()["predictions"][::100] == alone


def test_each_kind_of_field_is_answered_and_unusual_values_are_reported(kinds_service: Client) -> None:
    usual, unusual = ORDER, {**ORDER, "shop": "Bern", "share (%)": 101, "customer": None}
    first, second = kinds_service.predict(usual, unusual).json()["predictions"]
    assert "unusual" not in first
    assert first["prediction"] is True
    assert set(first["probabilities"]) == {"false", "true"}
    assert second["unusual"] == ["shop", "share (%)"]
    assert kinds_service.count("prediction_unusual_values_total", field="shop") == 1
    assert kinds_service.count("prediction_rows_total") == 2


@pytest.mark.parametrize(
    ("changed", "place", "found", "expected"),
    [
        ({"ordered": "31.05.2024"}, "/0/ordered", "'31.05.2024'", "a time such as 2024-05-31T14:30:00Z"),
        ({"born": "2024-05-31T10:00:00"}, "/0/born", "'2024-05-31T10:00:00'", "a date such as 2024-05-31 or null"),
        ({"shop": ""}, "/0/shop", "''", "a text of 1 to 200 characters or null"),
        ({"note": "x" * 101}, "/0/note", "'xxx", "a text of at most 100 characters or null"),
        ({"order no.": 1.5}, "/0/order no.", "1.5", "a text of 1 to 200 characters"),
    ],
)
def test_invalid_value_of_each_kind_is_refused(
    changed: dict[str, object], place: str, found: str, expected: str, kinds_service: Client
) -> None:
    (error,) = refuse(kinds_service, {"instances": [{**ORDER, **changed}]})["errors"]
    assert error["pointer"] == f"#/instances{place}"
    assert error["found"].startswith(found)
    assert error["expected"].startswith(expected)


def refuse(service: Client, body: object, status: int = 422) -> dict[str, Any]:
    """Expect a refusal, and return its document."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = service.post("/predict", content=content, headers=JSON)
    document: dict[str, Any] = answer.json()
    assert answer.status_code == document["status"] == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert document["request_id"] == answer.headers["x-request-id"]
    return document


@pytest.mark.parametrize(
    ("changed", "place", "found", "expected"),
    [
        ({"length": 11}, "/0/length", "11", "a number from 0 up to 10 mm"),
        ({"length": "2.5"}, "/0/length", "'2.5'", "a number from 0 up to 10 mm"),
        ({"length": None}, "/0/length", "nothing", "a number from 0 up to 10 mm"),
        ({"count": 1.5}, "/0/count", "1.5", "an integer from 0 up to 100 or null"),
        ({"count": 10**400}, "/0/count", "1000", "an integer from 0 up to 100 or null"),
        ({"colour": "blue"}, "/0/colour", "'blue'", "one of 'red', 'green'"),
        ({"ready": 1}, "/0/ready", "1", "true or false or null"),
        ({"size": 1}, "/0/size", "an unknown field", "only length, count, colour, ready"),
        ({"a/b~": 1}, "/0/a~1b~0", "an unknown field", "only length, count, colour, ready"),
    ],
)
def test_row_that_breaks_the_contract_is_refused_with_its_field(
    changed: dict[str, object], place: str, found: str, expected: str, service: Client
) -> None:
    document = refuse(service, {"instances": [{**ROW, **changed}]})
    (error,) = document["errors"]
    assert error["pointer"] == f"#/instances{place}"
    assert error["found"].startswith(found)
    assert error["expected"] == expected
    assert document["detail"] == f"{error['pointer']}: found {error['found']}, expected {expected}"


@pytest.mark.parametrize(
    ("body", "place", "found"),
    [
        ({}, "#/instances", "nothing"),
        ({"instances": []}, "#/instances", "0 objects"),
        ({"instances": [ROW] * 1001}, "#/instances", "100"),
        ({"instances": ROW}, "#/instances", "{'length'"),
        ({"instances": None}, "#/instances", "None"),
        ({"instances": [ROW], "more": 1}, "#/more", "an unknown key"),
        ({"instances": [ROW, 3]}, "#/instances/1", "3"),
        ([ROW], "#", "[{"),
        (None, "#", "None"),
        ("text", "#", "'text'"),
    ],
)
def test_body_of_another_shape_is_refused(body: object, place: str, found: str, service: Client) -> None:
    errors = refuse(service, body)["errors"]
    assert errors[0]["pointer"] == place
    assert errors[0]["found"].startswith(found)


def test_one_bad_row_refuses_all_and_is_counted_by_its_field(service: Client) -> None:
    refuse(service, {"instances": [ROW, {**ROW, "length": -1}, {**ROW, "length": 99, "size": 1}]})
    assert service.count("prediction_refused_rows_total", field="length") == 2
    assert service.count("prediction_refused_rows_total", field="(other)") == 1
    assert service.count("prediction_rows_total") == 0


def test_body_with_nothing_but_errors_costs_little(serve: Serve) -> None:
    service = serve(limits={"body_bytes": 1_000_000})
    row = {f"unknown{number}": 1 for number in range(4)}
    document = refuse(service, {"instances": [row] * 1000})
    assert len(document["errors"]) <= 20
    assert {error["pointer"].split("/")[2] for error in document["errors"]} == {"0"}
    for body, detail in (
        ({"instances": [{f"unknown{number}": 1 for number in range(50_000)}]}, "found an object with 50000 keys"),
        ({f"x{n}": 1 for n in range(50_000)}, "found an object with 50000 keys"),
        ({f"x{n}": 1 for n in range(1500)}, "found more than 1000 unknown keys"),
    ):
        document = refuse(service, body)
        assert document["detail"].startswith(detail)
        assert len(json.dumps(document)) < 1000


def test_long_list_of_errors_is_cut(service: Client) -> None:
    document = refuse(service, {"instances": [{**ROW, "length": -1}] * 100})
    assert len(document["errors"]) == 20
    assert document["detail"].endswith("; and 80 more")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe{\x00}\x00",
        json.dumps({"instances": [ROW]}).encode("utf-16"),
        b'{"instances": [{"length": 1, "colour": "r\xe9d"}]}',
        b"[" * 50_000,
        b'{"instances": ' * 5_000,
        b'{"instances": [{"length": 01}]}',
        b'{"instances": [' + b"9" * 5_000 + b"]}",
        b"{'instances': []}",
    ],
    ids=lambda body: ascii(body[:20]),
)
def test_body_that_is_no_json_is_a_bad_request(body: bytes, service: Client) -> None:
    assert refuse(service, body, 400)["detail"].startswith("the body is not valid JSON: ")


@pytest.mark.parametrize(
    ("body", "key"),
    [
        ('{"instances": [{"length": 1, "colour": "red", "length": 2}]}', "length"),
        ('{"instances": [{"length": 1, "colour" : "red", "colour": "red"}]}', "colour"),
        ('{"instances": [{"length": 1, "colour": "red", "colour"\n:\t"red"}]}', "colour"),
        ('{"instances": [], "instances": [{"length": 1, "colour": "red"}]}', "instances"),
    ],
)
def test_key_that_occurs_twice_is_refused(body: str, key: str, service: Client) -> None:
    answer = service.post("/predict", content=body, headers=JSON)
    assert answer.status_code == 422
    assert f"found the key '{key}' twice in one object, expected each key once" in answer.json()["detail"]


def test_space_before_colons_and_quotes_in_texts_are_taken(kinds_service: Client) -> None:
    row = {**ORDER, "note": 'he said: "no": and left'}
    for body in (
        json.dumps({"instances": [row]}, separators=(" , ", " : ")),
        json.dumps({"instances": [row]}, indent=1),
    ):
        assert kinds_service.post("/predict", content=body, headers=JSON).is_success


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400", "-1e400"])
def test_number_that_is_none_is_refused(number: str, service: Client) -> None:
    body = '{"instances": [{"length": NUMBER, "colour": "red"}]}'.replace("NUMBER", number)
    (error,) = refuse(service, body.encode())["errors"]
    assert error["expected"] == "a number from 0 up to 10 mm"


def test_byte_order_mark_is_read_over(service: Client) -> None:
    body = b"\xef\xbb\xbf" + json.dumps({"instances": [ROW]}).encode()
    assert service.post("/predict", content=body, headers=JSON).status_code == 200


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({}, "no Content-Type"),
        ({"Content-Type": "text/plain"}, "Content-Type: text/plain"),
        ({"Content-Type": "application/json; charset=latin-1"}, "Content-Type: application/json; charset=latin-1"),
        ({**JSON, "Content-Encoding": "gzip"}, "Content-Encoding: gzip"),
    ],
)
def test_other_media_types_are_refused(headers: dict[str, str], found: str, service: Client) -> None:
    answer = service.post("/predict", content=json.dumps({"instances": [ROW]}), headers=headers)
    assert answer.status_code == 415
    assert answer.json()["detail"].startswith(f"found {found}, expected Content-Type: application/json")


def test_charset_of_utf_8_is_taken(service: Client) -> None:
    headers = {"Content-Type": 'Application/JSON; charset="UTF-8"'}
    assert service.post("/predict", content=json.dumps({"instances": [ROW]}), headers=headers).status_code == 200


def test_body_over_the_limit_is_refused_whether_it_says_so_or_not(service: Client) -> None:
    said = service.post("/predict", content=b"x" * 100_001, headers=JSON)
    assert said.status_code == 413
    assert "the body has 100001 bytes, expected 100000 bytes at most" in said.json()["detail"]
    unsaid = service.post("/predict", content=(b"x" * 1000 for _ in range(101)), headers=JSON)
    assert unsaid.status_code == 413


def test_key_is_asked_for_where_there_are_some(serve: Serve) -> None:
    service = serve(secrets={"api_keys": ["first", "second"]})
    for key, status in ((None, 401), ("third", 403), ("sécond", 403), ("first", 200), ("second", 200)):
        headers = httpx.Headers({} if key is None else {"X-API-Key": key}, encoding="utf-8")
        bearer = httpx.Headers({} if key is None else {"Authorization": f"Bearer {key}"}, encoding="utf-8")
        for given in (headers, bearer):
            assert service.predict(ROW, headers=given).status_code == status
            for path in ("/model", "/stats", "/metrics", "/docs", "/openapi.json"):
                assert service.get(path, headers=given).status_code == status
    assert service.predict(ROW).headers["www-authenticate"] == "ApiKey"
    assert service.get("/health/live").status_code == service.get("/health/ready").status_code == 200


def test_browser_asks_for_the_key_of_the_documentation(serve: Serve) -> None:
    service = serve(secrets={"api_keys": ["first"]})
    for path in ("/docs", "/openapi.json"):
        assert service.get(path).headers["www-authenticate"].startswith("Basic realm=")
        assert service.get(path, auth=("anybody", "first")).is_success
        assert service.get(path, auth=("anybody", "second")).status_code == 403
        assert service.get(path, headers={"Authorization": "Basic !"}).status_code == 403
    assert service.get("/stats", auth=("anybody", "first")).status_code == 401


def test_without_a_model_the_answer_is_to_come_back_later(serve: Serve, model_path: Path) -> None:
    data = model_path.read_bytes()
    model_path.unlink()
    service = serve()
    for answer in (service.predict(ROW), service.get("/health/ready"), service.get("/model")):
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "10"
        assert str(model_path.parent) not in answer.text
    assert service.get("/health/live").json() == {"status": "alive"}
    assert "/predict" not in service.get("/openapi.json").json()["paths"]
    model_path.write_bytes(data)
    wait_until(lambda: service.get("/health/ready").is_success)
    assert service.predict(ROW).status_code == 200


def test_row_for_which_the_model_gives_no_number_is_refused(service: Client, make_model: Callable[..., Path]) -> None:
    before = service.predict(ROW).json()["model_version"]
    make_model(scale=1e38)
    wait_until(lambda: service.predict({"length": 0, "colour": "red"}).json()["model_version"] != before)
    document = refuse(service, {"instances": [{"length": 0, "colour": "red"}, {**ROW, "length": 10}]})
    assert document["detail"] == "row 2: the model's output is not finite; the row's values are too large, check them"


def test_other_methods_are_refused(service: Client) -> None:
    answer = service.get("/predict")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert service.delete("/model").status_code == 405
