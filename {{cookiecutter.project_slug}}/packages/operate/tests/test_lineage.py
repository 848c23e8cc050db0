"""Lineage: from a version, a file, a model's digits or a revision to what it was made from, as git and DVC have it."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from {{ cookiecutter.__package_name }}_operate.dvc_store import digest
from {{ cookiecutter.__package_name }}_predict.model import Model

from .conftest import Run, git, train_again

MODEL = Path("models/model.onnx")


@pytest.fixture
def registered(project: Path, call: Run) -> Path:
    """Have a registered version, and another model after it; return the project."""
    call("register", "--reason", "first")
    shutil.copy(MODEL, project / "var.onnx")
    shutil.move(project / "var.onnx", project.parent / "first.onnx")
    train_again(seed=8)
    return project


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize("subject", ["v0.1.0", "0.1.0", "../first.onnx", "HEAD~1", "digits"])
def test_all_ways_lead_to_the_same_commit_data_and_people(subject: str, call: Run) -> None:
    first = Model.load("../first.onnx")
    facts = json.loads(call("lineage", first.version if subject == "digits" else subject, "--json"))
    lock = yaml.safe_load(git("show", "HEAD~1:dvc.lock"))["stages"]
    assert facts["commit"]["hash"] == git("rev-parse", "HEAD~1")
    assert facts["commit"]["author"] == "Ann <ann@example.com>"
    assert facts["model"] == {
        "version": first.version,
        "path": "models/model.onnx",
        "md5": digest(Path("../first.onnx").read_bytes()),
        "registered": ["v0.1.0"],
    }
    assert facts["data"]["raw"] == lock["ingest"]["outs"][0]["md5"]
    assert facts["data"]["source"] == lock["ingest"]["deps"][0]["md5"] == digest(Path("source.csv").read_bytes())
    assert facts["agrees_with_lock"] is True
    assert facts["params"]["seed"] == 7
    assert facts["metrics"] == first.metrics
    assert [(event["action"], event["reason"]) for event in facts["history"]] == [("register", "first")]


@pytest.mark.usefixtures("registered")
def test_model_that_was_committed_but_not_registered_is_found_by_its_lock(call: Run) -> None:
    facts = json.loads(call("lineage", str(MODEL), "--json"))
    assert (facts["commit"]["hash"], facts["model"]["registered"]) == (git("rev-parse", "HEAD"), [])
    assert facts["params"]["seed"] == 8
    assert git("rev-parse", "HEAD") in call("lineage", str(MODEL))


@pytest.mark.usefixtures("registered")
def test_what_leads_nowhere_is_refused(call: Run) -> None:
    shutil.copy(MODEL, "../other.onnx")
    train_again(seed=9)
    git("reset", "--quiet", "--hard", "HEAD~2")
    git("reflog", "expire", "--expire=now", "--all")
    assert "no commit has ../other.onnx" in call("lineage", "../other.onnx", code=1)
    assert "'nothing' is not a registered version, model file, git revision or request" in call(
        "lineage", "nothing", code=1
    )
    Path("../other.onnx").write_bytes(b"junk")
    assert "truncated or foreign" in call("lineage", "../other.onnx", code=1)


@pytest.mark.usefixtures("registered")
def test_rollback_is_in_the_lineage_of_what_it_took_away(call: Run) -> None:
    call("register", "--reason", "second")
    for version in ("v0.1.0", "v0.2.0"):
        call("promote", version, "--reason", "x", "--force")
    call("rollback", "--reason", "it went wrong")
    facts = json.loads(call("lineage", "v0.2.0", "--json"))
    assert [event["reason"] for event in facts["history"]] == ["second", "x", "it went wrong"]


@pytest.mark.usefixtures("project")
def test_commit_without_a_pipeline_says_what_to_run(call: Run) -> None:
    git("rm", "--quiet", "dvc.lock")
    git("commit", "--quiet", "--message", "Drop the lock")
    printed = call("lineage", "HEAD", code=1)
    assert "has no valid dvc.lock" in printed
    assert "run dvc repro, and commit" in printed
