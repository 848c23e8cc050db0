"""Hostile connections of ten kinds beside clients who mean well: nobody is refused, and memory stays bounded."""

import asyncio
import json
import logging
import os
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress

import httpx
import numpy as np
import psutil
import pytest

from {{ cookiecutter.__package_name }}_predict.settings import PREFIX

from ..conftest import Start, start
from ..running import ROW, TLS
from machinery.small_model import contract, model_path

__all__ = ["contract", "model_path", "start"]  # the small ones, not the project's
log = logging.getLogger(__name__)  # shown by pytest --log-cli-level=info
SECONDS = float(os.environ.get("HOSTILE_SECONDS", "10"))
CONNECTIONS, CLIENTS = 1000, 8
OTHER = "127.0.0.2"  # from where those come who mean well
MOST_BYTES = 300 * 2**20
KEY = "a-key"
HEAD = f"POST /predict HTTP/1.1\r\nHost: x\r\nX-API-Key: {KEY}\r\nContent-Type: application/json\r\n".encode()
STRANGER = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
LENGTH = b"Content-Length: 1000000\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
Attack = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def repeat(first: bytes, again: bytes, pause: float) -> Attack:
    """Return an attack that sends something, and then something else again and again, without reading."""

    async def attack(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        while not writer.is_closing():
            await writer.drain()
            await asyncio.sleep(pause)
            writer.write(again)

    return attack


def ask(sent: bytes) -> Attack:
    """Return an attack that sends a request and reads the answer, again and again."""

    async def attack(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not writer.is_closing():
            writer.write(sent)
            await writer.drain()
            if not await reader.read(65_536):
                return
            await asyncio.sleep(0.5)

    return attack


def body_of(content: bytes) -> bytes:
    """Return a request with a body."""
    return HEAD + f"Content-Length: {len(content)}\r\n\r\n".encode() + content


ATTACKS = {
    "idle": repeat(b"", b"", 1),
    "slow head": repeat(b"POST /predict HTTP/1.1\r\n", b"X: y\r\n", 1),
    "large head": repeat(HEAD, b"X-Long: " + b"x" * 8192 + b"\r\n", 0.1),
    "slow body": repeat(HEAD + LENGTH + b"[", b" ", 1),
    "body that never ends": repeat(HEAD + LENGTH + b"[" * 990_000, b" ", 1),
    "small chunks": repeat(HEAD + CHUNKED, b"1\r\n \r\n" * 100, 0.1),
    "endless trailers": repeat(HEAD + CHUNKED + b"2\r\n{}\r\n0\r\n", b"X-More: y\r\n" * 100, 0.1),
    "stranger who goes on": repeat(STRANGER + LENGTH, b" " * 8192, 0.1),
    "requests without reading": repeat(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n" * 10, b"GET /", 1),
    "unknown keys": ask(body_of(json.dumps({"instances": [{str(number): 1 for number in range(20_000)}]}).encode())),
}


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the loopback range has one address")
def test_hostile_connections_cost_others_nothing(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}SERVICE__API_KEYS", f'["{KEY}"]')
    limits = {"body_bytes": 1_000_000, "rows": 1000, "seconds": 10, "requests": 100, "uploads": 20, "connections": 1000}
    running = start("serve", limits=limits)
    with running.client() as service:
        address = (service.base_url.host, service.base_url.port or 0)
    process = psutil.Process(running.process.pid)
    outcomes, opened, most = asyncio.run(run_all(address, process))
    latencies = sorted(outcomes.pop("milliseconds"))
    p50, p99 = (round(value, 1) for value in np.percentile(latencies, [50, 99]))
    log.info("%d answers, p50 %s ms, p99 %s ms; %d MiB; %s", len(latencies), p50, p99, most >> 20, dict(opened))
    assert set(outcomes) == {"200"}
    assert all(opened[name] >= CONNECTIONS / len(ATTACKS) for name in ATTACKS)
    assert most < MOST_BYTES


async def run_all(
    address: tuple[str, int], process: psutil.Process
) -> tuple[dict[str, list[float]], Counter[str], int]:
    """Attack and ask for a while; return the answers by status, connections by attack, and the most memory."""
    outcomes: dict[str, list[float]] = {"milliseconds": []}
    opened: Counter[str] = Counter()
    end = time.monotonic() + SECONDS
    most = 0

    async def harm(name: str, attack: Attack) -> None:
        while time.monotonic() < end:
            with suppress(OSError, TimeoutError):
                reader, writer = await asyncio.open_connection(*address)
                opened[name] += 1
                with suppress(OSError, TimeoutError):
                    await asyncio.wait_for(attack(reader, writer), end - time.monotonic())
                writer.transport.abort()
            await asyncio.sleep(0.2)

    async def behave() -> None:
        while time.monotonic() < end:
            transport = httpx.AsyncHTTPTransport(local_address=OTHER, verify=TLS)
            async with httpx.AsyncClient(
                base_url=f"http://{address[0]}:{address[1]}", timeout=30, transport=transport
            ) as client:
                for _ in range(20):
                    began = time.perf_counter()
                    try:
                        answer = await client.post("/predict", json={"instances": [ROW]}, headers={"X-API-Key": KEY})
                        outcomes.setdefault(answer.text if answer.is_error else "200", []).append(1.0)
                    except httpx.TransportError as error:
                        outcomes.setdefault(repr(error), []).append(1.0)
                    outcomes["milliseconds"].append((time.perf_counter() - began) * 1000)
                    await asyncio.sleep(0.05)

    async def watch() -> None:
        nonlocal most
        while time.monotonic() < end:
            most = max(most, process.memory_info().rss)
            await asyncio.sleep(0.1)

    attacks = [(name, attack) for name, attack in ATTACKS.items() for _ in range(CONNECTIONS // len(ATTACKS))]
    await asyncio.gather(*(harm(*one) for one in attacks), *(behave() for _ in range(CLIENTS)), watch())
    return outcomes, opened, most
