"""The contract: it accepts the rows of the source, and refuses what it says it refuses."""

import json
import re

import pyarrow as pa
import pytest

from {{ cookiecutter.__package_name }}_batch.tables import check_batch
from {{ cookiecutter.__package_name }}_pipeline.project import Project
from {{ cookiecutter.__package_name }}_predict import Contract, DataError
from {{ cookiecutter.__package_name }}_predict.fields import Category, Date, Number, Text

from .sample_run import Run


def test_example_keeps_the_contract_as_json_and_as_a_table(contract: Contract) -> None:
    example = contract.example()
    assert contract.check_json(json.dumps(example)) == [example]
    assert check_batch(pa.RecordBatch.from_pylist([example]), contract.features, "the example").good.all()


def test_missing_value_is_accepted_where_the_contract_says_so(contract: Contract) -> None:
    for name, field in contract.features.items():
        record = {**contract.example(), name: None}
        if field.missing:
            assert contract.check([record])
        else:
            with pytest.raises(DataError, match=re.escape(f"{name}: found nothing")):
                contract.check([record])


def test_value_outside_the_contract_is_refused(contract: Contract) -> None:
    for name, field in contract.features.items():
        wrong: list[object] = [["a list"]]
        if isinstance(field, Number):
            wrong += [field.minimum - 1] if field.minimum is not None else []
            wrong += [field.maximum + 1] if field.maximum is not None else []
        if isinstance(field, Category):
            wrong.append("" if field.open else "".join(field.values) + "?")
        if isinstance(field, Date):
            wrong.append("yesterday")
        if isinstance(field, Text):
            wrong.append("x" * (field.max_length + 1))
        for value in wrong:
            with pytest.raises(DataError, match=re.escape(name)):
                contract.check([{**contract.example(), name: value}])


def test_unknown_field_is_refused(contract: Contract) -> None:
    with pytest.raises(DataError, match="an unknown field"):
        contract.check([{**contract.example(), "no such field": 1}])


def test_source_has_few_rejected_rows(run: Run, project: Project) -> None:
    counts = json.loads((run.folder / project.paths.validation).read_text())
    assert counts["rows"] > 0
    assert counts["share"] <= project.params.validation.max_rejected
