"""Prediction is separate from training, and gives one number however it is asked."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from {{ cookiecutter.__package_name }}_predict import Contract, Model

from .sandbox import KIND, PROGRAM, run_in
from .small_config import ROOT
from .small_project import make_rows

FORBIDDEN = ("dvc", "pandas", "pyarrow", "skl2onnx", "sklearn")
PREDICT = Model.__module__.partition(".")[0]
OTHERS = tuple(f"{PREDICT.removesuffix('_predict')}_{name}" for name in ("batch", "operate", "pipeline", "train"))


def test_prediction_works_from_its_own_lock_alone(
    reproduced: Path, contract: Contract, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONPATH")
    run_in(ROOT / "packages" / "predict", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path))
    run_in(tmp_path, "uv", "venv", "--python", sys.executable, "alone")
    install = ("uv", "pip", "install", "--python", "alone")
    run_in(tmp_path, *install, "--require-hashes", "--requirements", str(ROOT / "requirements" / "predict.txt"))
    run_in(tmp_path, *install, "--no-deps", *map(str, tmp_path.glob("*.whl")))
    python = next(path for path in (tmp_path / "alone").glob("*/python*") if path.stem == "python")
    found = f"import importlib.util as u; print([name for name in {[*OTHERS, *FORBIDDEN]} if u.find_spec(name)])"
    assert run_in(tmp_path, str(python), "-c", found).strip() == "[]"
    model = str(reproduced / "models" / "model.onnx")
    record = json.dumps(contract.example())
    command = (str(python), "-m", PREDICT)
    answer = run_in(tmp_path, *command, "predict", record, "--model", model)
    assert json.loads(answer) == Model.load(model).predict(contract.example())[0]
    for other in ("score", "release", "stage"):
        assert f"No such command '{other}'" in run_in(tmp_path, *command, other, code=2)


def test_library_command_line_and_batch_give_the_same_number(
    reproduced: Path, contract: Contract, tmp_path: Path
) -> None:
    rows = make_rows(KIND, 2000, seed=5).drop(columns=contract.target_name)
    records = [dict(row) for row in json.loads(rows.to_json(orient="records"))]
    model = Model.load(reproduced / "models" / "model.onnx")
    answers = model.predict(records)
    assert [model.predict(record)[0] for record in records[:100]] == answers[:100]
    (tmp_path / "in.json").write_text(json.dumps(records))
    rows.to_csv(tmp_path / "in.csv", index=False)
    rows.to_parquet(tmp_path / "in.parquet", index=False)
    assert json.loads(run_in(reproduced, PROGRAM, "predict", str(tmp_path / "in.json"))) == answers
    for name in ("in.csv", "in.parquet"):
        run_in(reproduced, PROGRAM, "score", str(tmp_path / name), str(tmp_path / "out.parquet"))
        scored = pd.read_parquet(tmp_path / "out.parquet")
        assert scored["prediction"].tolist() == [answer["prediction"] for answer in answers]
        for index, label in enumerate(contract.classes):
            shares = [list(answer["probabilities"].values())[index] for answer in answers]
            assert scored[f"probability_{label}"].astype(float).tolist() == shares


def test_schema_changed_since_training_is_noticed(reproduced: Path, contract: Contract, tmp_path: Path) -> None:
    schema = yaml.safe_load((reproduced / "schema.yaml").read_text())
    schema["features"]["one_more"] = {"type": "number"}
    changed = tmp_path / "schema.yaml"
    changed.write_text(yaml.safe_dump(schema, sort_keys=False))
    config = tmp_path / "config" / "default.yaml"
    config.parent.mkdir()
    paths = {"model": str(reproduced / "models" / "model.onnx"), "schema": str(changed)}
    config.write_text(yaml.safe_dump({"paths": paths}))
    printed = run_in(tmp_path, PROGRAM, "predict", json.dumps(contract.example()), code=1)
    assert "was trained under another contract, which differs in one_more; train it again (dvc repro)" in printed


def test_import_across_the_wall_is_found(tmp_path: Path) -> None:
    source = ROOT / "packages"
    for folder in source.glob("*/src/*"):
        shutil.copytree(folder, tmp_path / folder.name)
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    pipeline = f"{PREDICT.removesuffix('_predict')}_pipeline"
    (tmp_path / PREDICT / "model.py").write_text(f"import sklearn\nimport {pipeline}\n")
    program = "import sys; sys.path.insert(0, '.'); from importlinter.cli import lint_imports; sys.exit(lint_imports())"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Packages import only those below them, and none beside them BROKEN" in done.stdout
    assert "Nothing that runs in production imports a training library BROKEN" in done.stdout
    assert f"{PREDICT}.model -> sklearn" in done.stdout
