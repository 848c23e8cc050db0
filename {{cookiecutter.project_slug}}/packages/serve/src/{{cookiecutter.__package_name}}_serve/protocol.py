"""Limit connections before and behind the application.

Heads may be neither slow nor large, and no more than a few requests may be pipelined; trailers are dropped; and the
connection is closed after an answer that is given before the end of a body.
"""

import asyncio
import secrets
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from .problems import Problem

MOST_HEAD_BYTES = 65_536
MOST_PIPELINED = 100
MOST_DRAINED_BYTES, DRAIN_SECONDS = 1 << 20, 2.0
INVALID = Problem(HTTPStatus.BAD_REQUEST, "the request is not valid HTTP/1.1; correct the client, or what lies between")
TOO_LARGE = Problem(
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    f"the head of the request has more than {MOST_HEAD_BYTES} bytes; send fewer or shorter headers",
)


class LimitedProtocol(HttpToolsProtocol):
    """Closes connections whose clients are too slow, or send too much that is no body."""

    def __init__(self, *arguments: Any, head_seconds: float, **options: Any) -> None:
        """Create the protocol of a connection; heads may take `head_seconds`, and the rest is uvicorn's."""
        super().__init__(*arguments, **options)
        self._head_seconds, self._bare_bytes = head_seconds, 0
        self._deadline: asyncio.TimerHandle | None = None
        self._left: int | None = None  # how many bytes may still come after an early answer

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """Wait for the first head."""
        super().connection_made(transport)
        self._close_after(self._head_seconds)

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
            if self._bare_bytes > MOST_HEAD_BYTES and self.cycle.more_body:  # trailers, or extensions of chunks
                self.transport.close()
        else:
            if self._deadline is None:
                self._close_after(self._head_seconds)
            if self._bare_bytes > MOST_HEAD_BYTES:
                self._answer(TOO_LARGE)
        if len(self.pipeline) > MOST_PIPELINED:
            self.transport.close()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header, but not a trailer."""
        if not self._has_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Start the request."""
        self._bare_bytes = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Keep a part of a body."""
        self._bare_bytes = 0
        super().on_body(body)

    def on_response_complete(self) -> None:
        """Go on with the next request, or close the connection if the client still sends this one's body.

        Closing at once would discard the answer before it is read (RFC 9112, section 9.6), so what the client sends is
        read and dropped for a moment.
        """
        early = not self.pipeline and self.cycle.more_body and not self.transport.is_closing()
        super().on_response_complete()
        if early:
            self._unset_keepalive_if_required()
            self._left = MOST_DRAINED_BYTES
            self._stop_waiting()
            self._close_after(DRAIN_SECONDS)
            if self.transport.can_write_eof():
                self.transport.write_eof()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  # uvicorn's own sentence says less
        """Answer what is not HTTP."""
        self._answer(INVALID)

    @property
    def _has_head(self) -> bool:
        return self.scope is not None and "method" in self.scope

    def _answer(self, problem: Problem) -> None:
        response = problem.response(secrets.token_hex(16))
        head = [f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}".encode(), b"connection: close"]
        head += [name + b": " + value for name, value in response.raw_headers]
        self.transport.write(b"\r\n".join([*head, b"", bytes(response.body)]))
        self.transport.close()

    def _close_after(self, seconds: float) -> None:
        self._deadline = self.loop.call_later(seconds, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
