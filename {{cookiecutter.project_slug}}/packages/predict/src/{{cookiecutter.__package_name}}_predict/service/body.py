"""The body of a request for predictions: checked against the contract of the model that is live."""

from collections import Counter
from http import HTTPStatus

from pydantic import ValidationError
from pydantic_core import ErrorDetails, SchemaValidator, core_schema

from ..contract import MOST_PROBLEMS, Contract, Fault
from .metrics import Metrics
from .problems import Problem, pointer

INSTANCES = "instances"
BOM = b"\xef\xbb\xbf"


class RequestBody:
    """Reads `{"instances": [row, …]}`, where each row keeps the contract of a model."""

    def __init__(self, contract: Contract, most_rows: int, metrics: Metrics) -> None:
        """Make a reader for a contract and for so many rows at most; it counts the rows that it refuses."""
        self._contract, self._most_rows, self._metrics = contract, most_rows, metrics
        rows = core_schema.list_schema(contract.row_schema, min_length=1, max_length=most_rows)
        fields = {INSTANCES: core_schema.typed_dict_field(rows)}
        self._validator = SchemaValidator(core_schema.typed_dict_schema(fields, extra_behavior="forbid", strict=True))

    def read(self, data: bytes) -> list[dict[str, object]]:
        """Return the rows.

        Raises:
            Problem: 400 for what is not JSON, 422 for what is not `instances` or breaks the contract.
        """
        try:
            return self._validator.validate_json(data.removeprefix(BOM))[INSTANCES]  # type: ignore[no-any-return]
        except ValidationError as error:
            raise self._problem(error.errors(include_url=False)) from error

    def _problem(self, items: list[ErrorDetails]) -> Problem:
        if items[0]["type"] == "json_invalid":
            found = items[0]["ctx"]["error"]
            return Problem(
                HTTPStatus.BAD_REQUEST, f"the body is not valid JSON: {found}; expected UTF-8, and a JSON object"
            )
        outside = [self._outer_fault(item) for item in items if len(item["loc"]) < 2]
        inside = [item | {"loc": item["loc"][1:]} for item in items if len(item["loc"]) >= 2]
        faults = self._contract.faults(inside)
        self._count(faults)
        errors = [*outside, *(_describe(fault) for fault in faults[:MOST_PROBLEMS])]
        more = f"; and {len(faults) - MOST_PROBLEMS} more" if len(faults) > MOST_PROBLEMS else ""
        sentences = [f"{error['pointer']}: found {error['found']}, expected {error['expected']}" for error in errors]
        return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "; ".join(sentences) + more, errors=errors)

    def _outer_fault(self, item: ErrorDetails) -> dict[str, str]:
        rows = f"a list of one to {self._most_rows} objects"
        match item["type"], item["loc"]:
            case "extra_forbidden", (str(name),):
                found, expected = "an unknown key", f"only {INSTANCES!r}"
                return {"pointer": pointer(name[:80]), "found": found, "expected": expected}
            case "missing", _:
                return {"pointer": pointer(INSTANCES), "found": "nothing", "expected": rows}
            case "too_short" | "too_long", _:
                return {"pointer": pointer(INSTANCES), "found": _length(item), "expected": rows}
            case _, ():
                found, expected = f"{item['input']!r:.80}", f"an object with the key {INSTANCES!r}, {rows}"
                return {"pointer": pointer(), "found": found, "expected": expected}
            case _:
                return {"pointer": pointer(INSTANCES), "found": f"{item['input']!r:.80}", "expected": rows}

    def _count(self, faults: list[Fault]) -> None:
        known = self._contract.features
        for field, rows in Counter(fault.field if fault.field in known else "(other)" for fault in faults).items():
            self._metrics.refused.labels(field).inc(rows)


def _length(item: ErrorDetails) -> str:
    actual = item["ctx"].get("actual_length")
    return "more objects" if actual is None else f"{actual} objects"


def _describe(fault: Fault) -> dict[str, str]:
    parts = [part for part in (fault.row, fault.field) if part is not None]
    return {"pointer": pointer(INSTANCES, *parts), "found": fault.found, "expected": fault.expected}
