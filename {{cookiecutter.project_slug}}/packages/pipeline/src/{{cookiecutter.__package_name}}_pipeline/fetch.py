"""Fetch tables unchanged from a path, a pattern or an address."""

import shutil
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from {{ cookiecutter.__package_name }}_batch.locations import find_tables, reading
from {{ cookiecutter.__package_name }}_predict.atomic import whole_file

CHUNK = 1 << 20


def fetch_tables(source: str, folder: Path) -> None:
    """Copy the files of a source into a folder, keeping their names and, within a folder, the folders they are in.

    Args:
        source: a path or an fsspec address (`s3://…`, `https://…`) of a table, of a folder of them with folders for
            partitions, or a pattern such as `orders/*.csv`.
        folder: where to write the files.

    Raises:
        DataError: the source cannot be read, or contains no table.
    """
    filesystem, tables = find_tables(source)
    with reading(source), Progress(console=Console(stderr=True)) as progress:
        for name, file in tables.items():
            size = filesystem.size(file) or 0
            with (
                filesystem.open(file, "rb") as remote,
                progress.wrap_file(remote, size, description=f"Fetching {name}") as counted,
                whole_file(folder / name) as local,
            ):
                shutil.copyfileobj(counted, local, CHUNK)
