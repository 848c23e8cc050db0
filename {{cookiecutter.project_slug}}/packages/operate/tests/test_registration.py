"""Registration: exactly what the gate has let pass becomes a version; anything else is refused, and leaves no tag."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from gto import api as gto

from {{ cookiecutter.__package_name }}_operate.versions.registry import Event, Registry
from {{ cookiecutter.__package_name }}_pipeline.metadata import add_metadata
from {{ cookiecutter.__package_name }}_pipeline.project import Project
from {{ cookiecutter.__package_name }}_predict.contract import Contract
from {{ cookiecutter.__package_name }}_predict.model import Model

from .conftest import Run, commit, configure, git, list_tags, read_history, set_params, train_again

MODEL = Path("models/model.onnx")


def test_version_is_an_annotated_tag_with_reason_metrics_and_hash(project: Path, call: Run) -> None:
    assert call("register", "--reason", "the first\n\none: really") == "registered v0.1.0\n"
    (event,) = read_history(call)
    assert (event["who"], event["email"], event["reason"]) == ("Ann", "ann@example.com", "the first one: really")
    assert event["commit"] == git("rev-parse", "HEAD")
    metrics = json.loads((project / "reports" / "metrics.json").read_text())["model"]
    assert json.loads(event["facts"]["metrics"]) == metrics
    assert event["facts"]["model"] == Model.load(MODEL).version
    assert git("cat-file", "-t", "model@v0.1.0") == "tag"
    assert [item["version"] for item in gto.show(".", "model")] == ["v0.1.0"]


def test_next_version_says_what_has_changed(project: Path, call: Run) -> None:
    call("register", "--reason", "first")
    train_again(rows=lambda frame: frame.iloc[:-10])
    assert call("register", "--reason", "other data") == "registered v0.1.1\n"
    train_again(train={"model": "linear"})
    assert call("register", "--reason", "another model") == "registered v0.2.0\n"
    schema = yaml.safe_load(Path("schema.yaml").read_text())
    del schema["features"]["ready"]
    Path("schema.yaml").write_text(yaml.safe_dump(schema, sort_keys=False))
    train_again()
    assert call("register", "--reason", "another contract") == "registered v1.0.0\n"
    assert (project / "dvc.lock").exists()


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--reason", " "], "the history needs a reason"),
        (["--reason", "x", "1.2"], "'1.2' is not a semantic version, expected one such as v1.2.3"),
    ],
)
def test_unsound_arguments_are_refused(arguments: list[str], message: str, call: Run) -> None:
    assert message in call("register", *arguments, code=1)
    assert list_tags() == []


@pytest.mark.usefixtures("project")
def test_version_of_ones_own_choice(call: Run) -> None:
    assert call("register", "2.0.0-rc.1", "--reason", "x") == "registered v2.0.0-rc.1\n"
    train_again(seed=8)
    assert "v2.0.0-rc.1 is already registered; expected a version other" in call(
        "register", "v2.0.0-rc.1", "--reason", "x", code=1
    )


@pytest.mark.usefixtures("project")
def test_same_model_is_not_registered_twice(call: Run) -> None:
    call("register", "--reason", "x")
    assert "this model is already registered as v0.1.0" in call("register", "--reason", "x", code=1)
    git("commit", "--quiet", "--allow-empty", "--message", "Nothing")
    assert "this model is already registered as v0.1.0" in call("register", "v9.0.0", "--reason", "x", code=1)


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("name", ["schema.yaml", "new.txt"])
def test_tree_that_differs_from_the_commit_is_refused(name: str, call: Run) -> None:
    with Path(name).open("a") as file:
        file.write("# changed\n")
    assert f"the working tree differs from the commit: {name}; commit or git stash" in call(
        "register", "--reason", "x", code=1
    )
    assert list_tags() == []


@pytest.mark.usefixtures("project")
def test_other_bytes_than_the_gate_has_seen_are_refused(call: Run) -> None:
    MODEL.write_bytes(add_metadata(MODEL.read_bytes(), "other", "bytes"))
    printed = call("register", "--reason", "x", code=1)
    assert "dvc.lock is out of date for the stage gate" in printed
    assert "models/model.onnx" in printed
    assert list_tags() == []


@pytest.mark.usefixtures("project")
def test_limits_that_were_raised_after_the_gate_are_refused(call: Run) -> None:
    set_params(gate={"min_gain_over_dummy": 0.3})
    git("commit", "--quiet", "--all", "--message", "Raise the limit")
    assert "dvc.lock is out of date for the stage gate" in call("register", "--reason", "x", code=1)


@pytest.mark.usefixtures("project")
def test_report_of_a_refusal_is_refused_even_if_dvc_was_made_to_take_it(call: Run) -> None:
    path = Project.load().paths.gate
    rows = json.loads(path.read_text())
    path.write_text(json.dumps([{**rows[0], "passed": False}, *rows[1:]]))
    commit("Cheat")
    assert "exactly this file has not passed the gate" in call("register", "--reason", "x", code=1)
    path.write_text(json.dumps([]))
    commit("Cheat again")
    assert "exactly this file has not passed the gate" in call("register", "--reason", "x", code=1)
    assert list_tags() == []


def test_clone_without_its_history_is_refused(project: Path, call: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    git("commit", "--quiet", "--allow-empty", "--message", "More")
    git("clone", "--quiet", "--depth", "1", f"file://{project}", "../shallow")
    monkeypatch.chdir("../shallow")
    git("config", "user.name", "Ann")
    git("config", "user.email", "ann@example.com")
    commands = (["register"], ["promote", "v1.0.0"], ["retrain"], ["rollback"])
    for arguments in (*([*command, "--reason", "x"] for command in commands), ["release"], ["history"]):
        printed = call(*arguments, code=1)
        assert "this clone is shallow" in printed
        assert "git fetch --unshallow --tags" in printed


@pytest.mark.usefixtures("project")
def test_nobody_is_no_author(call: Run) -> None:
    git("config", "--unset", "user.name")
    git("config", "--unset", "user.email")
    git("config", "user.useConfigOnly", "true")
    assert "git does not know who you are" in call("register", "--reason", "x", code=1)


@pytest.mark.usefixtures("project")
def test_model_is_in_the_remote_before_the_tag_is(call: Run) -> None:
    assert not Path("../storage").exists()
    call("register", "--reason", "x", "--push")
    md5 = read_history(call)[0]["facts"]["md5"]
    assert (Path("../storage/files/md5") / md5[:2] / md5[2:]).read_bytes() == MODEL.read_bytes()
    assert git("--git-dir=../origin.git", "tag", "--list") == "model@v0.1.0"


@pytest.mark.usefixtures("project")
def test_dvc_remote_out_of_reach_leaves_no_tag(call: Run) -> None:
    Path("../storage").write_text("no folder")
    printed = call("register", "--reason", "x", code=1)
    assert "DVC could not transfer the outputs in dvc.lock" in printed
    assert "dvc remote list" in printed
    assert list_tags() == []


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("kind", ["away", "forbidden"])
def test_git_remote_that_does_not_take_the_tag_leaves_none(kind: str, call: Run) -> None:
    refuse_pushes(kind)
    configure(push=True)
    printed = call("register", "--reason", "x", code=1)
    assert "git could not push refs/tags/model@v0.1.0 to origin" in printed
    assert "nothing was changed" in printed
    assert list_tags() == []
    assert call("register", "--reason", "x", "--no-push") == "registered v0.1.0\n"


def refuse_pushes(kind: str) -> None:
    """Take the git remote away, or the right to push to it."""
    if kind == "away":
        shutil.rmtree("../origin.git")
        return
    hook = Path("../origin.git/hooks/pre-receive")
    hook.write_text("#!/bin/sh\necho you may not >&2\nexit 1\n")
    hook.chmod(0o755)


@pytest.mark.usefixtures("project")
def test_tags_that_gto_makes_by_itself_count_too(call: Run) -> None:
    gto.register(".", "model", "HEAD", "v3.0.0", "by hand")
    gto.assign(".", "model", "production", "v3.0.0")
    git("tag", "model@v4.0.0")  # lightweight: nobody made it
    git("tag", "--annotate", "--message", "x", "other@v1.0.0")
    git("tag", "--annotate", "--message", "x", "model@v1")  # no semantic version
    assert [(event["action"], event["version"]) for event in read_history(call)] == [
        ("register", "v3.0.0"),
        ("promote", "v3.0.0"),
    ]
    assert Registry.read().stack("production") == ["v3.0.0"]


@pytest.mark.usefixtures("project")
def test_history_shows_what_was_written_as_it_is(call: Run) -> None:
    reason = "say [jira-12] and [/foo] x"
    call("register", "--reason", reason)
    assert read_history(call)[0]["reason"] == reason
    printed = " ".join(call("history").replace("│", " ").split())
    assert "[jira-12]" in printed
    assert "[/foo]" in printed


@pytest.mark.usefixtures("project")
def test_history_is_in_order_across_time_zones(call: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for zone, seed in (("Asia/Tokyo", None), ("America/New_York", 8)):
        monkeypatch.setenv("TZ", zone)
        if seed:
            train_again(seed=seed)
        call("register", "--reason", zone)
    assert [event["reason"] for event in read_history(call)] == ["Asia/Tokyo", "America/New_York"]


def make_event(action: str, version: str, count: int) -> Event:
    return Event(action, version, "production", "c", "Ann", "a@b", f"2026-01-{count:02}T00:00:00+00:00", "", "t", count)


@pytest.mark.parametrize(
    ("events", "stack"),
    [
        ([], []),
        ([("promote", "v1"), ("promote", "v2")], ["v1", "v2"]),
        ([("promote", "v1"), ("promote", "v2"), ("roll back", "v1")], ["v1"]),
        ([("promote", "v1"), ("promote", "v2"), ("roll back", "v1"), ("promote", "v3")], ["v1", "v3"]),
        ([("promote", "v1"), ("promote", "v2"), ("promote", "v1")], ["v1", "v2", "v1"]),
        ([("promote", "v1"), ("promote", "v1")], ["v1"]),
    ],
)
def test_stage_is_a_stack_that_rollbacks_take_from(events: list[tuple[str, str]], stack: list[str]) -> None:
    made = [make_event(action, version, count) for count, (action, version) in enumerate(events, 1)]
    assert Registry(made[::-1]).stack("production") == stack
    assert Registry(made).stack("staging") == []


def test_proposal_of_the_first_version_needs_no_other(project: Path) -> None:
    model = Model.load(project / MODEL)
    assert isinstance(model.contract, Contract)
    assert Registry([]).propose(model, None) == "v0.1.0"


def test_folder_that_is_no_repository_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Run) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))  # the folder of all tests may lie in one
    assert "not a git repository" in call("history", code=1)
