"""A drafted contract: a start for a team's own table, sound as it stands."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from {{ cookiecutter.__package_name }}_batch.dialect import Dialect
from {{ cookiecutter.__package_name }}_pipeline.detect import detect_dialect
from {{ cookiecutter.__package_name }}_pipeline.draft_contract import Draft, draft_contract
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


def many(count: int = 200, **columns: Any) -> pd.DataFrame:
    """Return a table with a size and a price, and further columns."""
    rng = np.random.default_rng(0)
    frame = {"size": rng.normal(size=count).round(2), "price": rng.normal(size=count).round(2)}
    return pd.DataFrame({**frame, **columns})


def draft(frame: pd.DataFrame, tmp_path: Path, target: str = "price", **options: Any) -> Draft:
    """Return the draft for a table, written as CSV, with the options of `to_csv` under `csv`."""
    frame.to_csv(tmp_path / "in.csv", index=False, **options.pop("csv", {}))
    return draft_contract(tmp_path / "in.csv", target, **options)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_draft_takes_usual_ranges_and_values_from_the_data(suffix: str, tmp_path: Path) -> None:
    source = tmp_path / f"in{suffix}"
    (FRAME.to_csv if suffix == ".csv" else FRAME.to_parquet)(source, index=False)
    text = str(draft_contract(source, "price"))
    (tmp_path / "schema.yaml").write_text(text)
    contract = load_contract(tmp_path / "schema.yaml")
    assert text.startswith(f"# Drafted from in{suffix}: 3 rows. Check each line")
    size = contract.features["size"]
    assert isinstance(size, Number)
    assert (size.minimum, size.maximum, size.expected, size.missing) == (None, None, (1.5, 2.5), True)
    kinds = {name: field.type for name, field in contract.features.items()}
    expected = {"size": "number", "rooms": "integer", "town": "category", "new": "boolean", "seen": "date"}
    assert kinds == expected
    assert contract.target["price"].type == "integer"


@pytest.mark.parametrize("target", ["price", "new", "town"])
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_draft_accepts_the_table_it_was_made_from(suffix: str, target: str, tmp_path: Path) -> None:
    source = tmp_path / f"in{suffix}"
    frame = pd.concat([FRAME.assign(town=["x", "y", "x"])] * 2)
    (frame.to_csv if suffix == ".csv" else frame.to_parquet)(source, index=False)
    made = draft_contract(source, target)
    (tmp_path / "schema.yaml").write_text(str(made))
    contract = load_contract(tmp_path / "schema.yaml")
    (tmp_path / "raw").mkdir()
    source.rename(tmp_path / "raw" / source.name)
    paths = (tmp_path / "clean.parquet", tmp_path / "bad.csv")
    result = validate(tmp_path / "raw", contract, *paths, made.dialect, lambda _: None)
    assert (result.rows, result.rejected) == (6, 0)


COUNT = 200
COLUMNS: list[tuple[str, object, dict[str, object] | None, str]] = [
    (
        "order no.",
        range(1, COUNT + 1),
        None,
        "left out: 'order no.' is different in each of 200 rows .'1', '2', '3'.: an",
    ),
    ("uuid", [f"a{number}" for number in range(COUNT)], None, "an identifier"),
    ("big", [2**60 + number for number in range(COUNT)], None, "an identifier"),
    ("code", [number % 30 for number in range(COUNT)], {"type": "integer", "expected": [0, 29]}, "named like a code"),
    (
        "shop",
        [f"s{number % 102}" for number in range(COUNT)],
        {"type": "category", "open": True},
        "102 different values",
    ),
    ("colour", ["red", "blue"] * 100, {"type": "category", "values": ["blue", "red"]}, ""),
    ("zip", [f"0{1000 + number % 50}" for number in range(COUNT)], {"type": "category", "open": True}, "50 different"),
    ("flag", ["yes", "no"] * 100, {"type": "boolean"}, ""),
    ("zero", [0, 1] * 100, {"type": "boolean"}, ""),
    (
        "year",
        ["2024-01-05"] * 199 + [""],
        {"type": "date", "missing": True},
        "left out: 'year' is '2024-01-05' in each row",
    ),
    (
        "day",
        [f"{1 + n % 28:02}.05.2024" for n in range(COUNT)],
        {"type": "date"},
        "is read as %d.%m.%Y, see source.dates",
    ),
    ("at", [f"2024-05-0{1 + n % 9} 14:30" for n in range(COUNT)], {"type": "datetime"}, ""),
    (
        "note",
        [f"the quick brown fox {number}" for number in range(COUNT)],
        {"type": "text", "max_length": 1000},
        "5 words",
    ),
    (
        "gap",
        [-999] * 20 + list(range(180)),
        {"type": "integer", "expected": [-999, 179]},
        "-999 in 20 rows .* a missing",
    ),
    (
        "mark",
        ["?"] * 30 + ["1.5", "2"] * 85,
        {"type": "number", "expected": [1.5, 2.0], "missing": True},
        "15.0% .* '[?]'",
    ),
    ("share", ["12 %", "3.5 %"] * 100, {"type": "number", "expected": [3.5, 12.0]}, ""),
    ("money", ["1,990", "12"] * 100, {"type": "integer", "expected": [12, 1990]}, "'1,990' of 'money' is read without"),
    (
        "grade",
        ["None", "good", "fair", "None"] * 50,
        {"type": "category", "values": ["fair", "good"], "missing": True},
        "'None' in 100 rows of",
    ),
    ("long", [f"{number}" * 300 for number in range(COUNT)], {"type": "text", "max_length": 1800}, ""),
    (
        "broken",
        [*map(str, range(0, 597, 3)), "about 90"],
        {"type": "integer", "expected": [0, 594]},
        "1 values .*'about 90'",
    ),
    ("empty", [None] * COUNT, None, "left out: 'empty' has no values"),
    (
        "nearly",
        ["None", "x"] * 100,
        None,
        "'None' in 100 rows of 'nearly'; list it .* left out: 'nearly' is 'x' in each row",
    ),
    ("same", ["x"] * COUNT, None, "left out: 'same' is 'x' in each row"),
]


@pytest.mark.parametrize(("name", "values", "expected", "note"), COLUMNS, ids=[name for name, *_ in COLUMNS])
def test_draft_says_what_a_column_is_and_why(
    name: str, values: object, expected: dict[str, object] | None, note: str, tmp_path: Path
) -> None:
    made = draft(many().assign(**{name: values}), tmp_path)  # type: ignore[arg-type]  # values of any kind
    found = made.features.get(name)
    if "in each row" in note:
        expected = None
    assert found == expected
    notes = [text for text in made.notes if f"'{name}'" in text and not text.startswith("time:")]
    if note:
        assert re.search(note, " ".join(notes)), notes
    else:
        assert not notes


def test_draft_keeps_an_identifier_as_the_key_and_takes_the_keys_it_is_given(tmp_path: Path) -> None:
    frame = many(id=range(200), at=["2024-05-01", "2024-05-02"] * 100, firm=["a", "b"] * 100)
    made = draft(frame, tmp_path, time="at", group="firm")
    assert made.keys == {"id": "id", "time": "at", "group": "firm"}
    assert set(made.features) == {"size", "at"}
    later = frame.index > 0
    gaps = frame.assign(firm=frame["firm"].where(later), at=frame["at"].where(later))
    lost = draft(gaps, tmp_path, time="at", group="firm")
    assert "check: 1 rows have no 'firm', the key group; they are rejected" in lost.notes
    assert "check: 1 rows have no 'at', the key time; a split by time needs it in each row" in lost.notes
    with pytest.raises(DataError, match="the time 'size' holds .*, expected dates such as"):
        draft(frame, tmp_path, time="size")


@pytest.mark.parametrize(
    ("values", "problem", "expected", "note"),
    [
        (
            list(range(10)) * 20,
            None,
            "category",
            "10 different integers, taken as classes; for a number, pass --problem",
        ),
        (list(range(10)) * 20, "regression", "integer", "taken as a number; for classes"),
        (list(range(100)) * 2, None, "integer", "taken as a number"),
        (list(range(100)) * 2, "classification", "category", "100 different integers"),
        (["1.5", "2.5"] * 100, None, "number", ""),
        (["yes", "no"] * 100, None, "boolean", ""),
        ([0, 1] * 100, None, "boolean", "2 different integers"),
        (["a", "b"] * 99 + ["rare", ""], None, "category", "'rare' occur once each; their rows are rejected"),
    ],
)
def test_draft_understands_the_target(values: Any, problem: Any, expected: str, note: str, tmp_path: Path) -> None:
    made = draft(many().assign(price=values), tmp_path, problem=problem)
    assert made.target["price"]["type"] == expected
    assert note in " ".join(made.notes)
    assert made.problem == ("regression" if expected in ("integer", "number") else "classification")


def test_draft_names_the_rarer_of_two_classes_last(tmp_path: Path) -> None:
    made = draft(many().assign(price=["bad"] * 20 + ["good"] * 180), tmp_path)
    assert made.target["price"]["values"] == ["good", "bad"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a;b\n1,5;2\n2,5;3\n", {"separator": ";", "decimal": ","}),
        ("a;b\n1.234,5;2\n2,5;3\n", {"separator": ";", "decimal": ",", "thousands": "."}),
        ('a,b\n"1,5",2\n"2,25",3\n', {"decimal": ","}),
        ("a\tb\n1\t2\n", {"separator": "\t"}),
        ('a,b\n"1,990",2\n"12",3\n', {"thousands": ","}),
        ("a,b\n?,2\n1,3\n2,3\n", {"missing": ("?",)}),
        ("a,b\n-,2\n1,3\n2,3\n", {"missing": ("-",)}),
        ("a,b\n-,x\ny,z\n", {}),
        ("a,b\n12/31/2024 0:00:00,2\n", {"dates": {"a": "%m/%d/%Y %H:%M:%S"}}),
        ("a,b\n31/12/2024,2\n", {"dates": {"a": "%d/%m/%Y"}}),
        ("a,b\n31/12/24,2\n", {"dates": {"a": "%d/%m/%y"}}),
        ("a,b\n12/31/2024,31/12/2024\n", {"dates": {"a": "%m/%d/%Y", "b": "%d/%m/%Y"}}),
        ("a,b\n2024-12-31,2\n", {}),
        ("a,b\n2024-12-31T10:00:00,2024-12-31 10:00:00Z\n", {}),
        ('a,b\n"0,250",2\n"0,125",3\n', {"decimal": ","}),
        ("a,b\r1,2\r3,4\r", {}),
        (f"a,b\n{'x' * 140000};,2\n", {}),
        ("a,b\nKöln,2\n", {"encoding": "cp1252"}),
        ("\ufeffa,b\n1,2\n", {}),
    ],
)
def test_dialect_is_that_of_the_file(text: str, expected: dict[str, object], tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes(text.encode(str(expected.get("encoding", "utf-8"))))
    assert detect_dialect(tmp_path / "in.csv") == Dialect.model_validate(expected)


def test_column_without_a_name_is_left_out(tmp_path: Path) -> None:
    made = draft(many().reset_index(names=""), tmp_path)
    assert "left out: a column without a name, probably a row index" in made.notes
    assert "" not in {**made.features, **made.keys}


@pytest.mark.parametrize(
    ("name", "target", "message"),
    [
        ("in.csv", "cost", "has no column 'cost'; expected one of size, rooms"),
        ("none.csv", "price", "none.csv cannot be read"),
        ("in.xlsx", "price", "is not a table"),
        ("one.csv", "a", "apart from the target, no column can be a feature"),
        ("in.csv", "seen", "the target 'seen' has 0 different values|expected numbers, or 2 to 100 classes"),
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


def test_only_column_of_dates_becomes_the_time(tmp_path: Path) -> None:
    days = pd.date_range("2024-01-01", periods=200)
    made = draft(many(ordered=days), tmp_path)
    assert made.keys == {"time": "ordered"}
    assert "ordered" in made.features
    assert any("'ordered' is the only column of dates and becomes keys: time" in note for note in made.notes)
    assert draft(many(ordered=days, shipped=days), tmp_path).keys == {}
    assert draft(many(ordered=days.where(days.day > 1)), tmp_path).keys == {}


@pytest.mark.parametrize("name", ["customer", "shop_id", "idcode"])
def test_column_by_which_rows_may_belong_together_is_named(name: str, tmp_path: Path) -> None:
    made = draft(many().assign(**{name: np.arange(200) // 4}), tmp_path)
    (note,) = [note for note in made.notes if note.startswith("group?")]
    assert f"{name!r} has 50 different values in 4.0 rows each" in note
    assert f"pass --group {name!r}" in note
    assert made.keys == {}
    given = draft(many().assign(**{name: np.arange(200) // 4}), tmp_path, group=name)
    assert given.keys == {"group": name}
    for frame in (
        many().assign(**{name: np.arange(200) // 100}),
        many(customers=np.arange(200) % 2, age=np.arange(200) // 4),
    ):
        assert not any(note.startswith("group?") for note in draft(frame, tmp_path).notes)
