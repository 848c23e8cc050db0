"""Files that the first version of the template made answer as they did there."""

import base64
import json
from pathlib import Path

import pytest

from {{ cookiecutter.__package_name }}_predict import DataError, Model, ModelError

HERE = Path(__file__).parent / "format_1"  # each with the rows of a holdout, and what the first version answered


@pytest.mark.parametrize("problem", ["classification", "regression"])
def test_model_of_format_1_answers_as_before(problem: str, tmp_path: Path) -> None:
    made = json.loads((HERE / f"{problem}.json").read_text(encoding="utf-8"))
    path = tmp_path / "model.onnx"
    path.write_bytes(base64.b64decode("".join(made["model"])))
    model = Model.load(path)
    rows = [item["row"] for item in made["answers"]]
    assert model.predict(rows) == [item["answer"] for item in made["answers"]]
    assert any(row["sex"] is None for row in rows)
    assert [model.predict(row)[0] for row in rows] == model.predict(rows)
    assert model.reference.rows > 200
    with pytest.raises(DataError, match="island: found 'Atlantis', expected one of 'Biscoe', 'Dream', 'Torgersen'"):
        model.predict({**rows[0], "island": "Atlantis"})


def test_damage_to_a_model_of_format_1_is_found(tmp_path: Path) -> None:
    made = json.loads((HERE / "regression.json").read_text(encoding="utf-8"))
    data = base64.b64decode("".join(made["model"]))
    path = tmp_path / "model.onnx"
    path.write_bytes(data[:5000] + bytes([data[5000] ^ 1]) + data[5001:])
    with pytest.raises(ModelError, match="changed after it was sealed"):
        Model.load(path)
