"""Tables: read as they come, checked as strictly as JSON, and encoded to the same numbers."""

import io
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from {{ cookiecutter.__package_name }}_batch.dialect import PLAIN, Dialect
from {{ cookiecutter.__package_name }}_batch.readers import read_batches, table_suffix
from {{ cookiecutter.__package_name }}_batch.tables import check_batch, decode, encode, to_records
from {{ cookiecutter.__package_name }}_predict import Contract, DataError
from {{ cookiecutter.__package_name }}_predict.encoding import Encoder, Vocabulary, Words

ROW = {"length": 2.5, "count": 7, "colour": "green", "ready": True}
VALUES = [
    ("length", 11.0),
    ("length", -0.001),
    ("length", None),
    ("length", 10.0),
    ("length", float("inf")),
    ("count", 101),
    ("count", None),
    ("count", 100),
    ("colour", "blue"),
    ("colour", "Red"),
    ("colour", None),
    ("ready", None),
    ("ready", False),
]

LINE_BREAKS = Dialect(newlines=True)


def read(data: bytes, name: str, dialect: Dialect = PLAIN) -> tuple[list[pa.RecordBatch], list[str]]:
    """Return the batches of a file's content, and the reasons for its malformed lines."""
    malformed: list[str] = []
    return [batch for batch, _ in read_batches(io.BytesIO(data), name, malformed.append, dialect)], malformed


@pytest.mark.parametrize(("name", "value"), VALUES)
def test_a_value_is_judged_alike_in_json_and_in_tables(name: str, value: object, contract: Contract) -> None:
    row = ROW | {name: value}
    checked = check_batch(pa.RecordBatch.from_pylist([row]), contract.features, "a table")
    if checked.good[0]:
        encoder = Encoder(contract, Vocabulary())
        expected = encoder.encode(contract.check([row]))
        np.testing.assert_array_equal(encode(checked, contract, encoder).numbers, expected.numbers)
    else:
        with pytest.raises(DataError) as refused:
            contract.check([row])
        assert str(refused.value) == f"row 1: {checked.reasons[0]}"


@pytest.mark.parametrize(
    ("name", "texts", "expected"),
    [
        ("length", ["1", " 2.5 ", "1e1", "+3", "abc", "1,5", "0x1", "", "NA", "inf"], [1, 2.5, 10, 3, *[np.nan] * 6]),
        ("length", ["1", "2", "3"], [1, 2, 3]),
        ("count", ["1", "2.0", "2.5", "1e2", "x"], [1, 2, np.nan, 100, np.nan]),
        ("colour", ["red", "green", "blue", "NA"], [0, 1, np.nan, np.nan]),
        ("ready", ["true", "False", "1", "0", "yes", "NO", "y", ""], [1, 0, 1, 0, 1, 0, np.nan, np.nan]),
    ],
)
def test_texts_of_csv_become_values(name: str, texts: list[str], expected: list[float], contract: Contract) -> None:
    lines = [",".join(f'"{value}"' for value in (ROW | {name: text}).values()) for text in texts]
    (batch,), _ = read("\n".join([",".join(ROW), *lines, ""]).encode(), "a.csv")
    checked = check_batch(batch, contract.features, "a.csv")
    np.testing.assert_array_equal(checked.columns[name], expected)


@pytest.mark.parametrize(
    ("name", "column", "expected"),
    [
        ("colour", pa.array(["red", "green"]).dictionary_encode(), [0, 1]),
        ("colour", pa.array([1, 2]), [np.nan, np.nan]),
        ("length", pa.array([Decimal("1.5"), Decimal(2)]), [1.5, 2]),
        ("length", pa.array([True, False]), [np.nan, np.nan]),
        ("length", pa.array([1, 2], pa.timestamp("s")), [np.nan, np.nan]),
        ("length", pa.array([[1], [2]]), [np.nan, np.nan]),
        ("count", pa.array([np.nan, 3.0]), [np.nan, 3]),
        ("ready", pa.array([1, 0]), [1, 0]),
        ("length", pa.array(["1", "NA"], pa.string_view()), [1, np.nan]),
    ],
)
def test_columns_of_other_types_are_cast_or_refused(
    name: str, column: pa.Array, expected: list[float], contract: Contract
) -> None:
    table = pa.table({key: column if key == name else [value] * 2 for key, value in ROW.items()})
    np.testing.assert_array_equal(check_batch(table, contract.features, "a table").columns[name], expected)


