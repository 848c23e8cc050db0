"""What every request goes through: its id, headers, limits, numbers and log lines."""

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from structlog.testing import capture_logs

from {{ cookiecutter.__package_name }}_serve.model_watcher import Served

from .conftest import Serve
from .running import PATIENCE, ROW, TOKEN, Client, read_answer, wait_until


def test_id_of_a_request_goes_into_answer_and_log(service: Client) -> None:
    with capture_logs() as lines:
        answer = service.predict(ROW, headers={"X-Request-ID": "order-17:a"})
        refused = service.get("/nowhere", headers={"X-Request-ID": "order-18"})
        wait_until(lambda: sum("request_id" in line for line in lines) >= 2)
    assert answer.headers["x-request-id"] == "order-17:a"
    assert refused.headers["x-request-id"] == refused.json()["request_id"] == "order-18"
    told = [line for line in lines if "request_id" in line]  # the service says other things, too
    found = {line["request_id"]: (line["method"], line["path"], line["status"]) for line in told}
    assert found == {"order-17:a": ("POST", "/predict", 200), "order-18": ("GET", "(other)", 404)}


@pytest.mark.parametrize("given", ["", "a" * 65, "a b", 'a"b', "<script>", "é"])
def test_id_that_could_do_harm_is_replaced(given: str, service: Client) -> None:
    answers = [service.get("/health/live", headers=[(b"X-Request-ID", given.encode())]) for _ in range(2)]
    first, second = (answer.headers["x-request-id"] for answer in answers)
    assert first != second
    assert given not in (first, second)
    assert len(first) == 32


@pytest.mark.parametrize("path", ["/health/live", "/openapi.json", "/nowhere", "/predict"])
def test_every_answer_has_the_headers_of_security(path: str, service: Client) -> None:
    headers = service.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["cache-control"] == "no-store"
    assert "server" not in headers


def test_page_of_documentation_needs_nothing_from_elsewhere(service: Client) -> None:
    page = service.get("/docs")
    assert page.status_code == 200
    assert "://" not in page.text.replace("http://www.w3.org", "")
    (policy,) = page.headers.get_list("content-security-policy")
    assert "default-src 'none'" in policy
    assert page.headers["referrer-policy"] == "no-referrer"
    for name in ("swagger-ui-bundle.js", "swagger-ui.css"):
        assert f"docs/assets/{name}" in page.text
        assert service.get(f"/docs/assets/{name}").status_code == 200


def test_page_of_documentation_can_be_left_out(serve: Serve) -> None:
    assert serve(docs=False).get("/docs").status_code == 404


def test_other_sites_may_call_only_where_configured(serve: Serve) -> None:
    origin = {"Origin": "https://shop.example.com"}
    assert "access-control-allow-origin" not in serve().predict(ROW, headers=origin).headers
    service = serve(cors_origins=["https://shop.example.com"])
    for answer in (service.predict(ROW, headers=origin), service.predict({}, headers=origin)):
        assert answer.headers["access-control-allow-origin"] == "https://shop.example.com"
    preflight = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    assert service.options("/predict", headers=origin | preflight).status_code == 200
    stranger = service.options("/predict", headers=preflight | {"Origin": "https://example.org"})
    assert stranger.status_code == 400


HEAD = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n"


def open_request(service: Client, sent: bytes, headers: bytes = b"") -> socket.socket:
    """Send the head of a request for predictions and a part of its body of 100 bytes, and return the connection."""
    connection = socket.create_connection((service.base_url.host, service.base_url.port or 80), timeout=10)
    connection.sendall(HEAD + headers + b"\r\n" + sent)
    return connection


def test_body_that_does_not_arrive_is_given_up(serve: Serve) -> None:
    service = serve(limits={"seconds": 1})
    with open_request(service, b'{"instances"') as connection:
        answer, body = read_answer(connection)
    assert answer.status == 408
    assert b"the body was incomplete after 1 seconds" in body
    assert service.predict(ROW).status_code == 200


def test_answer_before_the_end_of_a_body_says_that_it_ends_the_connection(serve: Serve) -> None:
    service = serve(secrets={"api_keys": ["a-key"]})
    with open_request(service, b"{") as connection:
        answer, _ = read_answer(connection)
    assert (answer.status, answer.headers["connection"]) == (401, "close")
    for _ in range(100):  # a head and a body, one after the other
        assert service.predict(ROW).status_code == 401
    with open_request(service, b"{" * 100) as connection:
        for _ in range(2):
            answer, _ = read_answer(connection)
            assert (answer.status, answer.headers["connection"]) == (401, None)
            connection.sendall(HEAD + b"\r\n" + b"{" * 100)


def test_client_that_leaves_is_forgotten(service: Client) -> None:
    open_request(service, b'{"instances"').close()
    wait_until(lambda: service.count("http_requests_total", path="/predict", status="499") == 1)
    assert service.count("http_requests_in_flight") == 0


