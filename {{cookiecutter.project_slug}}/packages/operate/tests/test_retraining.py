"""Retraining: a new version appears whole, or nothing has happened."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import yaml
from dvc.repo import Repo

from {{ cookiecutter.__package_name }}_operate.retraining import publish, retrain
from {{ cookiecutter.__package_name }}_operate.settings import load_lifecycle
from {{ cookiecutter.__package_name }}_operate.versions.registry import Registry
from {{ cookiecutter.__package_name }}_pipeline.project import CONFIG
from {{ cookiecutter.__package_name }}_predict.errors import DataError
from {{ cookiecutter.__package_name }}_predict.model import Model

from .conftest import LIVE, Run, configure, git, list_tags, read_history, set_params, take_picture
from .test_registration import refuse_pushes

REPORT = Path("var/reports/retraining.md")


@pytest.fixture
def drop(project: Path) -> Path:
    """Have the source outside of the project, and return its file."""
    source = project.parent / "drop" / "rows.csv"
    source.parent.mkdir()
    shutil.move(project / "source.csv", source)
    content = yaml.safe_load(CONFIG.read_text())
    content["paths"]["source"] = str(source)
    CONFIG.write_text(yaml.safe_dump(content))
    git("add", "--all")
    git("commit", "--quiet", "--message", "Take the data from elsewhere")
    return source


def add_rows(source: Path, count: int = 40) -> None:
    """Add rows to a source, as a day adds them."""
    frame = pd.read_csv(source)
    pd.concat([frame, frame.iloc[:count]]).to_csv(source, index=False)


def assert_consistent(*, changed: dict[str, object] | None = None) -> None:
    """Make sure that git is sound, and that what lies here is what dvc.lock says, but for what is known to be not."""
    git("fsck", "--no-dangling")
    assert git("status", "--porcelain") == ""
    assert git("for-each-ref", "refs/retraining") == ""
    with Repo() as repo:
        assert repo.status() == (changed or {})


def test_new_data_becomes_a_version_on_the_branch(drop: Path, call: Run) -> None:
    call("register", "--reason", "first")
    add_rows(drop)
    before = git("rev-parse", "HEAD")
    assert "v0.1.1 on main" in call("retrain", "--reason", "weekly")
    assert git("rev-parse", "HEAD~1") == before
    assert Registry.read().find("v0.1.1").commit == git("rev-parse", "HEAD")
    assert git("log", "-1", "--format=%an: %s") == "Ann: Retrain the model: weekly"
    assert_consistent()
    report = REPORT.read_text()
    assert "# Model v0.1.1" in report
    assert "| rows.train | " in report
    assert "nothing to do: nothing has changed" in call("retrain")
    assert list_tags() == ["model@v0.1.0", "model@v0.1.1"]


def test_retraining_promotes_releases_and_pushes_where_it_is_configured(drop: Path, call: Run) -> None:
    configure(push=True, retraining={"stage": "production", "release": True})
    add_rows(drop)
    call("retrain", "--reason", "weekly")
    assert [(event["action"], event["version"]) for event in read_history(call)] == [
        ("register", "v0.1.0"),
        ("promote", "v0.1.0"),
    ]
    assert Model.load(LIVE).version == Model.load("models/model.onnx").version
    remote = git("ls-remote", "origin")
    assert f"{git('rev-parse', 'HEAD')}\trefs/heads/main" in remote
    assert all(f"refs/tags/{name}" in remote for name in list_tags())
    assert_consistent()
    LIVE.unlink()  # as if it had been killed before it came to the release
    assert "nothing has changed, live at" in call("retrain")
    assert LIVE.exists()


def test_retraining_apart_leaves_the_branch_alone_and_tells_the_workflow(
    drop: Path, call: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = drop.parent / "output"
    monkeypatch.setenv("GITHUB_OUTPUT", str(output))
    add_rows(drop)
    before = git("rev-parse", "HEAD")
    call("retrain", "--apart", "--push")
    assert git("rev-parse", "HEAD") == before
    assert git("rev-parse", "retraining/v0.1.0~1") == before
    assert "refs/heads/retraining/v0.1.0" in git("ls-remote", "origin")
    assert Registry.read().find("v0.1.0").commit == git("rev-parse", "retraining/v0.1.0")
    assert output.read_text() == "branch=retraining/v0.1.0\nversion=v0.1.0\n"
    assert "nothing to do" in call("retrain", "--apart", "--push")  # it waits to be merged
    assert len(output.read_text().splitlines()) == 2
    assert_consistent(changed={"ingest": [{"changed deps": {str(drop): "modified"}}]})


def test_data_that_leads_to_the_same_model_is_recorded_without_a_version(drop: Path, call: Run) -> None:
    call("register", "--reason", "first")
    drop.write_text(drop.read_text() + "1,junk,1,1,1\n")
    printed = call("retrain", "--reason", "weekly")
    assert "the same model on main" in printed
    assert list_tags() == ["model@v0.1.0"]
    assert "# The model is unchanged" in REPORT.read_text()
    assert_consistent()


def test_worse_model_is_refused_before_anything_is_published(drop: Path, call: Run) -> None:
    call("register", "--reason", "first")
    call("promote", "v0.1.0", "--reason", "first")
    call("release")
    configure(retraining={"stage": "production", "release": True})
    set_params(train={"trees": 16}, gate={"min_gain_over_dummy": 0.0})
    git("commit", "--quiet", "--all", "--message", "Weaken")
    assert drop.exists()
    before = take_picture()
    assert "v0.2.0 is not promoted to production, which has v0.1.0" in call("retrain", code=1)
    assert take_picture() == before


def test_remote_that_does_not_take_it_leaves_all_as_it_was(drop: Path, call: Run) -> None:
    configure(push=True, retraining={"stage": "production", "release": True})
    add_rows(drop)
    refuse_pushes("forbidden")
    before = take_picture()
    printed = call("retrain", code=1)
    assert "git could not push" in printed
    assert "--no-push" in printed
    assert take_picture() == before


def test_branch_that_is_behind_its_remote_is_refused_before_the_work(drop: Path, call: Run) -> None:
    add_rows(drop)
    git("clone", "--quiet", "../origin.git", "../other")
    subprocess.run(
        ["git", "-c", "user.name=Bob", "-c", "user.email=b@b", "commit", "--quiet", "--allow-empty", "--message", "x"],
        cwd="../other",
        check=True,
    )
    subprocess.run(["git", "push", "--quiet"], cwd="../other", check=True)
    printed = call("retrain", "--push", code=1)
    assert "git pull" in printed
    assert "Running stage" not in printed


@pytest.mark.usefixtures("project")
def test_repository_in_no_state_for_it_is_refused(call: Run) -> None:
    Path("schema.yaml").write_text(Path("schema.yaml").read_text() + "# changed\n")
    assert "the working tree differs from the commit: schema.yaml" in call("retrain", code=1)
    git("checkout", "--quiet", "schema.yaml")
    Path(".git/index.lock").touch()
    assert "another git command is running here, or was killed and left .git/index.lock" in call("retrain", code=1)
    Path(".git/index.lock").unlink()
    git("checkout", "--quiet", "--detach")
    assert "HEAD is detached, expected a branch to commit to; git switch main" in call("retrain", code=1)


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("source", ["data/incoming", "../../elsewhere/rows.csv"])
def test_source_that_git_does_not_know_comes_along(source: str, call: Run) -> None:
    file = Path(source) / "rows.csv" if source == "data/incoming" else Path(source)
    file.parent.mkdir()
    shutil.copy("source.csv", file)
    before = file.read_bytes()
    content = yaml.safe_load(CONFIG.read_text())
    content["paths"]["source"] = source
    CONFIG.write_text(yaml.safe_dump(content))
    git("commit", "--quiet", "--all", "--message", "Another source")
    call("retrain")
    assert git("log", "-1", "--format=%s") == "Retrain the model: on schedule"
    assert file.read_bytes() == before
    assert list(Path(".git/retraining").glob("clone-*")) == []


def test_what_is_pushed_but_cannot_be_ended_here_is_ended_by_the_next(
    drop: Path, call: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_rows(drop)

    def fail() -> None:
        raise DataError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(publish, "check_out", fail)
        printed = call("retrain", "--push", code=1)
    assert "no space left; origin has the new version already: run retrain again to finish it" in printed
    assert "v0.1.0 on main" in call("retrain", "--push")
    assert list_tags() == ["model@v0.1.0"]
    assert_consistent()


@pytest.mark.usefixtures("project")
def test_release_without_a_stage_is_refused(call: Run) -> None:
    configure(retraining={"release": True})
    assert "lifecycle.retraining.release needs a stage" in call("retrain", code=1)


@pytest.mark.usefixtures("project")
def test_second_run_says_who_holds_the_lock(call: Run) -> None:
    imports = f"from pathlib import Path; from {retrain.__name__} import _locked"
    code = f"{imports}\nwith _locked(Path('.git/retraining')): input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, text=True) as first:
        holder = Path(".git/retraining/holder.json")
        deadline = time.monotonic() + 60
        while not holder.exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert f"another run is in progress: process {first.pid} on " in call("retrain", code=1)
        first.communicate("\n")
    assert "nothing to do" in call("retrain")


def test_what_a_killed_run_has_taken_over_is_published_by_the_next_unless_the_branch_has_gone_elsewhere(
    drop: Path, call: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(retraining={"stage": "production", "release": True})
    add_rows(drop)
    before = git("rev-parse", "HEAD")

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(publish, "_releasing", stop)
        with pytest.raises(KeyboardInterrupt):
            retrain.retrain("weekly", load_lifecycle("production"), apart=False, remote=None)
    assert (git("rev-parse", "HEAD"), list_tags(), LIVE.exists()) == (before, [], False)
    shutil.copytree(".", "../copy")
    pending = git("for-each-ref", "--format=%(objectname)", "refs/retraining/heads")
    Path("reports/metrics.json").write_text(git("show", f"{pending}:reports/metrics.json"))  # as a merge that is killed
    for name, said in (("reports/metrics.json", "differs from the commit: reports/metrics.json"), ("x y ü", "x y ü")):
        merged = Path(name).read_bytes() if Path(name).exists() else b""
        Path(name).write_text("work of a person")
        assert said in call("retrain", code=1)
        assert Path(name).read_text() == "work of a person"
        Path(name).write_bytes(merged) if merged else Path(name).unlink()
    Path(".git/index.lock").touch()
    assert "was killed and left .git/index.lock; wait for it, or remove the file" in call("retrain", code=1)
    Path(".git/index.lock").unlink()
    assert "v0.1.0 on main, live at" in call("retrain")
    assert git("rev-parse", "HEAD~1") == before
    assert Model.load(LIVE).version == Model.load("models/model.onnx").version
    assert_consistent()
    monkeypatch.chdir("../copy")
    git("commit", "--quiet", "--allow-empty", "--message", "Go elsewhere")
    assert publish.publish(load_lifecycle("production"), None) is None
    assert (git("for-each-ref", "refs/retraining"), list_tags()) == ("", [])
