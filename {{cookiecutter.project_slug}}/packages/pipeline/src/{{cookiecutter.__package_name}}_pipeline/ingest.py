"""Stage 1: write the tables of the team's source into the raw folder."""

import shutil
from pathlib import Path

from {{ cookiecutter.__package_name }}_batch.readers import SUFFIXES
from {{ cookiecutter.__package_name }}_predict.errors import DataError

from .project import Project


def run(project: Project) -> None:
    """Replace the raw folder with the current tables of the source; a failure leaves it unchanged.

    Raises:
        DataError: the source cannot be read, or writes no table, or an empty one.
    """
    source, folder = project.paths.source, project.paths.raw
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        project.recipe.source(source, partial)
        _require_tables(partial, source)
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _require_tables(folder: Path, source: str) -> None:
    tables = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    if not tables:
        raise DataError(f"the source {source} wrote no table; expected files that end in {' or '.join(SUFFIXES)}")
    if empty := [path.name for path in tables if not path.stat().st_size]:
        raise DataError(f"{', '.join(empty)} from the source {source} is empty; expected rows")
