"""Fetch tables unchanged from a path or an address."""

import shutil
from pathlib import Path

import fsspec
from rich.console import Console
from rich.progress import Progress

from {{ cookiecutter.__package_name }}_batch.readers import SUFFIXES, table_suffix
from {{ cookiecutter.__package_name }}_predict.atomic import whole_file
from {{ cookiecutter.__package_name }}_predict.errors import DataError

CHUNK = 1 << 20


def fetch_tables(source: str, folder: Path) -> None:
    """Copy the files of a source into a folder, keeping their names.

    Args:
        source: a path or an fsspec address (`s3://…`, `https://…`) of a CSV or Parquet file, or of a folder of them.
        folder: where to write the files.

    Raises:
        DataError: the source cannot be read, or contains no table.
    """
    try:
        filesystem, address = fsspec.url_to_fs(source)
        names = {_file_name(file): file for file in _list_tables(filesystem, address)}
        with Progress(console=Console(stderr=True)) as progress:
            for name, file in names.items():
                size = filesystem.size(file) or 0
                with (
                    filesystem.open(file, "rb") as remote,
                    progress.wrap_file(remote, size, description=f"Fetching {name}") as counted,
                    whole_file(folder / name) as local,
                ):
                    shutil.copyfileobj(counted, local, CHUNK)
    except DataError:
        raise
    except Exception as error:  # each fsspec backend raises its own error types
        raise DataError(
            f"the source {source} cannot be read ({type(error).__name__}: {error}); "
            "correct paths.source in config/default.yaml, or check the network and the credentials"
        ) from error


def _list_tables(filesystem: fsspec.AbstractFileSystem, address: str) -> list[str]:
    if _file_name(address).lower().endswith(SUFFIXES) or not filesystem.isdir(address):
        table_suffix(_file_name(address))
        return [address]
    files = sorted(file for file in filesystem.ls(address, detail=False) if file.lower().endswith(SUFFIXES))
    if not files:
        raise DataError(f"the source {address} contains no table; expected files that end in {' or '.join(SUFFIXES)}")
    return files


def _file_name(address: str) -> str:
    return address.partition("?")[0].rstrip("/").rpartition("/")[2]
