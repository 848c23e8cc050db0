"""The contract: wrong schemas and wrong rows are refused by name."""

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from {{ cookiecutter.__package_name }}_predict import ConfigError, Contract, DataError, load_contract

FEATURES = "features:\n  a: {type: number}\n"
TARGET = "target:\n  b: {type: number}\n"
ROW = {"length": 2.5, "count": 7, "colour": "green", "ready": True}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (FEATURES.replace("number", "colour") + TARGET, "schema.yaml:2: features.a: Input tag 'colour'"),
        ("features:\n  a: {type: category}\n" + TARGET, "either `values` or `open: true`"),
        ("features:\n  a: {type: category, values: [x], open: true}\n" + TARGET, "either `values` or `open: true`"),
        (FEATURES.replace("number}", "number, expected: [2, 1]}") + TARGET, "found 2 to 1, expected a range"),
        (
            FEATURES.replace("number}", "number, minimum: 0, expected: [-1, 1]}") + TARGET,
            "expected a range within 0 to",
        ),
        (FEATURES + TARGET + "keys: {id: b}\n", "'b' is both a key and the target"),
        (FEATURES + TARGET + "keys: {time: a}\n", "'a' is a feature, but neither a date nor a datetime"),
        (
            "features:\n  a: {type: text}\n  a (length): {type: number}\n" + TARGET,
            "'a (length)' is that of a column of a",
        ),
        (FEATURES + TARGET + "keys: {name: c}\n", "schema.yaml:5: keys.name: unknown key"),
        ("features:\n  a: {type: number, minimum: 2, maximum: 1}\n" + TARGET, "minimum 2 is above maximum 1"),
        ("features:\n  a:\n    type: number\n    least: 2\n" + TARGET, "schema.yaml:4: features.a.least: unknown key"),
        ("features:\n  a: {type: category, values: [x, x]}\n" + TARGET, "schema.yaml:2: features.a: Value error, the"),
        (
            "features:\n  a: {type: number}\n  a: {type: number}\n" + TARGET,
            "schema.yaml:3: a: this key occurs twice",
        ),
        (
            "features:\n  a: {type: text, sensitive: true}\n" + TARGET,
            "would hold words of a sensitive text; leave it out",
        ),
        ("features:\n  a: {type: category, open: true, sensitive: true}\n" + TARGET, "list its `values`"),
        (FEATURES + "target:\n  b: {type: number, sensitive: true}\n", "'b' may not be sensitive"),
        (FEATURES, "schema.yaml:1: target: Field required"),
        (
            "features:\n  a: {type: integer, minimum: 0.2, maximum: 0.7}\n" + TARGET,
            "no integer lies from 0.2 up to 0.7",
        ),
        (
            "features:\n  a: {type: category, values: [yes, no]}\n" + TARGET,
            "schema.yaml:2: features.a.values.0: expected text; put it in quotes",
        ),
        (FEATURES.replace("a:", "prediction:") + TARGET, "the name 'prediction' is reserved for outputs"),
        ("seen: 2024-13-45\n", "schema.yaml is not valid YAML: month must be in 1..12"),
        ("features: &f [*f]\n", "schema.yaml"),
        (FEATURES + TARGET.replace("b:", "a:"), "'a' is both a feature and the target"),
        (FEATURES + "target:\n  b: {type: number, missing: true}\n", "'b' may not be missing"),
        (FEATURES + "target:\n  b: {type: category, values: [x]}\n", "'b' needs a list of two values or more"),
        (FEATURES + "target: [", "schema.yaml is not valid YAML"),
        ("", "schema.yaml:1: the file: Input should be"),
        ("features: {}\n" + TARGET, "schema.yaml:1: features: Dictionary should have at least 1 item"),
    ],
)
def test_schema_that_is_wrong_is_refused_with_line_and_reason(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "schema.yaml").write_text(text)
    with pytest.raises(ConfigError) as refused:
        load_contract(tmp_path / "schema.yaml")
    assert message in str(refused.value)


