"""The pipeline under DVC and git, driven as a person would drive it."""

import ast
import importlib
import shutil
from pathlib import Path

import pytest
import yaml

from {{ cookiecutter.__package_name }}_predict import Contract, Model
from {{ cookiecutter.__package_name }}_train import prediction

from .sandbox import ROOT, run_in, run_stages, set_params

TRAIN = prediction.__name__.partition(".")[0]
PREDICT = Model.__module__.partition(".")[0]
FILES_AND_ERRORS = ("atomic", "errors", "main", "project", "yamlfile")  # they move and report, and compute nothing
REPORTS = {"gate.json", "metrics.json", "model_card.md", "validation.json"}


def test_repro_again_runs_nothing(reproduced: Path) -> None:
    printed = run_in(reproduced, "dvc", "repro")
    assert "Running stage" not in printed
    assert "Data and pipelines are up to date." in printed


def test_git_shows_only_what_a_person_would_commit(reproduced: Path, contract: Contract) -> None:
    changed = {line[3:] for line in run_in(reproduced, "git", "status", "--porcelain", "-uall").splitlines()}
    plots = ("confusion", "calibration") if contract.classes else ("residuals",)
    pictures = {f"reports/plots/{name}.{suffix}" for name in plots for suffix in ("csv", "png")}
    assert changed == {"dvc.lock", *(f"reports/{name}" for name in REPORTS), *pictures}


def test_clone_pulls_data_and_model_and_recomputes_nothing(reproduced: Path, tmp_path: Path) -> None:
    shutil.copytree(reproduced, tmp_path / "mine")
    for command in (["add", "."], ["commit", "--quiet", "--no-verify", "--message", "Train"]):
        run_in(tmp_path / "mine", "git", *command)
    run_in(tmp_path / "mine", "dvc", "push")
    run_in(tmp_path, "git", "clone", "--quiet", "mine", "yours")
    shutil.copy(tmp_path / "mine" / ".dvc" / "config.local", tmp_path / "yours" / ".dvc")
    run_in(tmp_path / "yours", "dvc", "pull")
    assert "Running stage" not in run_in(tmp_path / "yours", "dvc", "repro")
    models = [(tmp_path / who / "models" / "model.onnx").read_bytes() for who in ("mine", "yours")]
    assert models[0] == models[1]
    assert run_in(tmp_path / "yours", "git", "status", "--porcelain") == ""


def test_changed_parameter_runs_from_train_on_and_a_refused_candidate_leaves_the_model(
    reproduced: Path, tmp_path: Path
) -> None:
    shutil.copytree(reproduced, tmp_path / "project")
    before = (tmp_path / "project" / "models" / "model.onnx").read_bytes()
    params = (tmp_path / "project" / "params.yaml").read_text()
    (tmp_path / "project" / "params.yaml").write_text(params.replace("model: boosting", "model: linear"))
    set_params(
        tmp_path / "project",
        gate={"minimum": {}, "maximum": {}, "min_gain_over_trivial": 9, "max_single_feature_score": 1},
    )
    printed = run_in(tmp_path / "project", "dvc", "repro", code=255)
    assert [line.split("'")[1] for line in printed.splitlines() if "Running stage" in line] == [
        "train",
        "evaluate",
        "gate",
    ]
    assert "error: the gate refused the candidate: gain in" in printed
    assert (tmp_path / "project" / "models" / "model.onnx").read_bytes() == before


def test_two_folders_give_the_same_model_to_the_byte(
    original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = []
    for name in ("one", "another"):
        shutil.copytree(original, tmp_path / name / "project")
        monkeypatch.chdir(tmp_path / name / "project")
        assert run_stages() == ""
        models.append(Path("models/model.onnx").read_bytes())
    assert models[0] == models[1]


def test_lineage_of_the_model_is_what_dvc_recorded(reproduced: Path) -> None:
    recorded = yaml.safe_load((reproduced / "dvc.lock").read_text())["stages"]["train"]["deps"]
    inputs = Model.load(reproduced / "models" / "model.onnx").lineage.inputs
    assert inputs == {dep["path"]: dep["md5"] for dep in recorded}


@pytest.mark.parametrize("stage", ["ingest", "validate", "split", "train", "evaluate", "gate"])
def test_stage_declares_every_module_it_computes_with(stage: str) -> None:
    declared = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"][stage]["deps"]
    names = {Path(path).name for path in declared if path.endswith(".py")}
    start = {"train": "fit"}.get(stage, stage)
    assert {path for path in list_modules(f"{TRAIN}.{start}") if path[:-3] not in FILES_AND_ERRORS} <= names


def list_modules(module: str) -> set[str]:
    """Return the files of the modules of ours that a module takes names from, itself included."""
    path = Path(importlib.import_module(module).__file__ or "")
    found = {path.name}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == 1:
            package = module.rpartition(".")[0]
            for name in node.names if node.module == "prediction" else ():
                origin = getattr(getattr(prediction, name.name), "__module__", None)
                found |= list_modules(origin) if origin and origin.startswith(PREDICT) else set()
            if node.module not in ("prediction", *FILES_AND_ERRORS):
                found |= list_modules(f"{package}.{node.module}")
    return found
