"""Stage 2: check the raw rows against the contract, and set rejected rows aside with the reason."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.progress import Progress

from {{ cookiecutter.__package_name }}_batch.dialect import Dialect, translate
from {{ cookiecutter.__package_name }}_batch.locations import read_partition
from {{ cookiecutter.__package_name }}_batch.readers import SUFFIXES, add_columns, read_batches
from {{ cookiecutter.__package_name }}_batch.rejected_rows import Rejects, rejects_file
from {{ cookiecutter.__package_name }}_batch.tables import Fields, check_batch, decode, empty_table
from {{ cookiecutter.__package_name }}_predict.atomic import whole_file
from {{ cookiecutter.__package_name }}_predict.contract import Contract
from {{ cookiecutter.__package_name }}_predict.errors import DataError

from .project import Project


@dataclass(frozen=True)
class Validation:
    """What became of the raw rows.

    Attributes:
        rows: how many there were.
        rejected: how many broke the contract.
        unlabelled: how many kept it but lack the target; they are left out of training.
        share: of the rejected rows among all.
        fields: the number of invalid values of each field.
    """

    rows: int
    rejected: int
    unlabelled: int
    share: float
    fields: dict[str, int]


def run(project: Project) -> None:
    """Write the clean table, the rejected rows and the counts.

    Raises:
        DataError: more rows broke the contract than `validate.max_rejected` allows, or none is left.
    """
    paths, allowed = project.paths, project.params.validation.max_rejected
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("Validating", total=1.0)
        result = validate(
            paths.raw,
            project.contract,
            paths.clean,
            paths.rejected,
            project.source,
            progress=lambda share: bar.update(task, completed=share),
        )
    with whole_file(paths.validation) as file:
        file.write(json.dumps(asdict(result), indent=2).encode() + b"\n")
    if result.unlabelled:
        print_note(f"{result.unlabelled} rows without {project.contract.target_name} are left out of training")
    if result.rows and result.rejected + result.unlabelled == result.rows and result.share <= allowed:
        raise DataError(
            f"none of {result.rows} rows can be used for training: {result.rejected} break the contract, "
            f"{result.unlabelled} lack {project.contract.target_name}; correct the source or {paths.contract}"
        )
    if result.share > allowed or not result.rows:
        where = ", ".join(f"{name} {count}" for name, count in result.fields.items())
        raise DataError(
            f"{result.rejected} of {result.rows} rows break the contract ({result.share:.4g}); the share allowed is "
            f"{allowed:.4g} (validate.max_rejected); invalid values: {where or 'none'}; the reasons are in "
            f"{paths.rejected}: correct the source, {paths.contract} or the limit"
        )


def validate(
    raw: Path,
    contract: Contract,
    clean: Path,
    rejected: Path,
    dialect: Dialect,
    progress: Callable[[float], None],
) -> Validation:
    """Stream tables through the contract into a Parquet file of clean rows and a CSV file of rejected ones.

    Args:
        raw: a folder of tables; a folder in it that is named like `year=2024` adds a column.
        contract: the contract that rows must keep.
        clean: the Parquet file to write.
        rejected: the CSV file to write.
        dialect: how CSV files among the tables are written.
        progress: called with the share that is done.

    Raises:
        DataError: a table cannot be read, or lacks a column.
    """
    fields = contract.table_fields
    sources = sorted(path for path in raw.rglob("*") if path.suffix.lower() in SUFFIXES)
    accepted, unlabelled = 0, 0
    with rejects_file(rejected, fields) as refused, whole_file(clean) as file:
        with pq.ParquetWriter(file, empty_table(fields).schema) as writer:
            for done, source in enumerate(sources):
                for table, share in _clean_tables(source, source.relative_to(raw), fields, refused, dialect):
                    labelled = table.filter(table.column(contract.target_name).is_valid())
                    writer.write_table(labelled)
                    accepted += labelled.num_rows
                    unlabelled += table.num_rows - labelled.num_rows
                    progress((done + share) / len(sources))
        total = accepted + unlabelled + refused.count
    fields_refused = {name: count for name, count in refused.fields.most_common() if count}
    share = round(refused.count / total, 6) if total else 0.0
    return Validation(total, refused.count, unlabelled, share, fields_refused)


def _clean_tables(
    source: Path, place: Path, fields: Fields, refused: Rejects, dialect: Dialect
) -> Iterator[tuple[pa.Table, float]]:
    name, rows = place.as_posix(), 0
    partition = read_partition(name)
    with source.open("rb") as file:
        for found, share in read_batches(file, name, refused.add_malformed, dialect):
            batch = add_columns(found, partition)
            checked = check_batch(translate(batch, fields, dialect), fields, name)
            refused.write(name, batch, checked, rows)
            if not rows and (unknown := [column for column in batch.schema.names if column not in fields]):
                names = ", ".join(column or "(a column without a name)" for column in unknown)
                print_note(f"{name}: ignored, not in the contract: {names}")
            rows += batch.num_rows
            yield decode(checked, fields), share
    refused.write_malformed(name)


def print_note(text: str) -> None:
    """Print a sentence for the person who runs the pipeline."""
    Console(stderr=True).print(text, highlight=False, markup=False)
