"""One request and its response, as they pass through the middleware."""

import asyncio
import itertools
import re
import secrets
import time
from http import HTTPStatus
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from .problems import Problem

REQUEST_ID = re.compile(rb"[\w.:/+=-]{1,64}", flags=re.ASCII)
PROCESS, NUMBERS = secrets.token_hex(10), itertools.count()  # a request's id: 32 digits, without a system call
JSON = (b"content-type", b"application/json")
HEADERS = [
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
]


class Exchange:
    """A request and its response."""

    __slots__ = (
        "_body",
        "_limit",
        "_read",
        "_receive",
        "_scope",
        "_send",
        "complete",
        "expired",
        "headers",
        "method",
        "request_id",
        "started",
        "status",
        "task",
    )

    def __init__(self, scope: Scope, receive: Receive, send: Send, limit: int) -> None:
        self.started = time.perf_counter()
        self.status = 0
        self.expired = False
        self.method: str = scope["method"]
        self.task: asyncio.Task[Any] = asyncio.current_task()  # type: ignore[assignment]  # a server runs it in one
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        announced = self.headers.get(b"content-length", b"0")
        self.complete = announced == b"0" and b"transfer-encoding" not in self.headers
        given = self.headers.get(b"x-request-id")
        sound = given and REQUEST_ID.fullmatch(given)
        self.request_id = given.decode() if given and sound else f"{PROCESS}{next(NUMBERS):012x}"
        self._scope = scope
        self._receive, self._send, self._limit, self._read = receive, send, limit, 0
        self._body: bytes | None = None

    def check_length(self) -> None:
        """Reject a body whose announced length is too large, before it is read."""
        announced = self.headers.get(b"content-length", b"")
        if len(announced) > 18 or (announced.isdigit() and int(announced) > self._limit):
            self._refuse(f"{announced.decode():.20} bytes")

    def expire(self) -> None:
        """Cancel the request because its time is up; asyncio.timeout does the same, but takes four times as long."""
        self.expired = True
        self.task.cancel()

    async def receive_fetched(self) -> Message:
        """Pass on the body that was read in advance, and later messages after it."""
        if self._body is None:
            return await self._receive()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}

    async def read(self) -> None:
        """Read the whole body.

        Raises:
            ClientDisconnect: the client has disconnected.
        """
        parts = []
        while not self.complete:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            parts.append(message.get("body", b""))
        self._body = b"".join(parts)

    def take(self) -> bytes:
        """Return the body that was read, once."""
        body, self._body = self._body or b"", None
        return body

    async def answer(self, body: bytes) -> None:
        """Send a complete JSON response with status 200."""
        self.status = 200
        length = str(len(body)).encode()
        headers = [(b"content-length", length), JSON, (b"x-request-id", self.request_id.encode()), *HEADERS]
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})

    async def receive(self) -> Message:
        """Pass on a part of the body, up to the limit."""
        message = await self._receive()
        if message["type"] == "http.request":
            self._read += len(message.get("body", b""))
            self.complete = not message.get("more_body", False)
            if self._read > self._limit:
                self._refuse("more")
        return message

    async def send(self, message: Message) -> None:
        """Pass on a part of the response, adding the common headers to its head."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            given = {name for name, _ in message["headers"]}
            ours = [header for header in HEADERS if header[0] not in given]
            message["headers"] = [*message["headers"], (b"x-request-id", self.request_id.encode()), *ours]
        await self._send(message)

    @property
    def arrived(self) -> bool:
        """Whether the whole body has arrived, so that it can be read without waiting; the protocol knows."""
        return "arrived" in self._scope

    @property
    def seconds(self) -> float:
        """The time since the request's head, in seconds."""
        return time.perf_counter() - self.started

    def _refuse(self, found: str) -> None:
        raise Problem(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"the body has {found}, expected {self._limit} bytes at most; send fewer instances at a time",
        )