def test_schema_that_is_absent_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="none.yaml cannot be read"):
        load_contract(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"length": 11}, "row 1: length: found 11, expected a number from 0 up to 10 mm"),
        ({"length": "2"}, "row 1: length: found '2', expected a number"),
        ({"length": True}, "row 1: length: found True, expected a number"),
        ({"length": None}, "row 1: length: found nothing, expected a number"),
        ({"length": float("nan")}, "row 1: length: found nan, expected a number"),
        ({"length": 10**400}, "row 1: length: found 1000"),
        ({"count": 1.5}, "row 1: count: found 1.5, expected an integer from 0 up to 100 or null"),
        ({"count": 2.5e-200}, "row 1: count: found 2.5e-200, expected an integer from 0 up to 100 or null"),
        ({"colour": "blue"}, "row 1: colour: found 'blue', expected one of 'red', 'green'"),
        ({"colour": ["red"]}, "row 1: colour: found ['red'], expected one of"),
        ({"ready": 1}, "row 1: ready: found 1, expected true or false or null"),
        ({"size": 1}, "row 1: size: found an unknown field, expected only length, count, colour, ready"),
        ({None: 1}, "row 1: None: found an unknown field"),
    ],
)
def test_row_that_breaks_the_contract_is_refused_by_field(
    change: dict[str, object], message: str, contract: Contract
) -> None:
    with pytest.raises(DataError) as refused:
        contract.check([ROW | change])
    assert message in str(refused.value)


def test_row_that_lacks_a_field_is_refused(contract: Contract) -> None:
    with pytest.raises(DataError, match="row 2: colour: found nothing, expected one of"):
        contract.check([ROW, {"length": 1}])


def test_row_that_is_no_object_is_refused(contract: Contract) -> None:
    with pytest.raises(DataError, match="row 1: found 3, expected an object with the fields length"):
        contract.check_json("[3]")


def test_text_that_is_not_json_is_refused(contract: Contract) -> None:
    with pytest.raises(DataError, match="not valid JSON: .*; expected an object or a list"):
        contract.check_json('{"length": NaN, "colour"}')


def test_integer_may_be_written_with_a_point_as_some_clients_do(contract: Contract) -> None:
    (row,) = contract.check_json('{"length": 1, "count": 7.0, "colour": "red"}')
    assert row["count"] == 7


@pytest.mark.parametrize("kind", ["number", "integer"])
@pytest.mark.parametrize(("low", "high"), [(-5, -5), (2.4, 3.2), (1e6, 1e6 + 1), (None, -3), (7, None), (None, None)])
def test_example_lies_in_any_range(low: float | None, high: float | None, kind: str) -> None:
    field = {"type": kind, "minimum": low, "maximum": high}
    contract = Contract.model_validate({"features": {"a": field}, "target": {"b": {"type": "number"}}})
    assert contract.check([contract.example()]) == [contract.example()]


def test_example_lies_in_a_narrow_range() -> None:
    field = {"type": "number", "minimum": 0.00011, "maximum": 0.00012}
    contract = Contract.model_validate({"features": {"a": field}, "target": {"b": {"type": "number"}}})
    assert contract.check([contract.example()]) == [contract.example()]


def test_message_stays_short_whatever_the_input(tmp_path: Path) -> None:
    path = tmp_path / "schema.yaml"
    path.write_text(FEATURES.replace("number", "x" * 1_000_000) + TARGET)
    with pytest.raises(ConfigError) as refused:
        load_contract(path)
    said = str(refused.value)
    assert len(said) < 4010
    assert "schema.yaml:2: features.a: Input tag" in said[:200]
    many = {f"column {index} {'x' * 200}": {"type": "number"} for index in range(2000)}
    wide = Contract.model_validate({"features": many, "target": {"b": {"type": "number"}}})
    with pytest.raises(DataError, match="and 1981 more$") as unknown:
        wide.check([{"nothing": 1}])
    assert len(str(unknown.value)) < 4010


def test_problems_beyond_twenty_are_counted(contract: Contract) -> None:
    with pytest.raises(DataError, match="and 5 more"):
        contract.check([{**ROW, "length": 99}] * 25)


KINDS = """\
keys: {id: order no., time: ordered, group: customer}
features:
  ordered: {type: datetime}
  born: {type: date, missing: true}
  shop: {type: category, open: true}
  note: {type: text, max_length: 20, missing: true}
  "share (%)": {type: number, expected: [0, 100]}
target:
  late: {type: boolean}
"""
ORDER = {
    "ordered": "2024-05-31T14:30:00+02:00",
    "born": "0001-01-01",
    "shop": "Zürich",
    "note": "two words",
    "share (%)": 1,
}


