"""The middleware that every request passes through.

A single ASGI layer around the application (https://asgi.readthedocs.io/en/latest/specs/www.html) gives each request an
id, refuses who may not ask, reads the body, enforces the limits, adds headers to the response, and counts, times and
logs it. It is one hand-written layer because each of Starlette's layers takes as long as a prediction.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from .exchange import Exchange
from .metrics import Metrics
from .problems import Problem, internal_error, unavailable
from .settings import Limits
from .uploads import Uploads

log = structlog.get_logger()
GONE = 499  # what nginx logs when a client disconnects before the response
ALWAYS_ANSWERED = ("/health/live", "/health/ready", "/metrics")
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
                if guard := self._guards.get(scope["path"]):
                    guard(exchange)
                if exchange.complete or exchange.arrived:
                    await exchange.read()
                else:
                    with self._uploads.enter(exchange, (scope.get("client") or ("",))[0]):
                        await exchange.read()
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
        response = problem.response(exchange.request_id)
        if not (exchange.complete or exchange.arrived):  # the rest of the body is not read
            response.headers["Connection"] = "close"
        await response(scope, exchange.receive, exchange.send)

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
