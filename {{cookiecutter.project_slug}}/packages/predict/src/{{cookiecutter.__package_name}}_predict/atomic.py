"""Write files whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
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
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=f".{path.name}.", suffix=".partial", delete=False
        ) as file:
            try:
                yield file
                file.flush()
                os.fsync(file.fileno())
            except BaseException:
                file.close()
                Path(file.name).unlink()
                raise
        partial = Path(file.name)
        partial.chmod(0o666 & ~_umask())
        partial.replace(path)
    except OSError as error:
        raise DataError(
            f"{path} could not be written ({error}); free space or correct the path, then run again"
        ) from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
