"""Stage 1: have the team's source write its tables into the raw folder."""

import shutil
from pathlib import Path

from {{ cookiecutter.__package_name }}_batch.readers import SUFFIXES
from {{ cookiecutter.__package_name }}_predict.errors import DataError

from .project import Project


def run(project: Project) -> None:
    """Replace the raw folder by what the source has now; if anything fails, it stays as it was.

    Raises:
        DataError: the source cannot be read, or gives no table, or an empty one.
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
        raise DataError(f"the source {source} gave no table; expected files that end in {' or '.join(SUFFIXES)}")
    if empty := [path.name for path in tables if not path.stat().st_size]:
        raise DataError(f"{', '.join(empty)} from the source {source} is empty; expected rows")
