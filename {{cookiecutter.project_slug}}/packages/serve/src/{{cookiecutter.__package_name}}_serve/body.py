"""The body of a prediction request, checked against the contract of the live model."""

import json
from collections import Counter
from http import HTTPStatus

from pydantic import ValidationError
from pydantic_core import ErrorDetails, SchemaValidator, core_schema, from_json

from {{ cookiecutter.__package_name }}_predict.contract import MOST_PROBLEMS, Contract, Fault

from .metrics import Metrics
from .problems import Problem, pointer

INSTANCES = "instances"
INLINE_BYTES = 16_384  # a body up to this size is answered in less time than a thread takes to wake
MOST_FAULTS = 1000
BOM = b"\xef\xbb\xbf"


class RequestBody:
    """Reads `{"instances": [row, …]}`, where each row must keep the contract of a model."""

    def __init__(self, contract: Contract, most_rows: int, metrics: Metrics) -> None:
        """Create a reader for a contract and a maximum number of rows; it counts rejected rows in the metrics."""
        self._contract, self._most_rows, self._metrics = contract, most_rows, metrics
        self._most_keys = len(contract.features) + len(contract.key_fields)
        self._validator = self._validate(fail_fast=False)
        self._first_fault = self._validate(fail_fast=True)

    def _validate(self, *, fail_fast: bool) -> SchemaValidator:
        """Return a validator of a body: it checks all rows, or stops at the first rejected one."""
        row = self._contract.row_schema
        rows = core_schema.list_schema(row, min_length=1, max_length=self._most_rows, fail_fast=fail_fast)
        fields = {INSTANCES: core_schema.typed_dict_field(rows)}
        return SchemaValidator(core_schema.typed_dict_schema(fields, extra_behavior="forbid", strict=True))

    def read(self, data: bytes) -> list[dict[str, object]]:
        """Return the rows.

        Raises:
            ValidationError: the body is not JSON, has another shape, or breaks the contract (see `problem`).
            Problem: a key occurs twice in an object, or a large body has an object with too many keys.
        """
        if len(data) > INLINE_BYTES and data.count(b'":') > 1 + self._most_rows * self._most_keys:
            self._require_few_keys(data)
        rows: list[dict[str, object]] = self._validator.validate_json(data.removeprefix(BOM))[INSTANCES]
        keys = 1 + sum(map(len, rows))
        if data.count(b":") != keys and (data.count(b'":') != keys or _has_space_before_colon(data)):
            require_unique_keys(data)
        return rows

    def _require_few_keys(self, data: bytes) -> None:
        """Refuse an object with more keys than the contract: collecting an error for each takes much memory."""
        try:
            body = from_json(data.removeprefix(BOM))
        except ValueError:
            return  # `validate_json` tells why
        rows = body.get(INSTANCES) if isinstance(body, dict) else None
        objects = [body, *(rows if isinstance(rows, list) else [])]
        for found in (len(item) for item in objects if isinstance(item, dict) and len(item) > self._most_keys):
            raise Problem(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                f"found an object with {found} keys, expected {self._most_keys} at most in a row, and {INSTANCES!r} "
                "alone around the rows",
            )

    def problem(self, data: bytes, error: ValidationError) -> Problem:
        """Return what is wrong with a body: status 400 if it is not JSON, else 422; count rejected rows by field.

        Describing a fault takes a hundred times the time and memory of finding it. Above `MOST_FAULTS`, only the first
        rejected row is described, and not even that one if it has too many faults itself.
        """
        if error.error_count() > MOST_FAULTS:
            try:
                self._first_fault.validate_json(data.removeprefix(BOM))
            except ValidationError as first:
                error = first
        if error.error_count() > MOST_FAULTS:
            detail = (
                f"found more than {MOST_FAULTS} unknown keys, expected an object with {INSTANCES!r} of known fields"
            )
            return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail)
        items = error.errors(include_url=False)
        if items[0]["type"] == "json_invalid":
            found = items[0]["ctx"]["error"]
            return Problem(
                HTTPStatus.BAD_REQUEST, f"the body is not valid JSON: {found}; expected UTF-8, and a JSON object"
            )
        outside = [self._outer_fault(item) for item in items if len(item["loc"]) < 2]
        inside = [item | {"loc": item["loc"][1:]} for item in items if len(item["loc"]) >= 2]
        faults = self._contract.faults(inside)
        self._count(faults)
        errors = [*outside[:MOST_PROBLEMS], *(_describe(fault) for fault in faults[:MOST_PROBLEMS])]
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
                found, expected = self._contract.show(item["input"]), f"an object with the key {INSTANCES!r}, {rows}"
                return {"pointer": pointer(), "found": found, "expected": expected}
            case _:
                return {"pointer": pointer(INSTANCES), "found": self._contract.show(item["input"]), "expected": rows}

    def _count(self, faults: list[Fault]) -> None:
        known = {**self._contract.features, **self._contract.key_fields}
        for field, rows in Counter(fault.field if fault.field in known else "(other)" for fault in faults).items():
            self._metrics.refused.labels(field).inc(rows)


def _has_space_before_colon(data: bytes) -> bool:
    return b" :" in data or b"\t:" in data or b"\n:" in data or b"\r:" in data  # a tenth of what an expression takes


def require_unique_keys(data: bytes) -> None:
    """Refuse JSON in which a key occurs twice: parsers take the last one, or the first.

    Raises:
        Problem: 422.
    """

    def check(pairs: list[tuple[str, object]]) -> None:
        if twice := [name for name, count in Counter(name for name, _ in pairs).items() if count > 1]:
            raise Problem(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                f"found the key {twice[0]!r:.80} twice in one object, expected each key once; leave one out",
            )

    json.loads(data.removeprefix(BOM), object_pairs_hook=check)


def _length(item: ErrorDetails) -> str:
    actual = item["ctx"].get("actual_length")
    return "more objects" if actual is None else f"{actual} objects"


def _describe(fault: Fault) -> dict[str, str]:
    parts = [part for part in (fault.row, fault.field) if part is not None]
    return {"pointer": pointer(INSTANCES, *parts), "found": fault.found, "expected": fault.expected}
