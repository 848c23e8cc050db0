"""Stage 1: fetch the source, byte for byte, into the raw folder."""

import shutil
from pathlib import Path

import fsspec
from rich.console import Console
from rich.progress import Progress

from .prediction import SUFFIXES, DataError, table_suffix, whole_file
from .project import Project

CHUNK = 1 << 20


def run(project: Project) -> None:
    """Fetch the configured source."""
    fetch(project.paths.source, project.paths.raw)


def fetch(source: str, folder: Path) -> list[Path]:
    """Copy the files of a source into a folder, which they replace whole, and return them.

    Args:
        source: a path or an fsspec address (`s3://…`, `https://…`) of a CSV or Parquet file, or of a folder of them.
        folder: where the files go, under their own names.

    Raises:
        DataError: the source cannot be reached, holds no table, or an empty file.
    """
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        names = _download(source, partial)
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return [folder / name for name in names]


def _download(source: str, folder: Path) -> list[str]:
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
    except Exception as error:  # each of fsspec's backends has error types of its own
        raise DataError(
            f"the source {source} cannot be read ({type(error).__name__}: {error}); "
            "correct paths.source in config/default.yaml, or check the network and the credentials"
        ) from error
    if empty := [name for name in names if not (folder / name).stat().st_size]:
        raise DataError(f"{', '.join(empty)} in the source {source} is empty; expected rows")
    return list(names)


def _list_tables(filesystem: fsspec.AbstractFileSystem, address: str) -> list[str]:
    if _file_name(address).lower().endswith(SUFFIXES) or not filesystem.isdir(address):
        table_suffix(_file_name(address))
        return [address]
    files = sorted(file for file in filesystem.ls(address, detail=False) if file.lower().endswith(SUFFIXES))
    if not files:
        raise DataError(f"the source {address} holds no table; expected files that end in {' or '.join(SUFFIXES)}")
    return files


def _file_name(address: str) -> str:
    return address.partition("?")[0].rstrip("/").rpartition("/")[2]
