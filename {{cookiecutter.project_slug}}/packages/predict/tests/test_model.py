"""A model file: verified when it is loaded, refused with a sentence when it is not what it was."""

import hashlib
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest

from {{ cookiecutter.__package_name }}_predict import Contract, DataError, Model, ModelError
from {{ cookiecutter.__package_name }}_predict.artefact import agree, seal
from {{ cookiecutter.__package_name }}_predict.encoding import Encoded

ROW = {"length": 2.5, "count": 7, "colour": "green", "ready": True}
MakeModel = Callable[..., Path]


def test_predict_answers_one_row_and_many(model_path: Path) -> None:
    model = Model.load(model_path)
    (one,) = model.predict(ROW)
    assert one["prediction"] == "small"
    assert one["probabilities"] == pytest.approx(
        {"small": 1 / (1 + math.exp(-2.02)), "large": 1 / (1 + math.exp(2.02))}
    )
    assert model.predict([ROW, {"length": 9, "colour": "red"}])[1]["prediction"] == "large"


def test_predict_answers_no_rows_with_nothing(model_path: Path) -> None:
    assert Model.load(model_path).predict([]) == []


def test_predict_json_gives_what_predict_gives(model_path: Path) -> None:
    model = Model.load(model_path)
    text = '{"length": 2.5, "count": 7, "colour": "green", "ready": true}'
    assert model.predict_json(text) == model.predict_json(f"[{text}]") == model.predict(ROW)


def test_predict_refuses_a_broken_row(model_path: Path) -> None:
    with pytest.raises(DataError, match="length"):
        Model.load(model_path).predict({"length": -1, "colour": "red"})


def test_predict_is_the_same_from_many_threads(model_path: Path) -> None:
    model = Model.load(model_path)
    rows = [{**ROW, "length": length / 100} for length in range(1000)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(model.predict, rows))
    assert [answer for (answer,) in answers] == model.predict(rows)


def test_version_follows_from_the_content(make_model: MakeModel) -> None:
    lineage = '{"inputs": {}, "params": {"seed": 2}}'
    versions = [
        Model.load(path).version for path in (make_model(), make_model("same"), make_model("other", lineage=lineage))
    ]
    assert versions[0] == versions[1] != versions[2]


def test_load_refuses_an_absent_file(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"none.onnx cannot be read \(No such file"):
        Model.load(tmp_path / "none.onnx")


def test_load_refuses_every_truncated_file(model_path: Path) -> None:
    whole = model_path.read_bytes()
    for length in (0, 1, 60, len(whole) // 2, len(whole) - 80, len(whole) - 1):
        model_path.write_bytes(whole[:length])
        with pytest.raises(ModelError, match="truncated or foreign"):
            Model.load(model_path)


def test_load_refuses_a_foreign_file(model_path: Path) -> None:
    model_path.write_bytes(b"PK\x03\x04 not a model" * 50)
    with pytest.raises(ModelError, match="truncated or foreign"):
        Model.load(model_path)
    model_path.write_bytes(seal(b"sealed, but no ONNX"))
    with pytest.raises(ModelError, match="onnxruntime cannot load it"):
        Model.load(model_path)


def test_load_refuses_a_file_with_any_byte_changed(model_path: Path) -> None:
    whole = model_path.read_bytes()
    for position in range(0, len(whole), 97):
        changed = bytearray(whole)
        changed[position] ^= 1
        model_path.write_bytes(changed)
        with pytest.raises(ModelError):
            Model.load(model_path)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"format": "0"}, "has format '0', expected '2'"),
        ({"format": None}, "has format None, expected '2'"),
        ({"contract": None}, "lacks a part of its metadata"),
        ({"lineage": "{}"}, "lacks a part of its metadata"),
        ({"golden": '{"rows": [{"length": 0, "colour": "red"}], "outputs": [[0.5, 0.5]]}'}, "computes other outputs"),
        ({"golden": '{"rows": [], "outputs": []}'}, "gives outputs of shape"),
        (
            {"golden": '{"rows": [{"length": 0, "colour": "red"}], "outputs": [[0.98, 0.02], [0.98, 0.02]]}'},
            "gives outputs of shape",
        ),
        ({"golden": '{"rows": [{"length": 99}], "outputs": [[0.98, 0.02]]}'}, "cannot predict its own golden rows"),
    ],
)
def test_load_refuses_metadata_that_does_not_hold(
    changed: dict[str, str | None], message: str, make_model: MakeModel
) -> None:
    with pytest.raises(ModelError, match=message):
        Model.load(make_model(**changed))


def test_load_refuses_a_contract_that_does_not_fit_the_graph(make_model: MakeModel, contract: Contract) -> None:
    fewer = contract.model_copy(update={"features": {"length": contract.features["length"]}})
    golden = '{"rows": [{"length": 0}], "outputs": [[0.98, 0.02]]}'
    with pytest.raises(ModelError, match="cannot predict its own golden rows"):
        Model.load(make_model(contract=fewer.model_dump_json(), golden=golden))


def test_seal_is_an_entry_that_onnx_reads(model_path: Path) -> None:
    data = model_path.read_bytes()
    entries = {entry.key: entry.value for entry in onnx.load_from_string(data).metadata_props}
    assert entries["sha256"] == hashlib.sha256(data[:-76]).hexdigest()
    assert entries["sha256"].startswith(Model.load(model_path).version)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_outputs_agree_within_a_share_of_each(scale: float) -> None:
    expected = scale * np.array([[-1.0], [0.0], [1.0]])
    assert agree(expected * (1 + 1e-7), expected, scale).all()
    assert agree(expected + scale * 1e-3, expected, scale).tolist() == [False] * 3


def test_small_output_is_not_excused_by_a_large_one() -> None:
    expected = np.array([[5.0], [1e6]])
    assert agree(np.array([[12.0], [1e6]]), expected, scale=10).tolist() == [False, True]


def test_load_notices_another_schema(model_path: Path, contract: Contract) -> None:
    assert Model.load(model_path, contract=contract).contract == contract
    narrower = contract.features["colour"].model_copy(update={"values": ("red",)})
    changed = contract.model_copy(update={"features": {**contract.features, "colour": narrower}})
    with pytest.raises(ModelError, match="another contract, which differs in colour; train it again"):
        Model.load(model_path, contract=changed)


def test_run_gives_probabilities_that_sum_to_one(model_path: Path) -> None:
    outputs = Model.load(model_path).run(Encoded(np.zeros((3, 4)), {}))
    np.testing.assert_allclose(outputs.sum(axis=1), 1, rtol=1e-6)
