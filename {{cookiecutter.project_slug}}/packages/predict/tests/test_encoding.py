"""Encoding: checked rows become numbers, and the words of texts weights."""

import math

import numpy as np
import pytest

from {{ cookiecutter.__package_name }}_predict import Contract
from {{ cookiecutter.__package_name }}_predict.encoding import (
    FEW_ROWS,
    Encoded,
    Encoder,
    Vocabulary,
    Words,
    split_words,
)
from {{ cookiecutter.__package_name }}_predict.fields import parse_seconds

FIELDS = {
    "at": {"type": "datetime"},
    "shop": {"type": "category", "open": True, "missing": True},
    "note": {"type": "text", "missing": True},
    "size": {"type": "number", "expected": [0, 9], "missing": True},
}
WORDS = Words(words=["a b c", "big", "very", "very big"], weights=[5.0, 1.0, 2.0, 3.0])


@pytest.fixture
def encoder() -> Encoder:
    """Return an encoder with two known shops and a third that only a lookup knows."""
    contract = Contract.model_validate({"features": FIELDS, "target": {"b": {"type": "number"}}})
    return Encoder(contract, Vocabulary(values={"shop": ["x", "y", "z"]}, seen={"shop": 2}, words={"note": WORDS}))


def test_encode_gives_indices_numbers_and_nan_for_missing(contract: Contract) -> None:
    rows = contract.check_json(
        '[{"length": 1, "count": 2, "colour": "green", "ready": true}, {"length": 3, "colour": "red"}]'
    )
    expected = [[1, 2, 1, 1], [3, np.nan, 0, np.nan]]
    encoded = Encoder(contract, Vocabulary()).encode(rows)
    np.testing.assert_array_equal(encoded.numbers, np.array(expected))
    assert encoded.texts == {}


def test_encode_knows_dates_open_categories_and_texts(encoder: Encoder) -> None:
    assert encoder.columns == ("at", "shop", "note (length)", "note (words)", "size")
    rows: list[dict[str, object]] = [
        {"at": "1970-01-02", "shop": "y", "note": "very big", "size": 1},
        {"at": "1969-12-31T23:59:59.5", "shop": "new", "note": ""},
    ]
    expected = [[86400, 1, 8, 2, 1], [-0.5, -2, np.nan, np.nan, np.nan]]
    np.testing.assert_array_equal(encoder.encode(rows).numbers, np.array(expected))
    assert encoder.encode([{"at": "1970-01-01"}]).numbers[0, 1] == -1


def test_unusual_values_are_found(encoder: Encoder) -> None:
    rows = [
        {"at": "1970-01-01", "shop": shop, "size": size}
        for shop, size in (("x", 9), ("z", 9), (None, None), ("new", 9.5))
    ]
    encoded = encoder.encode(rows)
    assert encoder.find_unusual(encoded) == {1: ["shop"], 3: ["shop", "size"]}
    many = Encoded(np.concatenate([encoded.numbers] * FEW_ROWS), {})
    again = range(0, len(many.numbers), len(encoded.numbers))
    assert encoder.find_unusual(many) == {
        start + row: names for start in again for row, names in ((1, ["shop"]), (3, ["shop", "size"]))
    }
    assert encoder.count_unusual(encoded) == {"shop": 2, "size": 1}


def test_words_are_weighed_and_normalised(encoder: Encoder) -> None:
    texts: dict[str, list[str | None]] = {"note": ["Very, very BIG!", None, "other"]}
    norm = math.sqrt(1 + 16 + 9)
    expected = [[0, 1 / norm, 4 / norm, 3 / norm], [0] * 4, [0] * 4]
    np.testing.assert_allclose(encoder.weigh_words(texts, 0, 3), np.array(expected), rtol=1e-6)
    np.testing.assert_array_equal(encoder.weigh_words(texts, 1, 3), np.zeros((2, 4)))


def test_words_have_two_letters_of_any_script() -> None:
    assert split_words("I am Zoë: 日本") == ["am", "zoë", "日本", "am zoë", "zoë 日本"]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01", 0),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1970-01-01 00:00:00.25", 0.25),
        ("0001-01-01", -62135596800),
        ("9999-12-31T23:59:59Z", 253402300799),
    ],
)
def test_time_without_a_zone_is_in_utc(text: str, seconds: float) -> None:
    assert parse_seconds(text) == seconds
