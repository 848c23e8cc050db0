"""Stop without breaking off a request, with one worker or many.

On the first signal, readiness fails and every answer ends its connection, while the service goes on for
`drain_seconds`: a load balancer needs some seconds to notice. Then uvicorn finishes what is in flight. The same signal
again ends the wait.
"""

import asyncio
import ctypes
import socket
import struct
import sys
import time
from contextlib import suppress
from types import FrameType
from typing import Any

import structlog
import uvicorn
from uvicorn.server import ServerState
from uvicorn.supervisors import multiprocess

log = structlog.get_logger()
SO_ATTACH_FILTER = 26
CONNECT_SECONDS = 0.2  # between a client's first packet and its being connected


class Config(uvicorn.Config):
    """uvicorn's configuration, and how long to go on after a signal."""

    def __init__(self, *arguments: Any, drain_seconds: float, **options: Any) -> None:
        """Create a configuration; all arguments but `drain_seconds` are uvicorn's."""
        super().__init__(*arguments, **options)
        self.drain_seconds = drain_seconds


class State(ServerState):
    """What the connections of a server share: also whether it is about to stop."""

    draining = False


class Server(uvicorn.Server):
    """Stops only after a while, in which clients go elsewhere."""

    config: Config
    server_state: State

    def __init__(self, config: Config) -> None:
        """Create a server."""
        super().__init__(config)
        self.server_state = State()
        self._stop_at: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain; if the same signal comes again, stop."""
        if self.config.drain_seconds == 0 or sig in self._captured_signals:
            super().handle_exit(sig, frame)
            return
        self._captured_signals.append(sig)
        if self._stop_at is None:
            self._stop_at = time.monotonic() + self.config.drain_seconds

    async def on_tick(self, counter: int) -> bool:
        """Return whether to stop now; uvicorn asks ten times a second."""
        if self._stop_at is not None:
            if not self.server_state.draining:
                self.server_state.draining = True
                log.info("draining", seconds=self.config.drain_seconds)
            self.should_exit = self.should_exit or time.monotonic() >= self._stop_at
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop, after accepting who is connecting: closing the socket would reset their connections."""
        self.server_state.draining = True
        if self.config.drain_seconds:
            for listener in sockets or []:
                ignore_new(listener)
            await asyncio.sleep(CONNECT_SECONDS)
        await super().shutdown(sockets)


class Worker(multiprocess.Process):
    """A worker process that drains."""

    @property
    def server(self) -> uvicorn.Server:
        """The server, which is made in the worker."""
        if self._server is None:
            self._server = Server(self.config)  # type: ignore[arg-type]  # it is ours
        return self._server


class Supervisor(multiprocess.Multiprocess):
    """Starts and replaces workers, and gives up the socket first, so that the last worker closes it."""

    def terminate_all(self) -> None:
        """Ask all workers to stop."""
        for listener in self.sockets:
            listener.close()
        super().terminate_all()


multiprocess.Process = Worker  # type: ignore[misc]  # the supervisor makes its workers of this class


def ignore_new(listener: socket.socket) -> None:
    """Have the kernel ignore whoever begins to connect, in all workers, so that nobody waits when the socket closes.

    Clients try again after a second, and are refused then. Linux alone can do this (socket(7), SO_ATTACH_FILTER): the
    program of the packet filter lets pass what has ACK or RST among its TCP flags.
    """
    if sys.platform != "linux":
        return
    load_flags, if_any, accept, drop = (0x30, 0, 0, 13), (0x45, 0, 1, 0x14), (0x06, 0, 0, 0xFFFFFFFF), (0x06, 0, 0, 0)
    program = (load_flags, if_any, accept, drop)
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *instruction) for instruction in program))
    with suppress(OSError):
        address = struct.pack("HP", len(program), ctypes.addressof(code))
        listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, address)
