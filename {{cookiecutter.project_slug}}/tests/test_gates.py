"""Each gate bites: it stops the pipeline with a sentence that names it, and leaves the model as it was."""

from pathlib import Path

import pandas as pd
import pytest
import yaml

from {{ cookiecutter.__package_name }}_predict import Contract

from .sandbox import run_stages

SOURCE = Path("data/made/rows.csv")
MODEL = Path("models/model.onnx")


@pytest.fixture(autouse=True)
def before(project: Path) -> bytes:
    """Train a model that is good enough, and return its bytes."""
    assert run_stages() == ""
    return (project / MODEL).read_bytes()


def test_bad_rows_beyond_the_share_stop_the_pipeline(
    before: bytes, contract: Contract, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = pd.read_csv(SOURCE)
    frame[contract.target_name] = frame[contract.target_name].astype(object)
    frame.loc[: len(frame) // 2, contract.target_name] = "no such value"
    frame.to_csv(SOURCE, index=False)
    assert run_stages() == "validate"
    error = capsys.readouterr().err
    assert "201 of 400 rows break the contract (0.5025); the share allowed is 0.05" in error
    assert f"refused values: {contract.target_name} 201" in error
    assert MODEL.read_bytes() == before


def test_leaking_column_stops_the_pipeline(
    before: bytes, contract: Contract, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = pd.read_csv(SOURCE)
    frame["leak"] = pd.factorize(frame[contract.target_name], sort=True)[0] / len(frame)
    frame.to_csv(SOURCE, index=False)
    schema = yaml.safe_load(Path("schema.yaml").read_text())
    schema["features"]["leak"] = {"type": "number"}
    Path("schema.yaml").write_text(yaml.safe_dump(schema, sort_keys=False))
    assert run_stages() == "gate"
    error = capsys.readouterr().err
    assert "the gate refused the candidate: leakage: " in error
    assert "from leak alone: found " in error
    assert MODEL.read_bytes() == before


def test_shuffled_target_stops_the_pipeline(
    before: bytes, contract: Contract, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = pd.read_csv(SOURCE)
    shuffled = frame[contract.target_name].sample(frac=1, random_state=1).to_numpy()
    frame.assign(**{contract.target_name: shuffled}).to_csv(SOURCE, index=False)
    assert run_stages() == "gate"
    assert "over the trivial model: found " in capsys.readouterr().err
    assert MODEL.read_bytes() == before


def test_metric_under_its_threshold_stops_the_pipeline(
    before: bytes, contract: Contract, capsys: pytest.CaptureFixture[str]
) -> None:
    metric = "accuracy" if contract.classes else "r2"
    params = Path("params.yaml")
    values = yaml.safe_load(params.read_text())
    values["gate"]["minimum"] = {metric: 0.9999}
    params.write_text(yaml.safe_dump(values))
    assert run_stages() == "gate"
    assert f"the gate refused the candidate: {metric}: found 0." in capsys.readouterr().err
    assert MODEL.read_bytes() == before
