"""Validate: good rows in the contract's types, bad ones set aside with their reason, too many stop the pipeline."""

import json
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from {{ cookiecutter.__package_name }}_pipeline import ingest, validate
from {{ cookiecutter.__package_name }}_pipeline.project import Project
from {{ cookiecutter.__package_name }}_predict.errors import DataError

pytestmark = pytest.mark.parametrize("kind", ["regression"])


def test_validate_sets_bad_rows_aside_with_their_reason(project: Project) -> None:
    lines = Path("source.csv").read_text().splitlines()
    lines[2] = "11,1,red,True,5.0"
    lines[3] = "1,1,red,True,"
    Path("source.csv").write_text("\n".join([*lines, "1,2", ""]))
    ingest.run(project)
    validate.run(project)
    assert pq.read_table(project.paths.clean).num_rows == 398
    rejected = pd.read_csv(project.paths.rejected)
    rows = dict(zip(rejected["rejected_because"], rejected["rejected_row"], strict=True))
    assert rows["length: found '11', expected a number from 0 up to 10"] == 2
    assert sorted(rejected["rejected_because"]) == [
        "found 2 columns, expected 5: 1,2",
        "length: found '11', expected a number from 0 up to 10",
    ]
    counts = {"rows": 401, "rejected": 2, "unlabelled": 1, "share": 0.004988, "fields": {"length": 1}}
    assert json.loads(project.paths.validation.read_text()) == counts


def test_validate_reads_several_files_and_leaves_out_unknown_columns(project: Project) -> None:
    project.paths.raw.mkdir(parents=True)
    frame = pd.read_csv("source.csv").assign(note="x")
    frame[:100].to_csv(project.paths.raw / "a.csv", index=False)
    frame[100:].to_parquet(project.paths.raw / "b.parquet", index=False)
    validate.run(project)
    clean = pq.read_table(project.paths.clean)
    assert (clean.num_rows, clean.column_names) == (400, ["length", "count", "colour", "ready", "weight"])
    assert [str(kind) for kind in clean.schema.types] == ["double", "int64", "string", "bool", "double"]


def test_validate_takes_columns_from_the_names_of_folders(project: Project) -> None:
    frame = pd.read_csv("source.csv")
    for colour, part in frame.groupby("colour"):
        folder = project.paths.raw / f"colour={colour}"
        folder.mkdir(parents=True)
        part.drop(columns="colour").to_csv(folder / "part.csv", index=False)
    validate.run(project)
    found = pq.read_table(project.paths.clean).to_pandas()["colour"].value_counts()
    assert found.to_dict() == frame["colour"].value_counts().to_dict()


def test_validate_stops_beyond_the_allowed_share(project: Project) -> None:
    frame = pd.read_csv("source.csv")
    frame.loc[:40, "length"] = -1
    frame.to_csv("source.csv", index=False)
    ingest.run(project)
    with pytest.raises(
        DataError, match=r"41 of 400 rows break .*\(0.1025\); the share allowed is 0.1 .*invalid values: length 41"
    ):
        validate.run(project)
    assert len(pd.read_csv(project.paths.rejected)) == 41


def test_validate_stops_without_rows(project: Project) -> None:
    Path("source.csv").write_text("length,count,colour,ready,weight\n")
    ingest.run(project)
    with pytest.raises(DataError, match="0 of 0 rows"):
        validate.run(project)


def test_validate_stops_at_a_missing_column(project: Project) -> None:
    pd.read_csv("source.csv").drop(columns="colour").to_csv("source.csv", index=False)
    ingest.run(project)
    with pytest.raises(DataError, match="column 'colour' is missing from source.csv"):
        validate.run(project)
