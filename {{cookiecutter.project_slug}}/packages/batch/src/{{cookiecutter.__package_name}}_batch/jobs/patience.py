"""Try again while a database does not answer."""

import time
from collections.abc import Callable
from typing import TypeVar

from ..databases import ConnectionLostError

SECONDS, FIRST_WAIT, LONGEST_WAIT = 120.0, 0.5, 15.0
T = TypeVar("T")


def patiently(action: Callable[[], T], disconnect: Callable[[], None]) -> T:
    """Return what an action returns; while its database does not answer, try again with new connections.

    Args:
        action: what to do; it may have been done already where the connection was lost after it.
        disconnect: closes the connections, which a lost one is among.

    Raises:
        ConnectionLostError: the database has not answered for `SECONDS`.
    """
    deadline, wait = time.monotonic() + SECONDS, FIRST_WAIT
    while True:
        try:
            return action()
        except ConnectionLostError:
            disconnect()
            if time.monotonic() + wait > deadline:
                raise
            time.sleep(wait)
            wait = min(2 * wait, LONGEST_WAIT)
