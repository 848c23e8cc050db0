"""Limit the bodies that are still arriving, so that slow clients do not shut others out."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Upload(Protocol):
    """A request whose body is still arriving."""

    def expire(self) -> None:
        """Give the request up."""


class Uploads:
    """The bodies that are still arriving, by client; one that came together with its head is never among them."""

    def __init__(self, most: int) -> None:
        """Allow so many bodies."""
        self._most, self._count = most, 0
        self._by_client: defaultdict[str, dict[Upload, None]] = defaultdict(dict)  # the oldest first

    @contextmanager
    def enter(self, upload: Upload, client: str) -> Iterator[None]:
        """Count a body as long as the context lasts.

        If there are too many, the client with the most gives up its oldest, so that each can have a fair share.
        """
        if self._count >= self._most:
            most = max(self._by_client, key=lambda name: len(self._by_client[name]))
            oldest = next(iter(self._by_client[most]))
            self._leave(oldest, most)
            oldest.expire()
        self._by_client[client][upload] = None
        self._count += 1
        try:
            yield
        finally:
            self._leave(upload, client)

    def _leave(self, upload: Upload, client: str) -> None:
        uploads = self._by_client.get(client, {})
        if upload in uploads:
            del uploads[upload]
            self._count -= 1
            if not uploads:
                del self._by_client[client]
