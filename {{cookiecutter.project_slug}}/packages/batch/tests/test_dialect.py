"""Dialects: files as people write them are read as what they mean, and only that."""

import io

import numpy as np
import pyarrow as pa
import pytest

from {{ cookiecutter.__package_name }}_batch.dialect import Dialect, translate
from {{ cookiecutter.__package_name }}_batch.readers import read_batches
from {{ cookiecutter.__package_name }}_batch.tables import check_batch
from {{ cookiecutter.__package_name }}_predict.errors import DataError
from {{ cookiecutter.__package_name }}_predict.fields import AnyField, Category, Date, Number

GERMAN = Dialect(separator=";", decimal=",", thousands=".", dates={"day": "%d.%m.%Y"}, missing=("?",))
FIELDS: dict[str, AnyField] = {
    "price": Number(type="number", missing=True),
    "day": Date(type="date", missing=True),
    "town": Category(type="category", open=True, missing=True),
}


def numbers(texts: list[str], dialect: Dialect) -> list[float]:
    """Return what texts mean as numbers."""
    fields = {"x": FIELDS["price"]}
    batch = translate(pa.RecordBatch.from_pydict({"x": texts}), fields, dialect)
    return [float(value) for value in check_batch(batch, fields, "a table").columns["x"]]


@pytest.mark.parametrize(
    ("texts", "dialect", "expected"),
    [
        (
            ["1.234,5", "1234,5", "1.234", "12 %", "-3,5%", "1.5.2", "?"],
            GERMAN,
            [1234.5, 1234.5, 1234, 12, -3.5, None, None],
        ),
        (["1,990", "10,000.5", "1,99", "7"], Dialect(thousands=","), [1990, 10000.5, None, 7]),
        (["12%", " 3.5 % ", "%", "1e3", ""], Dialect(), [12, 3.5, None, 1000, None]),
        (["1 234", "5"], Dialect(thousands=" "), [1234, 5]),
        (["0.125", "1.125"], GERMAN, [0.125, 1125]),
    ],
)
def test_numbers_are_read_as_they_are_meant(texts: list[str], dialect: Dialect, expected: list[float | None]) -> None:
    np.testing.assert_array_equal(numbers(texts, dialect), [np.nan if value is None else value for value in expected])


def test_file_with_semicolons_decimal_commas_and_dates_of_its_own_is_read() -> None:
    data = "price;day;town\n1.000,5;31.05.2024;Köln\n?;?;?\n2;2024-06-01;31.05.2024\n".encode("cp1252")
    dialect = GERMAN.model_copy(update={"encoding": "cp1252"})
    (batch,) = [batch for batch, _ in read_batches(io.BytesIO(data), "in.csv", lambda _: None, dialect)]
    checked = check_batch(translate(batch, FIELDS, dialect), FIELDS, "in.csv")
    assert checked.good.all()
    np.testing.assert_array_equal(checked.columns["price"], [1000.5, np.nan, 2])
    np.testing.assert_array_equal(checked.columns["day"] / 86400, [19874, np.nan, 19875])
    assert checked.columns["town"].to_pylist() == ["Köln", None, "31.05.2024"]


def test_mark_that_is_a_value_of_a_category_is_kept() -> None:
    fields: dict[str, AnyField] = {"grade": Category(type="category", values=("+", "-")), "size": FIELDS["price"]}
    batch = pa.RecordBatch.from_pydict({"grade": ["+", "-"], "size": ["1", "-"]})
    found = translate(batch, fields, Dialect(missing=("-",)))
    assert found.to_pydict() == {"grade": ["+", "-"], "size": ["1", None]}


def test_format_is_that_of_the_column_and_a_year_has_four_digits() -> None:
    fields: dict[str, AnyField] = dict.fromkeys(("sold", "paid"), FIELDS["day"])
    batch = pa.RecordBatch.from_pydict({"sold": ["05/04/2024", "05/04/24"], "paid": ["05/04/2024", "2024-05-04"]})
    found = translate(batch, fields, Dialect(dates={"sold": "%m/%d/%Y", "paid": "%d/%m/%Y"}))
    assert found.to_pydict() == {
        "sold": ["2024-05-04T00:00:00", "05/04/24"],
        "paid": ["2024-04-05T00:00:00", "2024-05-04"],
    }


def test_encoding_that_does_not_fit_is_refused() -> None:
    with pytest.raises(DataError, match="cannot be decoded as utf-8 .*; convert it to UTF-8, or set source.encoding"):
        list(read_batches(io.BytesIO("a\nK\xf6ln\n".encode("cp1252")), "in.csv", lambda _: None))
    with pytest.raises(DataError, match="source.encoding in config/default.yaml is unknown"):
        list(read_batches(io.BytesIO(b"a\n1\n"), "in.csv", lambda _: None, Dialect(encoding="utf-eight")))


def test_line_break_in_a_value_may_be_refused() -> None:
    data, malformed = b'a,b\n"1\n2",3\n4,5\n', list[str]()
    allowed = Dialect(newlines=True)
    (batch,) = [batch for batch, _ in read_batches(io.BytesIO(data), "in.csv", malformed.append, allowed)]
    assert batch.column("a").to_pylist() == ["1\n2", "4"]
    (batch,) = [batch for batch, _ in read_batches(io.BytesIO(data), "in.csv", malformed.append)]
    assert batch.column("a").to_pylist() == ["4"]
    assert malformed == [
        'found a line break in a value in quotes, which source.newlines does not allow: "1',
        'found a line break in a value in quotes, which source.newlines does not allow: 2",3',
    ]
