"""Where the data comes from."""

from pathlib import Path

from {{ cookiecutter.__package_name }}_pipeline.fetch import fetch_tables


def read(address: str, folder: Path) -> None:
    """Write the tables at `paths.source` into an empty folder, as CSV or Parquet files; or return tables of Arrow."""
    fetch_tables(address, folder)
