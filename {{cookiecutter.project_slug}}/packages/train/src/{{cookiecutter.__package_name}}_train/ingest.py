"""Stage 1: fetch the source, byte for byte, into the raw folder."""

import shutil
from pathlib import Path

import fsspec
from rich.console import Console
from rich.progress import Progress

from .prediction import DataError, table_suffix, whole_file
from .project import Project

CHUNK = 1 << 20


def run(project: Project) -> None:
    """Fetch the configured source."""
    fetch(project.paths.source, project.paths.raw)


def fetch(source: str, folder: Path) -> list[Path]:
    """Copy the files of a source into a folder, which they replace whole, and return them.

    Args:
        source: a path or an fsspec address (`s3://…`, `https://…`), of one file or a glob of several; CSV or Parquet.
        folder: where the files go, under their own names.

    Raises:
        DataError: the source cannot be reached, holds no file, an empty one, or one that is no table.
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
        filesystem, pattern = fsspec.url_to_fs(source)
        found = sorted(filesystem.glob(pattern)) if "*" in pattern else [pattern]
        names = [name.rpartition("/")[2] for name in found]
        for name in names:
            table_suffix(name)
        with Progress(console=Console(stderr=True)) as progress:
            for address, name in zip(found, names, strict=True):
                with (
                    progress.wrap_file(
                        filesystem.open(address, "rb"), filesystem.size(address), description=f"Fetching {name}"
                    ) as remote,
                    whole_file(folder / name) as local,
                ):
                    shutil.copyfileobj(remote, local, CHUNK)
    except DataError:
        raise
    except Exception as error:  # each of fsspec's backends has error types of its own
        raise DataError(
            f"the source {source} cannot be read ({type(error).__name__}: {error}); "
            "correct paths.source in config/default.yaml, or check the network and the credentials"
        ) from error
    if not names or len(set(names)) < len(names):
        raise DataError(f"the source {source} holds {len(names)} files; expected one or more, with different names")
    if empty := [name for name in names if not (folder / name).stat().st_size]:
        raise DataError(f"{', '.join(empty)} in the source {source} is empty; expected rows")
    return names
