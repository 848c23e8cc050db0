"""Connections: what is slow, endless, early or no HTTP at all is cut off, and costs little memory."""

import json
import socket
import time
from contextlib import ExitStack

import httpx
import psutil
import pytest

from {{ cookiecutter.__package_name }}_predict.settings import PREFIX

from .conftest import Start
from .running import ROW, Client, read_answer


def is_closed(connection: socket.socket) -> bool:
    """Return whether the service has closed a connection on which it has sent nothing."""
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def test_connections_that_wait_longest_give_way(start: Start) -> None:
    with start("serve", limits={"connections": 20}).client() as service, ExitStack() as stack:
        address = (service.base_url.host, service.base_url.port or 0)
        idle = [stack.enter_context(socket.create_connection(address, timeout=10)) for _ in range(60)]
        for _ in range(3):
            with Client(service.base_url) as other:
                assert other.predict(ROW).is_success
        assert sum(map(is_closed, idle)) >= 40


def test_connection_that_never_sends_a_whole_head_is_closed(start: Start) -> None:
    with start("serve", limits={"seconds": 1}).client() as service:
        address = (service.base_url.host, service.base_url.port or 0)
        for sent in (b"", b"GET / HTTP/1.1\r\nX: y\r\n", b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\nGET /h"):
            with socket.create_connection(address, timeout=10) as connection:
                connection.sendall(sent)
                while connection.recv(10_000):
                    pass
        assert service.predict(ROW).is_success


def test_head_without_end_and_requests_without_end_are_cut_off(start: Start) -> None:
    running = start("serve")
    with running.client() as service:
        address = (service.base_url.host, service.base_url.port or 0)
        memory = psutil.Process(running.process.pid).memory_info().rss
        for part in (b"X-Long: " + b"x" * 60_000 + b"\r\n", b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 2000):
            with socket.create_connection(address, timeout=10) as connection:
                connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n" + (b"\r\n" if part[:1] == b"G" else b""))
                with pytest.raises(ConnectionError):  # noqa: PT012  # until it is closed
                    for _ in range(2000):
                        connection.sendall(part)
        assert psutil.Process(running.process.pid).memory_info().rss < memory + 50 * 2**20
        assert service.predict(ROW).is_success


CHUNKED = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNKED += b"2\r\n{}\r\n"


@pytest.mark.parametrize(
    "endless", [b"0\r\n" + b"X-More: y\r\n" * 5000, b"0\r\nX-Long: " + b"x" * 2**20, b"1;x=" + b"y" * 2**20]
)
def test_trailers_and_chunks_without_end_are_cut_off(endless: bytes, start: Start) -> None:
    running = start("serve")
    with running.client() as service:
        service.predict(ROW)
        address = (service.base_url.host, service.base_url.port or 0)
        memory = psutil.Process(running.process.pid).memory_info().rss
        with socket.create_connection(address, timeout=10) as connection:
            connection.sendall(CHUNKED + endless[:30])
            with pytest.raises(ConnectionError):  # noqa: PT012  # until it is closed
                for _ in range(500):
                    connection.sendall(endless[30:])
        assert psutil.Process(running.process.pid).memory_info().rss < memory + 20 * 2**20
        assert service.predict(ROW).is_success


def test_trailers_are_dropped(start: Start) -> None:
    with start("serve").client() as service:
        address = (service.base_url.host, service.base_url.port or 0)
        with socket.create_connection(address, timeout=10) as connection:
            for _ in range(2):
                connection.sendall(CHUNKED + b"0\r\nX-Request-ID: trailer\r\n\r\n")
                answer, body = read_answer(connection)
                assert answer.status == 422
                assert b"trailer" not in answer.headers.as_bytes() + body


@pytest.mark.parametrize("path", ["/predict", "/retrain"])
def test_connection_is_closed_after_an_answer_before_the_end_of_the_body(
    path: str, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"{PREFIX}SERVICE__API_KEYS", '["a-key"]')
    with start("serve").client() as service:
        address = (service.base_url.host, service.base_url.port or 0)
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 90000\r\n\r\n"
        with socket.create_connection(address, timeout=10) as connection:
            connection.sendall(head.encode() + b"[" * 1000)
            said = b""
            while part := connection.recv(10_000):
                said += part
            assert said.startswith(b"HTTP/1.1 401 ")
            assert b"\r\nconnection: close\r\n" in said
            with pytest.raises(ConnectionError):  # noqa: PT012  # the rest is not read for ever
                for _ in range(100):
                    connection.sendall(b"[" * 2**16)
                    time.sleep(0.05)


def test_what_is_no_http_gets_a_problem_document_too(start: Start) -> None:
    with start("serve").client() as service:
        address = (service.base_url.host, service.base_url.port or 0)
        for sent, status in ((b"nonsense\r\n\r\n", 400), (b"GET / HTTP/1.1\r\nX: " + b"y" * 70_000, 431)):
            with socket.create_connection(address, timeout=10) as connection:
                connection.sendall(sent)
                answer, body = read_answer(connection)
                document = json.loads(body)
            assert (answer.status, document["status"]) == (status, status)
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.headers["connection"] == "close"
            assert document["request_id"] == answer.headers.get("x-request-id", document["request_id"])


def test_bodies_of_a_hundred_megabytes_are_refused_and_leave_no_trace(start: Start) -> None:
    running = start("serve")
    with running.client() as service:
        for _ in range(20):
            service.predict(ROW)
        memory = psutil.Process(running.process.pid).memory_info().rss
        megabyte = b"[" * 2**20
        for said in (True, False):
            length = {"Content-Length": str(100 * 2**20)} if said else {}
            try:
                answer = service.post(
                    "/predict",
                    content=(megabyte for _ in range(100)),
                    headers={"Content-Type": "application/json", **length},
                )
                assert answer.status_code == 413
            except httpx.WriteError:  # it was refused while the client was still sending
                assert not said
        assert psutil.Process(running.process.pid).memory_info().rss < memory + 20 * 2**20
        assert service.predict(ROW).is_success