def test_decode_gives_the_contracts_own_types(contract: Contract) -> None:
    rows = [ROW, {"length": 1, "count": None, "colour": "red", "ready": None}, ROW | {"length": 99}]
    checked = check_batch(pa.RecordBatch.from_pylist(rows), contract.features, "a table")
    assert decode(checked, contract.features).to_pylist() == rows[:2]


def test_column_that_is_missing_is_named(contract: Contract) -> None:
    with pytest.raises(DataError, match="column 'colour' is missing from a.csv; expected: length, count"):
        check_batch(pa.RecordBatch.from_pylist([{"length": 1, "count": 2, "ready": True}]), contract.features, "a.csv")


def test_row_with_two_problems_names_both(contract: Contract) -> None:
    batch = pa.RecordBatch.from_pylist([ROW | {"length": 99.0, "colour": "blue"}])
    assert check_batch(batch, contract.features, "a table").reasons[0].split("; ") == [
        "length: found 99.0, expected a number from 0 up to 10 mm",
        "colour: found 'blue', expected one of 'red', 'green'",
    ]


def test_csv_keeps_texts_quotes_and_line_breaks() -> None:
    (batch,), _ = read('\ufeffa,b\n007,"x, ""y""\nz"\nNA,\n'.encode(), "a.csv", LINE_BREAKS)
    assert batch.to_pylist() == [{"a": "007", "b": 'x, "y"\nz'}, {"a": "NA", "b": ""}]


def test_text_that_means_missing_may_be_a_category_all_the_same(contract: Contract) -> None:
    field = contract.features["colour"].model_copy(update={"values": ("NA", "red"), "missing": True})
    checked = check_batch(pa.RecordBatch.from_pydict({"colour": ["NA", "red", ""]}), {"colour": field}, "a table")
    np.testing.assert_array_equal(checked.columns["colour"], [0, 1, np.nan])
    assert checked.good.all()


def test_csv_header_may_hold_line_breaks_and_a_doubled_name_is_still_found() -> None:
    (batch,), _ = read(b'"a\nb",c\n007,x\n', "a.csv", LINE_BREAKS)
    assert batch.to_pylist() == [{"a\nb": "007", "c": "x"}]
    with pytest.raises(DataError, match="has a line break in its header, .*; correct it, or allow them"):
        read(b'"a\nb",c\n007,x\n', "a.csv")
    with pytest.raises(DataError, match="has the header"):
        read(b'"a\nb",c,c\n1,2,3\n', "a.csv")


def test_csv_lines_of_the_wrong_width_are_set_aside() -> None:
    batches, malformed = read(b"a,b\n1,2\n1\n1,2,3\n3,4\n", "a.csv")
    assert pa.Table.from_batches(batches).to_pylist() == [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]
    assert sorted(malformed) == ["found 1 columns, expected 2: 1", "found 3 columns, expected 2: 1,2,3"]


