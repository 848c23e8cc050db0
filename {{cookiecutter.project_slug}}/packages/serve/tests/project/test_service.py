"""The service in the project: its own lock, the same number as everywhere, and retraining that nobody notices."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from {{ cookiecutter.__package_name }}_predict import Contract, Model
from {{ cookiecutter.__package_name }}_predict.settings import PREFIX

from .running import PACKAGE, TOKEN, Start, connect, wait_for
from machinery.sandbox import KIND, PROGRAM, environment, run_in, set_params
from machinery.small_config import ROOT
from machinery.small_project import make_rows
from machinery.test_documents import read_commands, run_command


def set_jobs(project: Path, command: list[str]) -> None:
    """Have the worker run a command."""
    path = project / "config" / "default.yaml"
    content = yaml.safe_load(path.read_text())
    content["jobs"] |= {"command": command, "seconds": 600}
    path.write_text(yaml.safe_dump(content))


def test_library_command_line_batch_and_service_give_the_same_number(
    copied: Path, contract: Contract, tmp_path: Path, start: Start
) -> None:
    rows = make_rows(KIND, 500, seed=6).drop(columns=contract.target_name)
    records = [dict(row) for row in json.loads(rows.to_json(orient="records"))]
    answers = Model.load(copied / "models" / "model.onnx").predict(records)
    (tmp_path / "in.json").write_text(json.dumps(records))
    rows.to_parquet(tmp_path / "in.parquet", index=False)
    assert json.loads(run_in(copied, PROGRAM, "predict", str(tmp_path / "in.json"))) == answers
    run_in(copied, PROGRAM, "score", str(tmp_path / "in.parquet"), str(tmp_path / "out.parquet"))
    scored = pd.read_parquet(tmp_path / "out.parquet")
    assert scored["prediction"].tolist() == [answer["prediction"] for answer in answers]
    start(copied, "serve", "--port", "0")
    with connect(copied) as client:
        assert client.post("/predict", json={"instances": records}).json()["predictions"] == answers
        alone = [client.post("/predict", json={"instances": [record]}).json() for record in records[:50]]
    assert [answer["predictions"][0] for answer in alone] == answers[:50]


def test_retraining_on_request_ends_in_a_new_model_that_nobody_had_to_wait_for(
    copied: Path, contract: Contract, start: Start
) -> None:
    project = copied
    set_jobs(project, ["dvc", "repro"])
    start(project, "serve", "--port", "0")
    start(project, "worker")
    with connect(project) as client:
        before = client.get("/model").json()
        seed = yaml.safe_load((project / "params.yaml").read_text())["seed"] + 1
        set_params(project, seed=seed)
        asked = client.post("/retrain", json={"reason": "another seed"}, headers={"X-Request-ID": "test-1"})
        assert asked.status_code == 202
        example = {"instances": [contract.example()]}

        def find_end() -> dict[str, Any] | None:
            assert client.post("/predict", json=example).status_code == 200
            job: dict[str, Any] = client.get(asked.headers["location"]).json()
            return job if job["state"] in ("succeeded", "failed") else None

        job = wait_for(find_end)
        assert job["state"] == "succeeded", job["output"]
        assert (job["reason"], job["request_id"]) == ("another seed", "test-1")
        assert "Running stage 'gate'" in job["output"]
        wait_for(lambda: client.get("/model").json()["version"] != before["version"])
        after = client.get("/model").json()
        assert after["version"] == Model.load(project / "models" / "model.onnx").version
        assert after["lineage"]["params"]["seed"] == seed
        assert after["metrics"] == json.loads((project / "reports" / "metrics.json").read_text())
        assert client.post("/predict", json=example).json()["model_version"] == after["version"]


def test_service_works_from_its_own_lock_alone(
    reproduced: Path, contract: Contract, tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONPATH")
    for name in ("predict", "records", "serve"):
        run_in(ROOT / "packages" / name, "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path))
    run_in(tmp_path, "uv", "venv", "--python", sys.executable, "alone")
    install = ("uv", "pip", "install", "--python", "alone")
    run_in(tmp_path, *install, "--require-hashes", "--requirements", str(ROOT / "requirements" / "serve.txt"))
    run_in(tmp_path, *install, "--no-deps", *map(str, tmp_path.glob("*.whl")))
    python = str(tmp_path / "alone" / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))
    pipeline = f"{PACKAGE.removesuffix('_predict')}_pipeline"
    forbidden = [pipeline, "dvc", "onnx", "pandas", "pyarrow", "skl2onnx", "sklearn"]
    found = f"import importlib.util as u; print([name for name in {forbidden} if u.find_spec(name)])"
    assert run_in(tmp_path, python, "-c", found).strip() == "[]"
    shutil.copytree(reproduced / "config", tmp_path / "config")
    shutil.copytree(reproduced / "models", tmp_path / "models")
    shutil.copy(reproduced / "schema.yaml", tmp_path)
    start(tmp_path, "serve", "--port", "0", python=python)
    with connect(tmp_path) as client:
        assert client.post("/predict", json={"instances": [contract.example()]}).status_code == 200
        assert client.get("/metrics").status_code == 200


def test_commands_of_the_page_run_in_their_order(copied: Path, start: Start) -> None:
    project = copied
    address, answers = "", []
    for command in read_commands("docs/service.md"):
        if command[-1] in ("serve", "worker"):
            start(project, command[-1], *(["--port", "0"] if command[-1] == "serve" else []))
            with connect(project) as client:
                address = str(client.base_url)
        else:
            here = [part.replace("http://localhost:8000", address).replace("$TOKEN", TOKEN) for part in command]
            answers.append(json.loads(run_command(project, here)))
    assert [next(iter(answer)) for answer in answers] == ["status", "model_version", "start", "id"]


def test_production_does_not_answer_everybody(reproduced: Path, tmp_path: Path) -> None:
    shutil.copytree(reproduced / "config", tmp_path / "config")
    command = [sys.executable, "-m", PACKAGE, "serve"]
    variables = environment(**{f"{PREFIX}ENV": "production", f"{PREFIX}SERVICE__HOST": "0.0.0.0"})  # noqa: S104
    done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "the service at 0.0.0.0 would answer everybody who reaches it" in done.stderr
    assert "Traceback" not in done.stderr
