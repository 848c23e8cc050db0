"""The contract: wrong schemas and wrong rows are refused by name, sound rows become a matrix."""

from pathlib import Path

import numpy as np
import pytest

from {{ cookiecutter.__package_name }}_predict import ConfigError, Contract, DataError, load_contract

FEATURES = "features:\n  a: {type: number}\n"
TARGET = "target:\n  b: {type: number}\n"
ROW = {"length": 2.5, "count": 7, "colour": "green", "ready": True}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (FEATURES.replace("number", "text") + TARGET, "schema.yaml:2: features.a: Input tag 'text'"),
        ("features:\n  a: {type: number, minimum: 2, maximum: 1}\n" + TARGET, "minimum 2 is above maximum 1"),
        ("features:\n  a:\n    type: number\n    least: 2\n" + TARGET, "schema.yaml:4: features.a.least: unknown key"),
        ("features:\n  a: {type: category, values: [x, x]}\n" + TARGET, "schema.yaml:2: features.a: Value error, the"),
        (
            "features:\n  a: {type: number}\n  a: {type: number}\n" + TARGET,
            "schema.yaml:3: a: this key occurs twice",
        ),
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
        (FEATURES + "target:\n  b: {type: category, values: [x]}\n", "'b' needs two values or more"),
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
    assert contract.encode([row])[0, 1] == 7


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


def test_problems_beyond_twenty_are_counted(contract: Contract) -> None:
    with pytest.raises(DataError, match="and 5 more"):
        contract.check([{**ROW, "length": 99}] * 25)


def test_encode_gives_indices_numbers_and_nan_for_missing(contract: Contract) -> None:
    rows = contract.check_json(
        '[{"length": 1, "count": 2, "colour": "green", "ready": true}, {"length": 3, "colour": "red"}]'
    )
    expected = [[1, 2, 1, 1], [3, np.nan, 0, np.nan]]
    np.testing.assert_array_equal(contract.encode(rows), np.array(expected, dtype=np.float32))


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