@pytest.fixture
def kinds(tmp_path: Path) -> Contract:
    """Return a contract with keys, dates, an open category and a text."""
    (tmp_path / "kinds.yaml").write_text(KINDS, encoding="utf-8")
    return load_contract(tmp_path / "kinds.yaml")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ordered": "yesterday"}, "ordered: found 'yesterday', expected a time such as 2024-05-31T14:30:00Z"),
        ({"ordered": 1717165800}, "ordered: found 1717165800, expected a time"),
        ({"ordered": "2024-02-30"}, "ordered: found '2024-02-30', expected a time"),
        ({"born": "2024-05-31T14:30:00"}, "born: found '2024-05-31T14:30:00', expected a date such as 2024-05-31 or"),
        ({"shop": ""}, "shop: found '', expected a text of 1 to 200 characters"),
        ({"shop": "x" * 201}, "expected a text of 1 to 200 characters"),
        ({"note": "x" * 21}, "expected a text of at most 20 characters or null"),
        ({"order no.": 1.5}, "order no.: found 1.5, expected a text of 1 to 200 characters"),
        ({"customer": ["x"]}, "customer: found ['x'], expected a text"),
    ],
)
def test_row_with_an_invalid_date_text_or_key_is_refused(
    change: dict[str, object], message: str, kinds: Contract
) -> None:
    row = {**ORDER, **change}
    with pytest.raises(DataError) as refused:
        kinds.check([row])
    assert message in str(refused.value)
    with pytest.raises(DataError) as refused:
        kinds.check_json(json.dumps(row))
    assert message in str(refused.value)


def test_keys_may_be_omitted_and_are_carried_along(kinds: Contract) -> None:
    assert kinds.check([ORDER]) == [ORDER]
    keys: dict[str, object] = {"order no.": 17, "customer": "c-1"}
    assert kinds.check([{**ORDER, **keys}]) == [{**ORDER, **keys}]
    assert kinds.check([{**ORDER, "customer": None}])


def test_dates_of_python_are_accepted(kinds: Contract) -> None:
    row = {**ORDER, "ordered": datetime(2024, 5, 31, 12, 30, tzinfo=UTC), "born": date(9999, 12, 31)}
    (checked,) = kinds.check([row])
    assert (checked["ordered"], checked["born"]) == ("2024-05-31T12:30:00+00:00", "9999-12-31")


def test_boolean_target_has_two_classes_and_answers_true_or_false(kinds: Contract) -> None:
    assert kinds.classes == ("false", "true")
    assert kinds.labels == (False, True)


def test_example_keeps_the_contract(contract: Contract) -> None:
    assert contract.check([contract.example()]) == [contract.example()]


def test_differences_name_fields_and_order(contract: Contract) -> None:
    assert contract.differences(contract) == []
    wider = contract.model_copy(update={"features": {**contract.features, "more": contract.features["length"]}})
    assert contract.differences(wider) == ["more"]
    described = contract.features["length"].model_copy(update={"description": "Another word for it."})
    assert (
        contract.differences(contract.model_copy(update={"features": {**contract.features, "length": described}})) == []
    )
    turned = contract.model_copy(update={"features": dict(reversed(contract.features.items()))})
    assert contract.differences(turned) == ["the order of the features"]


def test_sensitive_values_are_in_no_message() -> None:
    secret = Contract.model_validate(
        {
            "keys": {"id": "customer", "sensitive": True},
            "features": {"age": {"type": "integer", "maximum": 120, "sensitive": True}, "size": {"type": "number"}},
            "target": {"b": {"type": "number"}},
        }
    )
    assert secret.sensitive == ("age", "customer")
    with pytest.raises(DataError) as caught:
        secret.check([{"age": 543, "size": "wide", "customer": 76.5}])
    assert str(caught.value).splitlines() == [
        "row 1: age: found a value that is not shown, expected an integer up to 120",
        "row 1: size: found 'wide', expected a number",
        "row 1: customer: found a value that is not shown, expected a text of 1 to 200 characters",
    ]
    with pytest.raises(DataError, match=r"row 1: found a value that is not shown \(list\), expected an object"):
        secret.check([[543, "wide"]])  # type: ignore[list-item]  # as JSON may have it
