"""Prediction is separate from training, and gives one number however it is asked."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import yaml

from {{ cookiecutter.__package_name }}_predict import Contract, Model

from .sandbox import ROOT, make_rows, run_in

PREDICT = "{{ cookiecutter.__distribution }}-predict"
FORBIDDEN = ("dvc", "pandas", "pyarrow", "skl2onnx", "sklearn")
TRAIN = "{{ cookiecutter.__package_name }}_train"


def test_prediction_works_from_its_own_lock_alone(reproduced: Path, contract: Contract, tmp_path: Path) -> None:
    run_in(ROOT / "packages" / "predict", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path))
    run_in(tmp_path, "uv", "venv", "--python", sys.executable, "alone")
    install = ("uv", "pip", "install", "--python", "alone")
    run_in(tmp_path, *install, "--require-hashes", "--requirements", str(ROOT / "requirements" / "predict.txt"))
    run_in(tmp_path, *install, "--no-deps", *map(str, tmp_path.glob("*.whl")))
    python = next(path for path in (tmp_path / "alone").glob("*/python*") if path.stem == "python")
    found = f"import importlib.util as u; print([name for name in {[TRAIN, *FORBIDDEN]} if u.find_spec(name)])"
    assert run_in(tmp_path, str(python), "-c", found).strip() == "[]"
    model = str(reproduced / "models" / "model.onnx")
    record = json.dumps(contract.example())
    command = (str(python), "-m", "{{ cookiecutter.__package_name }}_predict")
    answer = run_in(tmp_path, *command, "predict", record, "--model", model)
    assert json.loads(answer) == Model.load(model).predict(contract.example())[0]
    refused = run_in(tmp_path, *command, "score", "in.csv", "out.csv", "--model", model, code=1)
    assert "score needs the batch extra" in refused


def test_library_command_line_and_batch_give_the_same_number(
    reproduced: Path, contract: Contract, tmp_path: Path
) -> None:
    rows = make_rows(contract, count=2000, seed=5).drop(columns=contract.target_name)
    records = [dict(row) for row in json.loads(rows.to_json(orient="records"))]
    model = Model.load(reproduced / "models" / "model.onnx")
    answers = model.predict(records)
    assert [model.predict(record)[0] for record in records[:100]] == answers[:100]
    (tmp_path / "in.json").write_text(json.dumps(records))
    rows.to_csv(tmp_path / "in.csv", index=False)
    rows.to_parquet(tmp_path / "in.parquet", index=False)
    assert json.loads(run_in(reproduced, PREDICT, "predict", str(tmp_path / "in.json"))) == answers
    for name in ("in.csv", "in.parquet"):
        run_in(reproduced, PREDICT, "score", str(tmp_path / name), str(tmp_path / "out.parquet"))
        scored = pd.read_parquet(tmp_path / "out.parquet")
        assert scored["prediction"].tolist() == [answer["prediction"] for answer in answers]
        for index, label in enumerate(contract.classes):
            shares = [list(answer["probabilities"].values())[index] for answer in answers]
            assert scored[f"probability_{label}"].astype(float).tolist() == shares


def test_schema_changed_since_training_is_noticed(reproduced: Path, contract: Contract, tmp_path: Path) -> None:
    schema = yaml.safe_load((ROOT / "schema.yaml").read_text())
    schema["features"]["one_more"] = {"type": "number"}
    changed = tmp_path / "schema.yaml"
    changed.write_text(yaml.safe_dump(schema, sort_keys=False))
    config = tmp_path / "config" / "default.yaml"
    config.parent.mkdir()
    paths = {"model": str(reproduced / "models" / "model.onnx"), "schema": str(changed)}
    config.write_text(yaml.safe_dump({"paths": paths}))
    printed = run_in(tmp_path, PREDICT, "predict", json.dumps(contract.example()), code=1)
    assert "was trained under another schema, which differs in one_more; train it again (dvc repro)" in printed


def test_import_across_the_wall_is_found(tmp_path: Path) -> None:
    source = ROOT / "packages"
    for package in ("predict", "train"):
        for path in (source / package / "src").rglob("*.py"):
            copy = tmp_path / path.relative_to(source / package / "src")
            copy.parent.mkdir(exist_ok=True)
            copy.write_text(path.read_text())
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    (tmp_path / Model.__module__.partition(".")[0] / "model.py").write_text("import sklearn\n")
    program = "import sys; sys.path.insert(0, '.'); from importlinter.cli import lint_imports; sys.exit(lint_imports())"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Prediction knows nothing of training BROKEN" in done.stdout
    assert "{{ cookiecutter.__package_name }}_predict.model -> sklearn" in done.stdout
