"""Write files atomically: completely or not at all."""

import glob
import io
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from .errors import DataError

STALE_SECONDS = 86_400.0


class _RawFile(io.FileIO):
    """A file whose errors name the final path, so that they are not mistaken for errors in reading the input."""

    def __init__(self, partial: Path, path: Path) -> None:
        super().__init__(partial, "xb")
        self._path = path

    def write(self, data: Any) -> int:  # typeshed's buffer type has no public name
        with _named(self._path):
            return super().write(data)


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """Yield a binary file that appears at `path`, replacing any previous file, only if the block succeeds.

    Until then the bytes are in a hidden `.partial` file beside it, which is removed on an error or an interrupt. What a
    killed process has left is removed once nothing has been written to it for `STALE_SECONDS`.

    Raises:
        DataError: the file cannot be written, for example because the disk is full.
    """
    path = path.resolve()  # write to the target of a link instead of replacing the link
    if path.exists() and not path.is_file():
        raise DataError(f"{path} is a folder or a device, expected the name of a file to write; choose another")
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
    with _named(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    _remove_stale(path)
    with _named(path):
        raw = _RawFile(partial, path)
    try:
        with io.BufferedWriter(raw) as file:
            yield file
            file.flush()
            with _named(path):
                os.fsync(file.fileno())
        with _named(path):
            partial.replace(path)
    finally:
        with suppress(OSError):
            partial.unlink()


def _remove_stale(path: Path) -> None:
    oldest = time.time() - STALE_SECONDS
    for left in path.parent.glob(f".{glob.escape(path.name)}.{'[0-9a-f]' * 32}.partial"):
        with suppress(OSError):
            if left.stat().st_mtime < oldest:
                left.unlink()


@contextmanager
def _named(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(
            f"{path} could not be written ({error}); free space or correct the path, then run again"
        ) from error
