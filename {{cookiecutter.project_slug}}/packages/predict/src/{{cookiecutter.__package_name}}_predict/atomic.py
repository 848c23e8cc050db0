"""Write files whole or not at all."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from .errors import DataError


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """Yield a binary file that appears at `path`, replacing what was there, only if the block ends well.

    Until then the bytes lie beside it as a hidden `.partial` file, which an error or an interrupt removes.

    Raises:
        DataError: the file cannot be written, for example because the disk is full.
    """
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise DataError(
            f"{path} could not be written ({error}); free space or correct the path, then run again"
        ) from error
    finally:
        with suppress(OSError):
            partial.unlink()