@pytest.mark.parametrize(
    ("data", "name", "message"),
    [
        (b"", "a.csv", "has the header"),
        (b"a,a\n1,2\n", "a.csv", "has the header"),
        (b"a,b\n1,\xff\n", "a.csv", "cannot be decoded as utf-8"),
        (b"a,b\n" + b"1,2\n" * 9999 + b"1,\xff\n", "a.csv", "cannot be read as a table"),
        (b"\xff\xfea\x00\n", "a.csv", "cannot be decoded as utf-8"),
        (b"PAR1 and then nothing", "a.parquet", "cannot be read as a table"),
        (b"a\n1\n", "a.xlsx", "a.xlsx is not a table"),
    ],
)
def test_file_that_is_no_table_is_refused(data: bytes, name: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(data, name)


def test_parquet_that_is_truncated_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": list(range(1000))}), tmp_path / "a.parquet")
    data = (tmp_path / "a.parquet").read_bytes()
    with pytest.raises(DataError, match="cannot be read as a table"):
        read(data[: len(data) // 2], "a.parquet")


def test_parquet_with_two_columns_of_one_name_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_arrays([[1], [2]], names=["a", "a"]), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="two columns with the same name"):
        read((tmp_path / "a.parquet").read_bytes(), "a.parquet")


def test_suffix_is_read_off_an_address_too() -> None:
    assert table_suffix("https://example.com/a.CSV?token=b.c") == ".csv"


KINDS = Contract.model_validate(
    {
        "features": {
            "at": {"type": "datetime", "missing": True},
            "day": {"type": "date", "missing": True},
            "shop": {"type": "category", "open": True, "missing": True},
            "note": {"type": "text", "max_length": 30, "missing": True},
            "late": {"type": "boolean", "missing": True},
        },
        "target": {"price": {"type": "number"}},
    }
)
ENCODER = Encoder(
    KINDS,
    Vocabulary(
        values={"shop": ["Zürich", "NAN"]},
        seen={"shop": 2},
        words={"note": Words(words=["big", "very"], weights=[1.0, 2.0])},
    ),
)
EMPTY: dict[str, object] = dict.fromkeys(KINDS.features)
KIND_VALUES = [
    ("at", "2024-05-31T14:30:00Z"),
    ("at", "2024-05-31T14:30:00.123456+05:30"),
    ("at", "2024-05-31 14:30"),
    ("at", "0001-01-01"),
    ("at", "9999-12-31T23:59:59"),
    ("at", "31.05.2024"),
    ("at", "2024-02-30"),
    ("at", "0000-01-01"),
    ("at", "2024-05-31T24:00"),
    ("at", "2024-W22-5"),
    ("at", "2024-05-31T10:00:00,5"),
    ("at", "2024"),
    ("day", "2024-05-31"),
    ("day", "2024-05-31T00:00:00"),
    ("day", "2024-05-31T12:00:00"),
    ("shop", "Zürich"),
    ("shop", "elsewhere"),
    ("shop", "x" * 201),
    ("note", "Very very big"),
    ("note", " \t"),
    ("note", "NA"),
    ("note", "x" * 31),
    ("late", True),
]


@pytest.mark.parametrize(("name", "value"), KIND_VALUES)
def test_each_kind_is_judged_and_encoded_alike_in_json_and_in_tables(name: str, value: object) -> None:
    row = {**EMPTY, name: value}
    columns = {other: pa.array([found], pa.bool_() if other == "late" else pa.string()) for other, found in row.items()}
    checked = check_batch(pa.table(columns), KINDS.features, "a table")
    if not checked.good[0]:
        with pytest.raises(DataError) as refused:
            KINDS.check([row])
        assert str(refused.value) == f"row 1: {checked.reasons[0]}"
        return
    found, expected = encode(checked, KINDS, ENCODER), ENCODER.encode(KINDS.check([row]))
    np.testing.assert_array_equal(found.numbers, expected.numbers)
    found_words, expected_words = (ENCODER.weigh_words(rows.texts, 0, 1) for rows in (found, expected))
    np.testing.assert_array_equal(found_words, expected_words)
    again = check_batch(decode(checked, KINDS.features), KINDS.features, "the clean table")
    np.testing.assert_array_equal(encode(again, KINDS, ENCODER).numbers, expected.numbers)
    np.testing.assert_array_equal(ENCODER.encode(to_records(checked, KINDS.features)).numbers, expected.numbers)


def test_times_with_and_without_zones_may_stand_in_one_column() -> None:
    times = ["2024-05-31T14:30:00Z", "2024-05-31T14:30:00", "2024-05-31T16:30:00+02:00", "", "later"]
    checked = check_batch(pa.table({"at": times}), {"at": KINDS.features["at"]}, "a table")
    assert checked.columns["at"][:3].tolist() == [1717165800.0] * 3
    assert checked.good.tolist() == [True] * 4 + [False]


def test_times_of_arrow_are_converted_to_utc() -> None:
    moment = datetime(2024, 5, 31, 14, 30)  # the zone is the column's
    kinds = [pa.timestamp("ns"), pa.timestamp("s", "UTC"), pa.timestamp("us", "Europe/Berlin"), pa.date32()]
    for kind, seconds in zip(kinds, [1717165800.0, 1717165800.0, 1717158600.0, 1717113600.0], strict=True):
        naive = pa.array([moment], pa.timestamp("us"))
        column = (
            pc.assume_timezone(naive, kind.tz).cast(kind) if getattr(kind, "tz", None) else naive.cast(kind, safe=False)
        )
        checked = check_batch(pa.table({"at": column}), {"at": KINDS.features["at"]}, "a table")
        assert checked.columns["at"].tolist() == [seconds], kind


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_beyond_the_years_of_iso_are_refused(unit: str) -> None:
    column = pa.array([2**62, -(2**62), 0], pa.timestamp(unit))
    checked = check_batch(pa.table({"at": column}), {"at": KINDS.features["at"]}, "a table")
    assert checked.good.tolist() == [unit == "ns", unit == "ns", True]  # in nanoseconds, these are in 2116 and 1823
    assert checked.columns["at"][2] == 0


def test_codes_of_numbers_are_texts_for_an_open_category() -> None:
    checked = check_batch(pa.table({"shop": [17, None]}), {"shop": KINDS.features["shop"]}, "a table")
    assert checked.columns["shop"].to_pylist() == ["17", None]
