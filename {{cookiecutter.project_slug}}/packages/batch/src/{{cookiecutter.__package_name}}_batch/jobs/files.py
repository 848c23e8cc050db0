"""Files that appear whole, in a folder here or at an address such as `s3://bucket/scored`."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO

import fsspec
import pyarrow as pa
from fsspec.implementations.local import LocalFileSystem

from {{ cookiecutter.__package_name }}_predict.atomic import whole_file

from ..addresses import converting
from ..writers import open_writer


class Folder:
    """A folder."""

    def __init__(self, address: str) -> None:
        """Use a folder, which need not exist."""
        with writing(address):
            self._filesystem, self._root = fsspec.url_to_fs(address.rstrip("/"))
        self.address = address.rstrip("/")

    @property
    def local(self) -> Path | None:
        """The path of a folder on this machine."""
        return Path(self._root) if isinstance(self._filesystem, LocalFileSystem) else None

    @contextmanager
    def write(self, name: str) -> Iterator[IO[bytes]]:
        """Yield a file that appears when the block succeeds; object stores show a file when it is closed.

        Raises:
            DataError: the file cannot be written.
        """
        if self.local:
            with whole_file(self.local / name) as file:
                yield file
            return
        with writing(f"{self.address}/{name}"), self._filesystem.open(f"{self._root}/{name}", "wb") as file:
            yield file

    def read(self, name: str) -> bytes | None:
        """Return the content of a file; None if there is none."""
        with writing(f"{self.address}/{name}"):
            try:
                content: bytes = self._filesystem.cat_file(f"{self._root}/{name}")
            except FileNotFoundError:
                return None
        return content

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """Yield a file for reading."""
        with self._filesystem.open(f"{self._root}/{name}", "rb") as file:
            yield file

    def list_names(self, folder: str = "") -> list[str]:
        """Return the names in a folder, sorted, without hidden ones; none if it does not exist."""
        return [name for name in self._list_all(folder) if not name.startswith(".")]

    def remove_unfinished(self, folder: str) -> None:
        """Remove the files in a folder that a killed process was writing."""
        for name in self._list_all(folder):
            if name.startswith("."):
                self.remove(f"{folder}/{name}")

    def _list_all(self, folder: str) -> list[str]:
        place = f"{self._root}/{folder}".rstrip("/")
        with writing(self.address):
            self._filesystem.invalidate_cache()
            try:
                found = self._filesystem.ls(place, detail=False)
            except FileNotFoundError:
                return []
        return sorted(name.rstrip("/").rpartition("/")[2] for name in found)

    def move(self, source: str, target: "Folder", name: str) -> None:
        """Move a folder; on this machine in one step."""
        with writing(f"{target.address}/{name}"):
            if self.local and target.local:
                target.local.mkdir(parents=True, exist_ok=True)
                (self.local / source).rename(target.local / name)
            else:
                self._filesystem.mv(f"{self._root}/{source}", f"{target._root}/{name}", recursive=True)

    def remove(self, name: str) -> None:
        """Remove a file or a folder, if it is there."""
        with writing(f"{self.address}/{name}"):
            if self._filesystem.exists(f"{self._root}/{name}"):
                self._filesystem.rm(f"{self._root}/{name}", recursive=True)


def writing(address: str) -> AbstractContextManager[None]:
    """Convert the errors of file systems while a sink is used, except that something does not exist."""
    return converting(address, "{} could not be used", (FileNotFoundError,))


def split_address(address: str) -> tuple[str, str]:
    """Return the folder that a file is in, and its name."""
    parent, _, name = address.rpartition("/")
    return parent or ("/" if address.startswith("/") else "."), name


def write_table(address: str, tables: Iterable[pa.Table], schema: pa.Schema) -> None:
    """Write tables, one after the other, into a CSV, Parquet or JSON Lines file, which appears whole.

    Raises:
        DataError: the file cannot be written.
    """
    folder, name = split_address(address)
    with Folder(folder).write(name) as file, open_writer(file, name, schema) as writer:
        for table in tables:
            writer.write(table)
