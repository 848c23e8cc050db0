"""Limit connections before they reach the application: slow or large request heads, and too much pipelining."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_HEAD_BYTES = 65_536
MOST_PIPELINED = 100
TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class LimitedProtocol(HttpToolsProtocol):
    """Closes connections whose request heads are too slow or too large, or that pipeline too many requests."""

    def __init__(self, *arguments: Any, head_seconds: float, **options: Any) -> None:
        """Create the protocol of a connection; heads may take `head_seconds`, and the rest is uvicorn's."""
        super().__init__(*arguments, **options)
        self._head_seconds, self._head_bytes = head_seconds, 0
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """Wait for the first head."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._forget_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read data; wait for the rest of a head, unless it is too large or too many requests are waiting."""
        super().data_received(data)
        if self.scope is not None and "method" in self.scope:  # the head is complete: usually at once, without a timer
            if self._deadline is not None:
                self._forget_head()
        else:
            self._head_bytes += len(data)
            if self._deadline is None:
                self._await_head()
            if self._head_bytes > MOST_HEAD_BYTES:
                self.transport.write(TOO_LARGE)
                self.transport.close()
        if len(self.pipeline) > MOST_PIPELINED:
            self.transport.close()

    def _await_head(self) -> None:
        self._deadline = self.loop.call_later(self._head_seconds, self.transport.close)

    def _forget_head(self) -> None:
        self._head_bytes = 0
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
