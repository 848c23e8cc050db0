"""A drafted contract: a start for a team's own table, sound as it stands."""

from pathlib import Path

import pandas as pd
import pytest

from {{ cookiecutter.__package_name }}_pipeline.draft_contract import draft_contract
from {{ cookiecutter.__package_name }}_pipeline.validate import validate
from {{ cookiecutter.__package_name }}_predict.cli import main
from {{ cookiecutter.__package_name }}_predict.contract import Contract, load_contract
from {{ cookiecutter.__package_name }}_predict.errors import DataError
from {{ cookiecutter.__package_name }}_predict.fields import Number

FRAME = pd.DataFrame(
    {
        "size": [1.5, 2.5, None],
        "rooms": [1, 2, 3],
        "town": ["x", "y", None],
        "new": [True, False, True],
        "seen": pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-03"]),
        "price": [10, 20, 30],
    }
)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_draft_takes_ranges_and_values_from_the_data(suffix: str, tmp_path: Path) -> None:
    source = tmp_path / f"in{suffix}"
    (FRAME.to_csv if suffix == ".csv" else FRAME.to_parquet)(source, index=False)
    text = draft_contract(source, "price")
    (tmp_path / "schema.yaml").write_text(text)
    contract = load_contract(tmp_path / "schema.yaml")
    assert text.startswith(f"# Drafted from in{suffix}: 3 rows. Check each line")
    size = contract.features["size"]
    assert isinstance(size, Number)
    assert (size.minimum, size.maximum, size.missing) == (1.5, 2.5, True)
    kinds = {name: field.type for name, field in contract.features.items()}
    assert kinds == {"size": "number", "rooms": "integer", "town": "category", "new": "boolean"}
    assert "# left out: 'seen' is empty, a date, or has more than 50 distinct texts" in text
    assert contract.target["price"].type == "integer"


@pytest.mark.parametrize("target", ["price", "new", "town"])
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_draft_accepts_the_table_it_was_made_from(suffix: str, target: str, tmp_path: Path) -> None:
    source = tmp_path / f"in{suffix}"
    frame = FRAME.assign(town=["x", "y", "x"])
    (frame.to_csv if suffix == ".csv" else frame.to_parquet)(source, index=False)
    (tmp_path / "schema.yaml").write_text(draft_contract(source, target))
    contract = load_contract(tmp_path / "schema.yaml")
    result = validate([source], contract, tmp_path / "clean.parquet", tmp_path / "bad.csv", lambda _: None)
    assert (result.rows, result.rejected) == (3, 0)


def test_draft_tells_of_the_few_values_that_are_no_numbers(tmp_path: Path) -> None:
    sizes = [*map(str, range(20)), "about 90", "inf"]
    pd.DataFrame({"size": sizes, "price": range(22)}).to_csv(tmp_path / "in.csv", index=False)
    text = draft_contract(tmp_path / "in.csv", "price")
    assert "# check: 'size' is numeric except for 2 values; row 21: size: found 'about 90'" in text
    assert "maximum: 19" in text


def test_draft_warns_of_identifiers(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": [2**60 + 1, 5], "plot": [10**8, 10**8 + 1], "a": [1, 2], "b": [1, 2]})
    frame.to_csv(tmp_path / "in.csv", index=False)
    text = draft_contract(tmp_path / "in.csv", "b")
    assert "# left out: 'id' has integers beyond 2^53" in text
    assert "# check: 'plot' has integers beyond 16,777,216" in text


def test_draft_leaves_out_dates_and_free_text_and_says_so(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": [f"row {index}" for index in range(60)], "a": range(60), "b": range(60)})
    frame.to_parquet(tmp_path / "in.parquet")
    assert "# left out: 'id' is empty, a date, or has more than 50 distinct texts" in draft_contract(
        tmp_path / "in.parquet", "b"
    )


@pytest.mark.parametrize(
    ("name", "target", "message"),
    [
        ("in.csv", "cost", "has no column 'cost'; expected one of size, rooms"),
        ("none.csv", "price", "none.csv cannot be read"),
        ("in.xlsx", "price", "is not a table"),
        ("one.csv", "a", "apart from the target, no column can be a feature"),
    ],
)
def test_draft_refuses_what_it_cannot_use(name: str, target: str, message: str, tmp_path: Path) -> None:
    FRAME.to_csv(tmp_path / "in.csv", index=False)
    (tmp_path / "one.csv").write_text("a\n1\n")
    with pytest.raises(DataError, match=message):
        draft_contract(tmp_path / name, target)


def test_draft_does_not_overwrite_its_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in.csv").write_text("a,b\n1,2\n")
    source = str(tmp_path / "in.csv")
    assert main(["draft-contract", source, "--target", "b", "--out", source]) == 1
    assert "is the table itself" in capsys.readouterr().err
    assert (tmp_path / "in.csv").read_text() == "a,b\n1,2\n"


def test_command_line_prints_or_writes_a_draft(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = str(tmp_path / "in.parquet")
    FRAME.to_parquet(source)
    assert main(["draft-contract", source, "--target", "price"]) == 0
    printed = capsys.readouterr().out
    assert main(["draft-contract", source, "--target", "price", "--out", str(tmp_path / "schema.yaml")]) == 0
    assert (tmp_path / "schema.yaml").read_text() == printed
    assert isinstance(load_contract(tmp_path / "schema.yaml"), Contract)
