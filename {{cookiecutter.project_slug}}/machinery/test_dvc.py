"""The pipeline under DVC and git, driven as a person would drive it."""

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from {{ cookiecutter.__package_name }}_predict import Contract, Model

from .sandbox import commit, run_in, set_params
from .small_config import ROOT
from .small_project import run_stages

REPORTS = {"cross_validation.json", "gate.json", "metrics.json", "model_card.md", "validation.json"}


def test_repro_again_runs_nothing(copied: Path) -> None:
    printed = run_in(copied, "dvc", "repro")
    assert "Running stage" not in printed
    assert "Data and pipelines are up to date." in printed


def test_only_versions_that_a_model_is_computed_with_make_stages_run(copied: Path) -> None:
    locks = list((copied / "requirements").glob("*.txt"))
    assert locks
    for lock in locks:  # as a renewal changes other packages
        lock.write_text(lock.read_text().replace("==", "==9"))
    assert "Running stage" not in run_in(copied, "dvc", "repro")
    versions = copied / "requirements" / "versions.yaml"
    versions.write_text(re.sub("^numpy: .*", "numpy: 9.9.9", versions.read_text(), flags=re.MULTILINE))
    stages = json.loads(run_in(copied, "dvc", "status", "--json"))
    assert set(stages) >= {"train", "evaluate"}


def test_git_shows_only_what_a_person_would_commit(copied: Path, contract: Contract) -> None:
    changed = {line[3:] for line in run_in(copied, "git", "status", "--porcelain", "-uall").splitlines()}
    plots = ("confusion", "calibration") if contract.classes else ("residuals",)
    pictures = {f"reports/plots/{name}.{suffix}" for name in (*plots, "importance") for suffix in ("csv", "png")}
    assert changed == {"dvc.lock", *(f"reports/{name}" for name in REPORTS), *pictures}


def test_clone_pulls_data_and_model_and_recomputes_nothing(reproduced: Path, tmp_path: Path) -> None:
    shutil.copytree(reproduced, tmp_path / "mine")
    commit(tmp_path / "mine", "Train")
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
        gate={"minimum": {}, "maximum": {}, "min_gain_over_dummy": 9, "max_single_feature_score": 1},
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
        run_stages("ingest", "validate", "split", "train", "evaluate", "gate")
        models.append(Path("models/model.onnx").read_bytes())
    assert models[0] == models[1]


def test_lineage_of_the_model_is_what_dvc_recorded(reproduced: Path) -> None:
    recorded = yaml.safe_load((reproduced / "dvc.lock").read_text())["stages"]["train"]["deps"]
    inputs = Model.load(reproduced / "models" / "model.onnx").lineage.inputs
    assert inputs == {dep["path"]: dep["md5"] for dep in recorded}


def test_every_stage_depends_on_the_machinery_that_it_runs() -> None:
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    for name in ("ingest", "validate", "split", "train", "evaluate", "gate"):
        for package in ("batch", "pipeline", "predict"):
            (folder,) = (ROOT / "packages" / package / "src").iterdir()
            assert folder.relative_to(ROOT).as_posix() in stages[name]["deps"]