def test_more_requests_than_configured_are_told_to_come_back(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    from {{ cookiecutter.__package_name }}_serve import predictions

    go_on, predict = threading.Event(), predictions.predict
    service = serve(limits={"requests": 2})

    def wait(served: Served, data: bytes) -> predictions.Answer:
        assert go_on.wait(PATIENCE)
        return predict(served, data)

    with Client(service.base_url) as one, Client(service.base_url) as other, ThreadPoolExecutor() as pool:
        monkeypatch.setattr(predictions, "predict", wait)
        large = [pool.submit(client.predict, *[ROW] * 900) for client in (one, other)]
        wait_until(lambda: service.count("http_requests_in_flight") == 2)
        monkeypatch.undo()
        refused = service.predict(ROW)
        assert refused.status_code == 503
        assert refused.headers["retry-after"] == "1"
        assert service.get("/health/live").status_code == service.get("/health/ready").status_code == 200
        go_on.set()
        assert [answer.result(PATIENCE).status_code for answer in large] == [200, 200]
    assert service.predict(ROW).status_code == 200


def test_bodies_that_still_arrive_shut_nobody_out(serve: Serve) -> None:
    service = serve(limits={"requests": 2, "uploads": 3})
    with ExitStack() as stack:
        slow = [stack.enter_context(open_request(service, b"{")) for _ in range(5)]
        for connection in slow[:2]:  # the oldest have given way
            answer, body = read_answer(connection)
            assert answer.status == 408
            assert b"the body was incomplete after" in body
        assert service.predict(ROW).is_success
        slow[4].sendall(b" " * 99)
        assert read_answer(slow[4])[0].status == 400


@pytest.mark.parametrize("trusted", [True, False])
def test_client_with_the_most_bodies_gives_way(serve: Serve, *, trusted: bool) -> None:
    service = serve(limits={"uploads": 3}, trusted_proxies=["127.0.0.0/8"] if trusted else [])
    with ExitStack() as stack:
        first = stack.enter_context(open_request(service, b"{", b"X-Forwarded-For: 10.0.0.7\r\n"))
        others = [stack.enter_context(open_request(service, b"{", b"X-Forwarded-For: 10.0.0.8\r\n")) for _ in range(3)]
        kept, given_up = (first, others[0]) if trusted else (others[0], first)
        assert read_answer(given_up)[0].status == 408
        kept.sendall(b" " * 99)
        assert read_answer(kept)[0].status == 400


def test_answer_that_takes_too_long_is_given_up(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    from {{ cookiecutter.__package_name }}_serve import predictions

    given_up = threading.Event()
    monkeypatch.setattr(predictions, "predict", lambda *_: given_up.wait(PATIENCE))
    service = serve(limits={"seconds": 1})
    answer = service.predict(*[ROW] * 900)  # enough for a thread of its own
    given_up.set()
    assert answer.status_code == 503
    assert "there was no answer after 1 seconds" in answer.json()["detail"]
    monkeypatch.undo()
    assert service.predict(ROW).status_code == 200


def test_error_of_the_service_itself_says_nothing_to_the_client(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    from {{ cookiecutter.__package_name }}_serve import routes

    service = serve()

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a secret of /srv/private")

    monkeypatch.setattr(routes, "summarise", fail)
    with capture_logs() as lines:
        answer = service.get("/stats")
    assert answer.status_code == 500
    assert "private" not in answer.text
    assert answer.json()["detail"] == "the service has an internal error; see its log"
    assert any(
        line["event"] == "request failed" and line["request_id"] == answer.json()["request_id"] for line in lines
    )


def test_large_requests_do_not_keep_small_ones_waiting(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    from {{ cookiecutter.__package_name }}_serve import predictions

    predict, small_answered = predictions.predict, threading.Event()

    def predict_after_small(served: Served, data: bytes) -> predictions.Answer:
        assert small_answered.wait(PATIENCE)
        return predict(served, data)

    service = serve()
    with Client(service.base_url) as other, ThreadPoolExecutor() as pool:
        monkeypatch.setattr(predictions, "predict", predict_after_small)
        large = pool.submit(other.predict, *[ROW] * 900)
        wait_until(lambda: service.count("http_requests_in_flight") == 1)
        assert service.get("/health/live").is_success
        small_answered.set()
        assert large.result(PATIENCE).is_success


def test_numbers_of_requests_are_counted(service: Client) -> None:
    service.predict(ROW, ROW)
    service.predict({})
    service.get("/retrain/unknown", headers=TOKEN)
    service.get("/nowhere/1")
    assert service.count("http_requests_total", method="POST", path="/predict", status="200") == 1
    assert service.count("http_requests_total", path="/predict", status="422") == 1
    assert service.count("http_requests_total", path="/retrain/{job_id}", status="404") == 1
    assert service.count("http_requests_total", path="(other)", status="404") == 1
    assert service.count("http_request_duration_seconds_count", path="/predict") == 2
    assert service.count("prediction_rows_total") == 2
