"""Stage 1: write the tables of the team's source into the raw folder."""

import shutil
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from {{ cookiecutter.__package_name }}_batch.readers import KINDS, SUFFIXES
from {{ cookiecutter.__package_name }}_predict.atomic import whole_file
from {{ cookiecutter.__package_name }}_predict.errors import DataError

from .project import Project

TABLE = "table.parquet"


def run(project: Project) -> None:
    """Replace the raw folder with the current tables of the source; a failure leaves it unchanged.

    Raises:
        DataError: the source cannot be read, or gives no table, or an empty one.
    """
    source, folder = project.address, project.paths.raw
    partial, before = folder.with_name(f".{folder.name}.partial"), folder.with_name(f".{folder.name}.before")
    if before.exists() and not folder.exists():  # a run was killed between the two steps below
        before.rename(folder)
    for left in (partial, before):
        shutil.rmtree(left, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        tables = project.recipe.source(source, partial)
        if tables is not None:
            write_tables([tables] if isinstance(tables, pa.Table) else tables, partial / TABLE)
        _require_tables(partial, source)
        if folder.exists():
            folder.rename(before)
        partial.rename(folder)
        shutil.rmtree(before, ignore_errors=True)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_tables(tables: Iterable[pa.Table], path: Path) -> None:
    """Write Arrow tables, one after the other, into a Parquet file.

    Raises:
        DataError: there is none, or they do not have the same columns.
    """
    several = iter(tables)
    first = next(several, None)
    if first is None:
        raise DataError("source.py returned no table; expected at least one")
    with whole_file(path) as file, pq.ParquetWriter(file, first.schema) as writer:
        for table in chain([first], several):
            if table.schema != first.schema:
                raise DataError(
                    f"source.py returned tables with different columns: {table.schema.names} and {first.schema.names}; "
                    "expected the same names and types"
                )
            writer.write_table(table)


def _require_tables(folder: Path, source: str) -> None:
    tables = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not tables:
        raise DataError(f"the source {source} wrote no table; expected files that end in {KINDS}")
    if empty := [path.name for path in tables if not path.stat().st_size]:
        raise DataError(f"{', '.join(empty)} from the source {source} is empty; expected rows")
