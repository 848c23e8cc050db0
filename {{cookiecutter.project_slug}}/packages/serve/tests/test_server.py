"""The service as the process that its command starts: workers, signals, memory, its log."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import httpx
import psutil
import pytest

from .conftest import Configure, Start
from .running import PROGRAM, ROW, Client, find_workers, read_answer, wait_until


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_worker_that_is_killed_under_load_is_replaced(start: Start) -> None:
    running = start("serve", workers=2)
    service = running.client()
    wait_until(lambda: len(running.said("model live")) >= 2)
    outcomes: Counter[object] = Counter()
    stop = threading.Event()

    def load() -> None:
        while not stop.is_set():
            with Client(service.base_url) as client:
                try:
                    outcomes[client.predict(ROW).status_code] += 1
                except httpx.TransportError:
                    outcomes["broken off"] += 1

    threads = [threading.Thread(target=load) for _ in range(2)]
    for thread in threads:
        thread.start()
    victim = find_workers(running.process.pid)[0]
    wait_until(lambda: outcomes[200] > 50)
    os.kill(victim.pid, signal.SIGKILL)
    wait_until(lambda: len(running.said("model live")) >= 3)
    answered = outcomes[200]
    wait_until(lambda: outcomes[200] > answered + 50)
    stop.set()
    for thread in threads:
        thread.join()
    assert set(outcomes) <= {200, "broken off"}
    assert outcomes["broken off"] <= 3  # what the killed worker was answering, or had accepted
    assert len(find_workers(running.process.pid)) == 2
    assert victim.pid not in {worker.pid for worker in find_workers(running.process.pid)}
    assert service.count("model_info") == 2
    assert service.count("http_requests_total", path="/predict", status="200") >= outcomes[200]
    service.close()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_workers_end_with_the_process_that_would_replace_them(start: Start) -> None:
    running = start("serve", workers=2)
    with running.client() as service:
        wait_until(lambda: len(running.said("model live")) >= 2)
        workers = find_workers(running.process.pid)
        os.kill(running.process.pid, signal.SIGKILL)
        wait_until(lambda: not any(psutil.pid_exists(worker.pid) for worker in workers))
        with pytest.raises(httpx.TransportError):
            service.predict(ROW)


def test_numbers_are_those_of_all_workers(start: Start) -> None:
    running = start("serve", workers=2)
    service = running.client()
    wait_until(lambda: len(running.said("model live")) >= 2)
    for _ in range(40):  # each by a connection of its own, so that both workers answer some
        with Client(service.base_url) as client:
            client.predict(ROW)
    assert service.count("http_requests_total", path="/predict") == 40
    assert service.count("prediction_rows_total") == 40
    assert service.count("model_info") == 2
    wait_until(lambda: service.count("prediction_log_rows_total") == 40)
    service.close()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")
@pytest.mark.parametrize("workers", [1, 2])
def test_stop_finishes_what_is_in_flight(workers: int, start: Start) -> None:
    running = start("serve", workers=workers)
    with running.client() as service:
        address = (service.base_url.host, service.base_url.port or 0)
    body = json.dumps({"instances": [ROW]}).encode()
    head = f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(head.encode() + body[:10])
        time.sleep(1)  # until it is in flight
        running.process.terminate()
        time.sleep(0.3)
        connection.sendall(body[10:])
        assert read_answer(connection)[0].status == 200
    assert running.wait() in (0, -signal.SIGTERM)
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(address, timeout=1)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")
@pytest.mark.parametrize("workers", [1, 2])
def test_stop_under_load_breaks_off_no_request(workers: int, start: Start) -> None:
    running = start("serve", workers=workers, drain_seconds=2)
    service = running.client()
    wait_until(lambda: len(running.said("model live")) >= workers)
    outcomes: Counter[object] = Counter()

    def ask() -> None:
        with Client(service.base_url) as client:
            while True:
                try:
                    answer = client.predict(ROW)
                except httpx.ConnectError:  # it has stopped
                    return
                except httpx.TransportError as error:
                    outcomes[repr(error)] += 1
                else:
                    outcomes[answer.status_code, answer.headers.get("connection")] += 1

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    wait_until(lambda: outcomes[200, None] > 100)
    running.process.terminate()
    running.wait_for("draining")
    readiness = service.get("/health/ready").status_code
    assert service.get("/health/live").is_success
    for thread in threads:
        thread.join()
    service.close()
    assert running.wait() in (0, -signal.SIGTERM)
    assert set(outcomes) == {(200, None), (200, "close")}
    assert outcomes[200, "close"] > 10
    assert readiness == 503 or workers > 1  # with several workers, not all have heard it at once


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")
def test_second_signal_ends_the_wait(start: Start) -> None:
    running = start("serve", drain_seconds=3600)
    running.client().close()
    running.process.terminate()
    running.wait_for("draining")
    running.process.terminate()
    assert running.wait() in (0, -signal.SIGTERM)


def test_log_is_lines_of_json_that_bear_the_ids(start: Start) -> None:
    running = start("serve", logs={"format": "json"})
    with running.client() as service:
        service.predict(ROW, headers={"X-Request-ID": "order-1"})
    running.stop()
    (line,) = running.said("request")
    assert (line["request_id"], line["status"], line["path"], line["level"]) == ("order-1", 200, "/predict", "info")
    assert line["timestamp"].endswith("Z")
    assert all(text.startswith("{") for text in running.text.splitlines())


def test_log_that_nobody_reads_any_more_costs_nothing(configure: Configure, model_path: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    configure(port=port)
    process = subprocess.Popen([sys.executable, "-m", PROGRAM, "serve"], cwd=tmp_path, stderr=subprocess.PIPE)
    assert process.stderr is not None
    with Client(f"http://127.0.0.1:{port}") as service:
        for line in process.stderr:
            if b"startup complete" in line:
                break
        process.stderr.close()
        model_path.write_bytes(b"broken")
        for _ in range(100):
            assert service.predict(ROW).is_success
        wait_until(lambda: service.count("prediction_log_rows_total") == 100)
        wait_until(lambda: service.count("model_reload_failures_total") == 1)
    process.terminate()
    process.wait(30)


def test_log_in_a_terminal_can_be_read(start: Start) -> None:
    running = start("serve", logs={"format": "text"})
    wait_until(lambda: "startup complete" in running.text)
    assert "serving" in running.text
    assert not running.lines


def test_port_that_is_taken_is_told(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        running = start("serve", port=taken.getsockname()[1])
        assert running.wait() == 1
    assert running.text.startswith("error: the service cannot listen on 127.0.0.1, port ")


def test_flags_of_the_command_beat_the_configuration(start: Start, model_path: Path, tmp_path: Path) -> None:
    model_path.rename(tmp_path / "other.onnx")
    running = start("serve", "--model", "other.onnx", "--host", "localhost", "--workers", "1", workers=2)
    with running.client() as service:
        assert service.predict(ROW).is_success
    assert running.said("serving")[0]["workers"] == 1
