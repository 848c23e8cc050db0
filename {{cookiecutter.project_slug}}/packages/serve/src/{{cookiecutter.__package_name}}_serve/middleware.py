"""The middleware that every request passes through.

A single ASGI layer around the application (https://asgi.readthedocs.io/en/latest/specs/www.html) gives each request an
id, refuses who may not ask, reads the body, enforces the limits, adds headers to the response, and counts, times and
logs it. It is one hand-written layer because each of Starlette's layers takes as long as a prediction.
"""

import asyncio
import itertools
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .metrics import Metrics
from .problems import Problem, internal_error, unavailable
from .settings import Limits
from .uploads import Uploads

log = structlog.get_logger()
REQUEST_ID = re.compile(rb"[\w.:/+=-]{1,64}", flags=re.ASCII)
PROCESS, NUMBERS = secrets.token_hex(10), itertools.count()  # a request's id: 32 digits, without a system call
JSON = (b"content-type", b"application/json")
SHORT_BYTES = 65_536
GONE = 499  # what nginx logs when a client disconnects before the response
HEADERS = [
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
]
ALWAYS_ANSWERED = ("/health/live", "/health/ready", "/metrics")


class Exchange:
    """One request and its response, as they pass through the middleware."""

    __slots__ = (
        "_body",
        "_limit",
        "_read",
        "_receive",
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
    def is_short(self) -> bool:
        """Whether to read the body although the request is refused: the connection can then be used again."""
        announced = self.headers.get(b"content-length", b"")
        return len(announced) < 8 and announced.isdigit() and int(announced) <= SHORT_BYTES

    @property
    def seconds(self) -> float:
        """The time since the request's head, in seconds."""
        return time.perf_counter() - self.started

    def _refuse(self, found: str) -> None:
        raise Problem(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"the body has {found}, expected {self._limit} bytes at most; send fewer instances at a time",
        )


Direct = Mapping[str, Callable[[Exchange], Awaitable[None]]]
Guards = Mapping[str, Callable[[Exchange], None]]


class ServiceMiddleware:
    """The ASGI layer around the application."""

    def __init__(self, app: ASGIApp, limits: Limits, metrics: Metrics, direct: Direct, guards: Guards) -> None:
        """Wrap an application.

        Args:
            app: the application.
            limits: of each request.
            metrics: where requests are counted.
            direct: what answers requests to a path, and bypasses the application's layers and routes.
            guards: what refuses a request to a path before its body is read.
        """
        self._app, self._limits, self._metrics, self._direct, self._guards = app, limits, metrics, direct, guards
        self._uploads = Uploads(limits.uploads)
        self._inside = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with a problem document."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope["exchange"] = exchange = Exchange(scope, receive, send, self._limits.body_bytes)
        try:
            exchange.check_length()
            clock = asyncio.get_running_loop().call_later(self._limits.seconds, exchange.expire)
            try:
                try:
                    if guard := self._guards.get(scope["path"]):
                        guard(exchange)
                except Problem:
                    if exchange.is_short:
                        await self._read(exchange, scope)
                    raise
                await self._read(exchange, scope)
                await self._answer(exchange, scope)
            finally:
                clock.cancel()
        except Problem as problem:
            await self._refuse(problem, exchange, scope)
        except asyncio.CancelledError:
            if not exchange.expired:
                raise
            exchange.task.uncancel()
            await self._refuse(self._late(exchange), exchange, scope)
        except ClientDisconnect:
            exchange.status = GONE
        except Exception:
            log.exception("request failed", request_id=exchange.request_id, path=scope["path"])
            await self._refuse(internal_error(), exchange, scope)
        finally:
            self._record(scope, exchange)

    async def _read(self, exchange: Exchange, scope: Scope) -> None:
        """Read the body of a request; it is one of the uploads unless it came together with its head."""
        if exchange.complete or "arrived" in scope:
            await exchange.read()
        else:
            with self._uploads.enter(exchange, (scope.get("client") or ("",))[0]):
                await exchange.read()

    async def _answer(self, exchange: Exchange, scope: Scope) -> None:
        """Answer a request whose body is complete; only such a request takes a place."""
        if scope["path"] in ALWAYS_ANSWERED:
            await self._app(scope, exchange.receive_fetched, exchange.send)
            return
        if self._inside >= self._limits.requests:
            raise unavailable(f"{self._limits.requests} requests are being answered, the maximum per worker; try again")
        self._inside += 1
        self._metrics.in_flight.set(self._inside)
        try:
            if answer := self._direct.get(scope["path"]):
                await answer(exchange)
            else:
                await self._app(scope, exchange.receive_fetched, exchange.send)
        finally:
            self._inside -= 1
            self._metrics.in_flight.set(self._inside)

    def _late(self, exchange: Exchange) -> Problem:
        if not exchange.complete:
            seconds = f"{exchange.seconds:.2g} seconds"
            return Problem(HTTPStatus.REQUEST_TIMEOUT, f"the body was incomplete after {seconds}; send it faster")
        seconds = f"{self._limits.seconds:g} seconds"
        return unavailable(f"there was no answer after {seconds}; try again, with fewer instances at a time")

    async def _refuse(self, problem: Problem, exchange: Exchange, scope: Scope) -> None:
        if exchange.status:  # too late: the response has started; the client sees it cut off
            return
        await problem.response(exchange.request_id)(scope, exchange.receive, exchange.send)

    def _record(self, scope: Scope, exchange: Exchange) -> None:
        seconds = exchange.seconds
        direct = scope["path"] in self._direct
        path = scope["path"] if direct else getattr(scope.get("route"), "path", "(other)")  # as declared: few
        method = scope["method"] if scope["method"] in ("GET", "POST", "HEAD", "OPTIONS") else "(other)"
        self._metrics.count_request(method, path, exchange.status, seconds)
        write = log.debug if path in ALWAYS_ANSWERED else log.info
        write(
            "request",
            request_id=exchange.request_id,
            method=method,
            path=path,
            status=exchange.status,
            milliseconds=round(seconds * 1000, 3),
        )
