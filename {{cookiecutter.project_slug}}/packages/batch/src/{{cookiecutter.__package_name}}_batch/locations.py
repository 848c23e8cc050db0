"""Tables in files: one file, a folder of them, or a pattern; here or at an address such as `s3://bucket/orders`."""

import io
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import IO, Any

import fsspec
from fsspec.implementations.cached import SimpleCacheFileSystem
from fsspec.spec import AbstractBufferedFile

from {{ cookiecutter.__package_name }}_predict.errors import DataError

from .addresses import converting, hide_secrets
from .readers import KINDS, SUFFIXES, table_suffix

BUFFER = 1 << 20
OTHER_TABLES = (  # suffixes of tables that cannot be read and must not be skipped silently
    *(".arrow", ".avro", ".bz2", ".csv.zip", ".feather", ".gz", ".json", ".orc", ".ods", ".tsv"),
    *(".xls", ".xlsx", ".xz", ".zip", ".zst"),
)


def find_tables(address: str) -> tuple[fsspec.AbstractFileSystem, dict[str, str]]:
    """Return the file system of an address, and the paths of its tables there by their names.

    Args:
        address: a path or an fsspec address of a table, of a folder of them, which may have folders for partitions, or
            a pattern such as `orders/*.csv`. Within a folder, a name begins with the folders that the table is in.

    Raises:
        DataError: the address cannot be read, there is no table, or some are of a kind that is not read.
    """
    with reading(address):
        filesystem, path = fsspec.url_to_fs(address)
        return filesystem, _list_tables(filesystem, path)


def reading(address: str) -> AbstractContextManager[None]:
    """Convert the errors of file systems while a source is read (see `converting`)."""
    return converting(address, "the source {} cannot be read")


@contextmanager
def open_table(filesystem: fsspec.AbstractFileSystem, path: str) -> Iterator[IO[bytes]]:
    """Yield an open file that can be read from any place, by lines, too; what comes over HTTP is downloaded once."""
    over_http = "http" in filesystem.protocol
    with (SimpleCacheFileSystem(fs=filesystem) if over_http else filesystem).open(path, "rb") as file:
        if not isinstance(file, AbstractBufferedFile):
            yield file
            return
        with io.BufferedReader(file, BUFFER) as buffered:
            yield buffered


def read_partition(name: str) -> dict[str, str]:
    """Return the columns that the folders in a table's name stand for, as in `year=2024/orders.csv`."""
    folders: list[Any] = [part.partition("=") for part in name.split("/")[:-1]]
    return {key: value for key, equals, value in folders if equals}


def _list_tables(filesystem: fsspec.AbstractFileSystem, address: str) -> dict[str, str]:
    bare = address.partition("?")[0]
    if "*" in bare:
        files, root = sorted(filesystem.glob(bare)), bare.partition("*")[0].rpartition("/")[0] + "/"
    elif bare.lower().endswith(SUFFIXES) or not filesystem.isdir(address):
        table_suffix(_file_name(address))
        return {_file_name(address): address}
    else:
        files, root = sorted(filesystem.find(address)), bare.rstrip("/") + "/"
    files = [file for file in files if not any(part.startswith(".") for part in file.removeprefix(root).split("/"))]
    tables = [file for file in files if file.lower().endswith(SUFFIXES)]
    shown = hide_secrets(address)
    if others := [file.removeprefix(root) for file in files if file.lower().endswith(OTHER_TABLES)]:
        more = f" and {len(others) - 3} more" if len(others) > 3 else ""
        raise DataError(
            f"the source {shown} has files of unsupported types: {', '.join(others[:3])}{more}; convert them to "
            f"{KINDS}, or choose the files to read by a pattern"
        )
    if not tables:
        raise DataError(f"the source {shown} contains no table; expected files that end in {KINDS}")
    return {file.removeprefix(root): file for file in tables}


def _file_name(address: str) -> str:
    return address.partition("?")[0].rstrip("/").rpartition("/")[2]
