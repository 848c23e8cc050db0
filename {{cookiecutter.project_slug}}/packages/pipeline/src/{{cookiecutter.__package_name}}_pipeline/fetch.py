"""Fetch tables unchanged from a path, a pattern or an address."""

import shutil
from pathlib import Path

import fsspec
from rich.console import Console
from rich.progress import Progress

from {{ cookiecutter.__package_name }}_batch.readers import SUFFIXES, table_suffix
from {{ cookiecutter.__package_name }}_predict.atomic import whole_file
from {{ cookiecutter.__package_name }}_predict.errors import DataError

CHUNK = 1 << 20
OTHER_TABLES = (  # suffixes of what may be tables, and would be passed over
    *(".arrow", ".avro", ".bz2", ".csv.zip", ".feather", ".gz", ".json", ".jsonl", ".ndjson", ".orc", ".ods", ".tsv"),
    *(".xls", ".xlsx", ".xz", ".zip", ".zst"),
)


def fetch_tables(source: str, folder: Path) -> None:
    """Copy the files of a source into a folder, keeping their names and, within a folder, the folders they are in.

    Args:
        source: a path or an fsspec address (`s3://…`, `https://…`) of a CSV or Parquet file, of a folder of them with
            folders for partitions, or a pattern such as `orders/*.csv`.
        folder: where to write the files.

    Raises:
        DataError: the source cannot be read, or contains no table.
    """
    try:
        filesystem, address = fsspec.url_to_fs(source)
        with Progress(console=Console(stderr=True)) as progress:
            for name, file in _list_tables(filesystem, address).items():
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


def _list_tables(filesystem: fsspec.AbstractFileSystem, address: str) -> dict[str, str]:
    """Return the addresses of tables, by their names in the folder to write.

    Raises:
        DataError: there is none, or some are of a kind that is not read.
    """
    bare = address.partition("?")[0]
    if "*" in bare:
        files, root = sorted(filesystem.glob(bare)), bare.partition("*")[0].rpartition("/")[0] + "/"
    elif bare.lower().endswith(SUFFIXES) or not filesystem.isdir(address):
        table_suffix(_file_name(address))
        return {_file_name(address): address}
    else:
        files, root = sorted(filesystem.find(address)), bare.rstrip("/") + "/"
    tables = [file for file in files if file.lower().endswith(SUFFIXES)]
    if others := [file.removeprefix(root) for file in files if file.lower().endswith(OTHER_TABLES)]:
        more = f" and {len(others) - 3} more" if len(others) > 3 else ""
        raise DataError(
            f"the source {address} has tables that are not read: {', '.join(others[:3])}{more}; convert them to "
            f"{' or '.join(SUFFIXES)}, or name the files to read in source.files"
        )
    if not tables:
        raise DataError(f"the source {address} contains no table; expected files that end in {' or '.join(SUFFIXES)}")
    return {file.removeprefix(root): file for file in tables}


def _file_name(address: str) -> str:
    return address.partition("?")[0].rstrip("/").rpartition("/")[2]
