"""Changes of a contract: those that break clients are told from those that do not."""

from typing import Any

import pytest

from {{ cookiecutter.__package_name }}_operate.versions.compatibility import compare_contracts
from {{ cookiecutter.__package_name }}_predict.contract import Contract

FEATURES: dict[str, Any] = {
    "size": {"type": "integer", "minimum": 0, "maximum": 9, "unit": "mm"},
    "colour": {"type": "category", "values": ["red", "green"]},
    "note": {"type": "text", "max_length": 50, "missing": True},
    "day": {"type": "date"},
    "shop": {"type": "category", "open": True},
}
CLASSES = {"kind": {"type": "category", "values": ["small", "large"]}}


def look(
    features: dict[str, Any] | None = None,
    target: dict[str, Any] | None = None,
    before: dict[str, Any] | None = None,
    keys: tuple[dict[str, str], dict[str, str]] = ({}, {}),
) -> list[tuple[str, bool]]:
    """Return the changes of a contract whose features or target are changed, each with whether it breaks clients."""
    old = Contract.model_validate({"keys": keys[0], "features": FEATURES, "target": before or CLASSES})
    changed = {name: field for name, field in {**FEATURES, **(features or {})}.items() if field}
    new = Contract.model_validate({"keys": keys[1], "features": changed, "target": target or before or CLASSES})
    return [(str(change), change.breaking) for change in compare_contracts(old, new)]


@pytest.mark.parametrize(
    ("changed", "text", "breaking"),
    [
        ({"size": None}, "size: removed", True),
        ({"new": {"type": "number"}}, "new: new, required", True),
        ({"new": {"type": "number", "missing": True}}, "new: new, optional", False),
        ({"day": {"type": "date", "missing": True}}, "day: may now be missing", False),
        ({"note": {"type": "text", "max_length": 50}}, "note: may no longer be missing", True),
        ({"note": {"type": "text", "max_length": 49, "missing": True}}, "note: at most 49 characters, 50 before", True),
        (
            {"note": {"type": "text", "max_length": 51, "missing": True}},
            "note: at most 51 characters, 50 before",
            False,
        ),
        ({"day": {"type": "datetime"}}, "day: date becomes datetime", False),
        ({"day": {"type": "text"}}, "day: date becomes text", True),
        ({"shop": {"type": "text", "max_length": 200}}, "shop: category becomes text", False),
        ({"colour": {"type": "text", "max_length": 4}}, "colour: category becomes text", True),
        ({"size": {**FEATURES["size"], "type": "number"}}, "size: integer becomes number", False),
        ({"size": {**FEATURES["size"], "unit": "cm"}}, "size: in cm, before in mm", True),
        (
            {"size": {**FEATURES["size"], "minimum": 1}},
            "size: an integer from 1 up to 9 mm, before an integer from 0 up to 9 mm",
            True,
        ),
        (
            {"size": {**FEATURES["size"], "maximum": 10}},
            "size: an integer from 0 up to 10 mm, before an integer from 0 up to 9 mm",
            False,
        ),
        ({"colour": {"type": "category", "values": ["red"]}}, "colour: no longer accepts 'green'", True),
        (
            {"colour": {"type": "category", "values": ["red", "green", "blue"]}},
            "colour: also accepts 'blue'",
            False,
        ),
        ({"colour": {"type": "category", "open": True}}, "colour: any text is accepted now", False),
        ({"shop": {"type": "category", "values": ["a", "b"]}}, "shop: only one of 'a', 'b' is accepted now", True),
    ],
)
def test_change_of_a_feature_is_told(changed: dict[str, Any], text: str, breaking: bool) -> None:
    assert look(changed) == [(text, breaking)]


@pytest.mark.parametrize(
    ("before", "after", "text", "breaking"),
    [
        (
            CLASSES,
            {"kind": {"type": "category", "values": ["small", "large", "huge"]}},
            "kind: predictions are small, large, huge; before, small, large",
            True,
        ),
        (
            {"kind": {"type": "category", "values": ["small", "large", "huge"]}},
            CLASSES,
            "kind: predictions are small, large; before, small, large, huge",
            True,
        ),
        (
            CLASSES,
            {"kind": {"type": "category", "values": ["large", "small"]}},
            "kind: predictions are large, small; before, small, large",
            False,
        ),
        (
            {"kind": {"type": "category", "values": ["False", "True"]}},
            {"kind": {"type": "boolean"}},
            "kind: predictions are False, True; before, False, True",
            True,
        ),
        (CLASSES, {"kind": {"type": "number"}}, "kind: predictions are a number; before, small, large", True),
        (
            {"weight": {"type": "number", "unit": "g"}},
            {"weight": {"type": "number", "unit": "kg"}},
            "weight: predictions are in kg, before in g",
            True,
        ),
        (CLASSES, {"sort": CLASSES["kind"]}, "kind: predictions are of 'sort' now", True),
    ],
)
def test_change_of_the_target_is_told(
    before: dict[str, Any],
    after: dict[str, Any],
    text: str,
    breaking: bool,
) -> None:
    assert look(target=after, before=before) == [(text, breaking)]


def test_what_clients_do_not_notice_is_no_change() -> None:
    quiet = {**FEATURES["size"], "expected": [1, 2], "description": "the size", "since": "v2", "sensitive": True}
    assert look({"size": quiet}) == []


def test_key_is_optional_for_clients() -> None:
    assert look(keys=({}, {"id": "customer"})) == [("customer: new, optional", False)]
    assert look(keys=({"id": "customer"}, {})) == [("customer: removed", True)]
    name = {"customer": {"type": "category", "open": True, "missing": True}}
    assert look(name, keys=({"id": "customer"}, {})) == [("customer: integers are no longer accepted", True)]
