"""Services that run: in a thread of the tests, or as the processes that a command starts."""

import json
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import httpx
import psutil
from prometheus_client.parser import text_string_to_metric_families

from {{ cookiecutter.__package_name }}_predict.cli import main
from {{ cookiecutter.__package_name }}_serve.app import create_app
from {{ cookiecutter.__package_name }}_serve.draining import Server
from {{ cookiecutter.__package_name }}_serve.server import configure_server
from {{ cookiecutter.__package_name }}_serve.settings import ServiceSettings

ROW = {"length": 2.5, "count": 7, "colour": "green", "ready": True}
TOKEN = {"Authorization": "Bearer development"}
PROGRAM = main.__module__.partition(".")[0]
PATIENCE = 30.0
TLS = ssl.create_default_context()


class Client(httpx.Client):
    """A client of a service, which knows what tests ask for again and again."""

    def __init__(self, base_url: str | httpx.URL) -> None:
        """Make a client that is patient, and does not read all certificates anew."""
        super().__init__(base_url=base_url, timeout=PATIENCE, verify=TLS)

    def predict(self, *rows: object, **options: Any) -> httpx.Response:
        """Ask for predictions."""
        return self.post("/predict", json={"instances": list(rows)}, **options)

    def count(self, name: str, **labels: str) -> float:
        """Return the sum of a metric over all series that have the labels."""
        families = text_string_to_metric_families(self.get("/metrics").text)
        samples = (sample for family in families for sample in family.samples if sample.name == name)
        return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())


def read_answer(connection: socket.socket) -> tuple[HTTPResponse, bytes]:
    """Read one whole answer, in however many packets it arrives, and return it with its body."""
    answer = HTTPResponse(connection)
    answer.begin()
    return answer, answer.read()


def wait_until(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Wait until a condition holds; fail if it never does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


@contextmanager
def serve_here(settings: ServiceSettings) -> Iterator[Client]:
    """Serve in a thread at a free port, and yield a client."""
    config = configure_server(settings, None)
    config.app, config.factory, config.port = create_app(settings), False, 0
    server = Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started or not thread.is_alive())
        port = server.servers[0].sockets[0].getsockname()[1]
        with Client(f"http://127.0.0.1:{port}") as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()


class Process:
    """A command of the package that runs, whose log is read as it is written."""

    def __init__(self, folder: Path, *arguments: str, environment: dict[str, str]) -> None:
        """Start a command in a folder."""
        self.lines: list[dict[str, Any]] = []
        self.text = ""
        self.process = subprocess.Popen(
            [sys.executable, "-m", PROGRAM, *arguments],
            cwd=folder,
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.text += line
            if line.startswith("{"):
                self.lines.append(json.loads(line))

    def wait_for(self, event: str) -> dict[str, Any]:
        """Return the first line of the log about an event, once there is one."""
        wait_until(lambda: self.said(event) or self.process.poll() is not None)
        assert self.said(event), self.text
        return self.said(event)[0]

    def said(self, event: str) -> list[dict[str, Any]]:
        """Return the lines of the log about an event."""
        return [line for line in self.lines if line["event"] == event]

    def client(self) -> Client:
        """Return a client of the service that this process is, once it is ready."""
        client = Client(self.wait_for("serving")["address"])
        self.wait_for("model live")
        return client

    def stop(self) -> int:
        """Ask the process to end, if it runs, and return its exit code."""
        self.process.terminate()
        return self.wait()

    def wait(self) -> int:
        """Wait for the end of the process and of its log, and return its exit code."""
        code = self.process.wait(PATIENCE)
        self._reader.join()
        assert self.process.stderr is not None
        self.process.stderr.close()
        return code


def find_workers(service: int) -> list[psutil.Process]:
    """Return the processes that answer for a service with this id."""
    found = []
    for child in psutil.Process(service).children():
        with suppress(psutil.NoSuchProcess):  # it has ended meanwhile
            if "spawn_main" in " ".join(child.cmdline()):
                found.append(child)
    return found
