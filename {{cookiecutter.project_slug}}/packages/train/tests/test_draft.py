"""A drafted schema: a start for a team's own table, sound as it stands."""

from pathlib import Path

import pandas as pd
import pytest

from {{ cookiecutter.__package_name }}_train.cli import main
from {{ cookiecutter.__package_name }}_train.draft import draft_schema
from {{ cookiecutter.__package_name }}_train.prediction import (
    Contract,
    DataError,
    Number,
    load_contract,
)

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
    text = draft_schema(source, "price")
    (tmp_path / "schema.yaml").write_text(text)
    contract = load_contract(tmp_path / "schema.yaml")
    assert text.startswith(f"# Drafted from in{suffix}: 3 rows. Check each line")
    size = contract.features["size"]
    assert isinstance(size, Number)
    assert (size.minimum, size.maximum, size.missing) == (1.5, 2.5, True)
    kinds = {name: field.type for name, field in contract.features.items()}
    expected = {"size": "number", "rooms": "integer", "town": "category", "new": "boolean"}
    assert kinds | {"seen": None} == expected | {"seen": kinds.get("seen") and None}
    assert contract.target["price"].type == "integer"


def test_draft_makes_a_boolean_target_a_category(tmp_path: Path) -> None:
    FRAME.to_csv(tmp_path / "in.csv", index=False)
    text = draft_schema(tmp_path / "in.csv", "new")
    assert "new:\n    type: category\n    values:\n    - 'False'\n    - 'True'" in text


def test_draft_leaves_out_dates_and_free_text_and_says_so(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": [f"row {index}" for index in range(60)], "a": range(60), "b": range(60)})
    frame.to_parquet(tmp_path / "in.parquet")
    assert "# left out: 'id' is a date, or has more than 50 different texts" in draft_schema(
        tmp_path / "in.parquet", "b"
    )


@pytest.mark.parametrize(
    ("name", "target", "message"),
    [
        ("in.csv", "cost", "has no column 'cost'; expected one of size, rooms"),
        ("none.csv", "price", "cannot be read as a table"),
        ("in.xlsx", "price", "is not a table"),
        ("one.csv", "a", "the target and one feature at least"),
    ],
)
def test_draft_refuses_what_it_cannot_use(name: str, target: str, message: str, tmp_path: Path) -> None:
    FRAME.to_csv(tmp_path / "in.csv", index=False)
    (tmp_path / "one.csv").write_text("a\n1\n")
    with pytest.raises(DataError, match=message):
        draft_schema(tmp_path / name, target)


def test_command_line_prints_or_writes_a_draft(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = str(tmp_path / "in.parquet")
    FRAME.to_parquet(source)
    assert main(["draft-schema", source, "--target", "price"]) == 0
    printed = capsys.readouterr().out
    assert main(["draft-schema", source, "--target", "price", "--out", str(tmp_path / "schema.yaml")]) == 0
    assert (tmp_path / "schema.yaml").read_text() == printed
    assert isinstance(load_contract(tmp_path / "schema.yaml"), Contract)
