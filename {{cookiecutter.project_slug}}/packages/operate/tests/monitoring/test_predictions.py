"""The prediction log is read as the service writes it; a table of outcomes may lie beside it."""

import pytest
from sqlalchemy import text

from {{ cookiecutter.__package_name }}_operate.monitoring.outcomes import read_outcomes
from {{ cookiecutter.__package_name }}_operate.monitoring.predictions import read_log
from {{ cookiecutter.__package_name }}_pipeline.project import Project
from {{ cookiecutter.__package_name }}_predict.contract import Contract, load_contract
from {{ cookiecutter.__package_name }}_predict.errors import DataError
from {{ cookiecutter.__package_name }}_records.settings import PredictionLogSettings

from machinery.small_config import SERVICE
from machinery.small_log import Write, change

LOG = PredictionLogSettings(**SERVICE["prediction_log"])


@pytest.fixture(params=["regression"])
def kind(request: pytest.FixtureRequest) -> str:
    """Return the one kind of problem that these tests need."""
    return str(request.param)


@pytest.fixture
def contract(project: Project) -> Contract:
    """Work where the prediction log is, and return the contract."""
    return load_contract(project.paths.contract)


def test_predictions_are_those_of_the_log(contract: Contract, write: Write) -> None:
    for hours in (30, 20, 2, 1):
        write(f"r{hours}", hours, length=1.0, ready=True)
    found = read_log(LOG, contract, hours=24, most=2)
    assert found.keys == [("r1", 0), ("r2", 0)]
    assert (found.answers, found.models) == ([1.5, 1.5], ["abc", "abc"])
    assert found.inputs.to_pylist() == [{"length": 1.0, "count": None, "colour": None, "ready": True}] * 2
    assert len(read_log(LOG, contract, hours=24, most=10).answers) == 3
    assert len(read_log(LOG, contract, hours=0.5, most=10).answers) == 0


def test_inputs_that_the_log_leaves_out_are_reported_where_they_are_needed(contract: Contract, write: Write) -> None:
    write("one", length=1.0)
    change(text("update predictions set inputs = 'null'"))
    assert read_log(LOG, contract, hours=24, most=2, keyed=True).answers == [1.5]
    with pytest.raises(DataError, match="has no inputs to compare: prediction_log.content leaves them out"):
        read_log(LOG, contract, hours=24, most=2)


def test_sensitive_inputs_are_not_read(contract: Contract, write: Write) -> None:
    secret = contract.features["length"].model_copy(update={"sensitive": True})
    hidden = contract.model_copy(update={"features": {**contract.features, "length": secret}})
    write("one", length="0123456789abcdef", ready=True)
    write("two", length=1.0, ready=False)
    assert read_log(LOG, hidden, hours=24, most=2).inputs.column_names == ["count", "colour", "ready"]


@pytest.mark.usefixtures("contract")
def test_table_of_outcomes_may_lie_beside_the_log(write: Write) -> None:
    write("one", length=1.0)
    change(text("create table sales (request_id text, weight real)"), text("insert into sales values ('one', 2.5)"))
    assert read_outcomes("sales", LOG).to_pylist() == [{"request_id": "one", "weight": 2.5}]
