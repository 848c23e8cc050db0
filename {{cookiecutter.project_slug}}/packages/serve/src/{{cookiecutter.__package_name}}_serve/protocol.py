"""Limit connections before and behind the application.

Heads may be neither slow nor large, and no more than a few requests may be pipelined; trailers are dropped; the
connection is closed after an answer that is given before the end of a body, and after every answer while the service
drains. Where there are too many connections, the one that has waited longest for a head gives way.
"""

import asyncio
import heapq
import secrets
import socket
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from .draining import Config, State
from .problems import Problem

MOST_HEAD_BYTES = 65_536
MOST_PIPELINED = 100
MOST_DRAINED_BYTES, DRAIN_SECONDS = 1 << 20, 2.0
LAST_SECONDS = 0.5  # for a request that is under way when the service stops
INVALID = Problem(HTTPStatus.BAD_REQUEST, "the request is not valid HTTP/1.1; correct the client, or what lies between")
TOO_LARGE = Problem(
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    f"the head of the request has more than {MOST_HEAD_BYTES} bytes; send fewer or shorter headers",
)


class Lingering:
    """A connection as a request sees it whose body still arrives: it is closed only when no more of that comes."""

    def __init__(self, protocol: "LimitedProtocol") -> None:
        """Stand for the transport of a connection."""
        self._protocol = protocol
        self.write, self.is_closing = protocol.transport.write, protocol.transport.is_closing

    def close(self) -> None:
        """Close the connection, now or soon."""
        self._protocol.close()


class LimitedProtocol(HttpToolsProtocol):
    """Closes connections whose clients are too slow, or send too much that is no body."""

    config: Config
    server_state: State

    def __init__(self, *arguments: Any, seconds: float, connections: int, **options: Any) -> None:
        """Create the protocol of a connection.

        Args:
            arguments: uvicorn's.
            seconds: how long a head may take, and how long a client may take to read an answer.
            connections: how many there may be.
            options: uvicorn's.
        """
        super().__init__(*arguments, **options)
        self._seconds, self._most, self._bare_bytes = seconds, connections, 0
        self._deadline: asyncio.TimerHandle | None = None
        self._left: int | None = None  # how many bytes may still come after an early answer

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """Wait for the first head."""
        super().connection_made(transport)
        if len(self.connections) > self._most:
            self._make_room()
        self._close_after(self._seconds)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # the kernel gives up a client that reads nothing; Linux
            with suppress(OSError):
                transport.get_extra_info("socket").setsockopt(
                    socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(self._seconds * 1000)
                )

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read data; wait for the rest of a head, unless it is too large or too many requests are waiting."""
        if self._left is not None:
            self._left -= len(data)
            if self._left < 0:
                self.transport.close()
            return
        self._bare_bytes += len(data)
        super().data_received(data)
        if self._has_head:  # usually at once, without a timer
            if self._deadline is not None and self._left is None:
                self._stop_waiting()
            if self.cycle.more_body and self.cycle.transport is self.transport:
                self.cycle.transport = Lingering(self)  # type: ignore[assignment]  # it has what a cycle needs
            if self._bare_bytes > MOST_HEAD_BYTES and self.cycle.more_body:  # trailers, or extensions of chunks
                self.transport.close()
        else:
            if self._deadline is None:
                self._close_after(self._seconds)
            if self._bare_bytes > MOST_HEAD_BYTES:
                self._answer(TOO_LARGE)
        if len(self.pipeline) > MOST_PIPELINED:
            self.transport.close()

    def on_headers_complete(self) -> None:
        """Start the request; trailers, which come later, are not among its headers."""
        self._bare_bytes = 0
        super().on_headers_complete()
        self.headers = []
        if self.server_state.draining:
            self.cycle.keep_alive = False
            self.scope["draining"] = True  # type: ignore[typeddict-unknown-key]

    def on_body(self, body: bytes) -> None:
        """Keep a part of a body."""
        self._bare_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Tell the middleware that there is no more of the body to wait for."""
        super().on_message_complete()
        self.scope["arrived"] = True  # type: ignore[typeddict-unknown-key]

    def on_response_complete(self) -> None:
        """Go on with the next request, or close the connection if the client still sends this one's body."""
        early = not self.pipeline and self.cycle.more_body and not self.transport.is_closing()
        super().on_response_complete()
        if early:
            self._unset_keepalive_if_required()
            self.close()

    def close(self) -> None:
        """Close the connection, after a moment if the client still sends a body.

        Closing at once would discard the answer before it is read (RFC 9112, section 9.6), so what the client sends is
        read and dropped for a moment.
        """
        if not self.cycle.more_body:
            self.transport.close()
        elif self._left is None and not self.transport.is_closing():
            self._left = MOST_DRAINED_BYTES
            self._stop_waiting()
            self._close_after(DRAIN_SECONDS)
            if self.transport.can_write_eof():
                self.transport.write_eof()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  # uvicorn's own sentence says less
        """Answer what is not HTTP."""
        self._answer(INVALID)

    def shutdown(self) -> None:
        """Finish the request that is being answered, or wait a moment for one that is under way."""
        if not self.config.drain_seconds or (self.cycle is not None and not self.cycle.response_complete):
            super().shutdown()
        else:
            self._unset_keepalive_if_required()
            self._stop_waiting()
            self._close_after(LAST_SECONDS)

    @property
    def _has_head(self) -> bool:
        return self.scope is not None and "method" in self.scope

    def _answer(self, problem: Problem) -> None:
        response = problem.response(secrets.token_hex(16))
        head = [f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}".encode(), b"connection: close"]
        head += [name + b": " + value for name, value in response.raw_headers]
        self.transport.write(b"\r\n".join([*head, b"", bytes(response.body)]))
        self.transport.close()

    def _make_room(self) -> None:
        """Close a tenth of the connections that wait for a head: those with the least time left."""
        waiting = [
            (timer.when(), id(other), other)
            for other in self.connections
            if isinstance(other, LimitedProtocol) and (timer := other._deadline or other.timeout_keep_alive_task)
        ]
        for _, _, other in heapq.nsmallest(max(1, self._most // 10), waiting):
            other.transport.abort()
        if not waiting:
            self.transport.abort()

    def _close_after(self, seconds: float) -> None:
        self._deadline = self.loop.call_later(seconds, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
