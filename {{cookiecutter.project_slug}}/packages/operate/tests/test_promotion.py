"""Promotion, release and rollback: only what is no worse goes on, one step replaces the live file, one goes back."""

import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from {{ cookiecutter.__package_name }}_operate.dvc_store import load_model
from {{ cookiecutter.__package_name }}_operate.settings import load_lifecycle
from {{ cookiecutter.__package_name }}_operate.versions import release
from {{ cookiecutter.__package_name }}_operate.versions.registry import PROMOTE, Registry, tag_stage
from {{ cookiecutter.__package_name }}_pipeline.project import CONFIG
from {{ cookiecutter.__package_name }}_predict.model import Model
from {{ cookiecutter.__package_name }}_predict.settings import PREFIX

from .conftest import LIVE, Run, configure, git, list_tags, read_history, train_again
from .test_registration import refuse_pushes


@pytest.fixture
def promoted(project: Path, call: Run) -> Path:
    """Have a first version in production, and return the project."""
    call("register", "--reason", "first")
    call("promote", "v0.1.0", "--reason", "begin")
    return project


def weaken() -> None:
    """Train and commit a model that is worse than the one before, but passes its gate."""
    train_again("Weaken", train={"trees": 16}, gate={"min_gain_over_dummy": 0.0})


def assign(version: str) -> None:
    """Put a version into production without comparing it with the one there."""
    tag_stage(version, "production", PROMOTE, "seed", {}, None)


def live_version() -> str:
    """Return the version of the live model."""
    return Model.load(LIVE).version


def version_of(name: str) -> str:
    """Return the version of a registered model, as its file has it."""
    return load_model(Registry.read().find(name).commit).version


@pytest.mark.usefixtures("promoted")
def test_better_model_is_promoted_with_its_comparison(call: Run) -> None:
    train_again(train={"trees": 20, "learning_rate": 0.1})
    call("register", "--reason", "more trees")
    printed = call("promote", "v0.2.0", "--reason", "more trees")
    assert "promoted v0.2.0 to production" in printed
    last = read_history(call)[-1]
    assert (last["action"], last["version"], last["stage"]) == ("promote", "v0.2.0", "production")
    assert last["facts"]["from"] == "v0.1.0"
    assert last["facts"]["comparison"] in printed


@pytest.mark.usefixtures("promoted")
def test_worse_model_is_refused_unless_it_is_forced_and_history_says_so(call: Run) -> None:
    weaken()
    call("register", "--reason", "weak")
    tags = list_tags()
    printed = call("promote", "v0.2.0", "--reason", "why not", code=1)
    assert "v0.2.0 is not promoted to production, which has v0.1.0: r2" in printed
    assert "the allowed loss is 0.02; nothing was changed" in printed
    assert list_tags() == tags
    assert "the history needs a reason" in call("promote", "v0.2.0", "--force", code=1)
    call("promote", "v0.2.0", "--force", "--reason", "a drill")
    last = read_history(call)[-1]
    assert last["reason"] == "a drill"
    assert "the allowed loss is 0.02" in last["facts"]["forced"]


@pytest.mark.usefixtures("promoted")
def test_margin_is_the_configured_one(call: Run) -> None:
    weaken()
    configure(promotion={"margin": 10.0})
    train_again(seed=8)
    call("register", "--reason", "weak")
    assert "promoted v0.2.0" in call("promote", "v0.2.0", "--reason", "who cares")


def change_contract(change: Callable[[dict[str, Any]], object]) -> None:
    """Change the features in schema.yaml, and train again."""
    schema = yaml.safe_load(Path("schema.yaml").read_text())
    change(schema["features"])
    Path("schema.yaml").write_text(yaml.safe_dump(schema, sort_keys=False))
    train_again()


@pytest.mark.usefixtures("promoted")
def test_contract_that_breaks_clients_is_promoted_by_force_alone(call: Run) -> None:
    change_contract(lambda features: features.pop("ready"))
    call("register", "--reason", "one field less")
    printed = call("promote", "v1.0.0", "--reason", "x", code=1)
    assert (
        "v1.0.0 is not promoted to production, which has v0.1.0: its contract breaks clients (ready: removed)"
        in printed
    )
    assert call("contract-diff", "v0.1.0", code=3) == "breaking    ready: removed\n"
    assert call("contract-diff", "schema.yaml", "v1.0.0") == "no change for clients\n"
    call("promote", "v1.0.0", "--reason", "x", "--force")
    forced = read_history(call)[-1]["facts"]["forced"]
    assert forced.startswith("its contract breaks clients (ready: removed); and the two cannot be compared: ")
    call("release")
    assert live_version() == version_of("v1.0.0")
    call("rollback", "--reason", "clients still send it")
    assert live_version() == version_of("v0.1.0")


@pytest.mark.usefixtures("promoted")
def test_contract_that_breaks_no_client_is_compared_with_the_one_before(call: Run) -> None:
    change_contract(lambda features: features["ready"].update(missing=True))
    call("register", "--reason", "readiness may be unknown")
    assert call("contract-diff", "v0.1.0", "v1.0.0") == "compatible  ready: may now be missing\n"
    assert "r2" in call("promote", "v1.0.0", "--reason", "x")
    assert "'nothing' is not a YAML file, a model file, a registered version or a git revision" in call(
        "contract-diff", "nothing", code=1
    )


@pytest.mark.usefixtures("promoted")
def test_promotion_of_what_is_there_does_nothing(call: Run) -> None:
    tags = list_tags()
    assert call("promote", "0.1.0", "--reason", "x") == "nothing to do: v0.1.0 is in production\n"
    assert list_tags() == tags


@pytest.mark.usefixtures("promoted")
def test_unknown_version_and_empty_stage_say_what_there_is(call: Run) -> None:
    assert "no version 'v9.9.9' is registered here, expected one of: v0.1.0" in call(
        "promote", "v9.9.9", "--reason", "x", code=1
    )
    Path("config/staging.yaml").write_text("paths: {model: var/staging.onnx}\n")
    assert "no version is in the stage 'staging' (stages: production)" in call("release", "--stage", "staging", code=1)
    assert "config/nowhere.yaml does not exist, but a stage needs it" in call("release", "--stage", "nowhere", code=1)
    for name in ("Staging", "eu_west", "default"):
        Path(f"config/{name}.yaml").touch()
        printed = call("promote", "v0.1.0", "--stage", name, "--reason", "x", code=1)
        assert f"{name!r} is not a valid stage name" in printed


@pytest.mark.usefixtures("promoted")
def test_tags_that_are_missing_lead_to_the_command_that_fetches_them(call: Run) -> None:
    git("tag", "--delete", *list_tags())
    assert "git fetch --tags" in call("promote", "v0.1.0", "--reason", "x", code=1)
    assert "git fetch --tags" in call("release", code=1)
    assert "git fetch --tags" in call("rollback", "--reason", "x", code=1)
    assert not LIVE.exists()


@pytest.mark.usefixtures("promoted")
def test_release_puts_the_model_of_the_stage_live_once(call: Run) -> None:
    assert f"v0.1.0 ({version_of('v0.1.0')}) is live at {LIVE}" in call("release")
    before = LIVE.stat()
    assert call("release").startswith("nothing to do: v0.1.0")
    assert LIVE.stat().st_mtime_ns == before.st_mtime_ns
    assert live_version() == version_of("v0.1.0")


@pytest.mark.usefixtures("promoted")
def test_workflow_refuses_a_dvc_remote_that_ends_with_it(call: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNNER_ENVIRONMENT", "github-hosted")
    tags = list_tags()
    for command in (("release",), ("retrain", "--push", "--reason", "x")):
        printed = call(*command, code=1)
        assert "storage, which is deleted when this job ends: the models that tags name would be lost" in printed
        assert "dvc remote modify storage url s3://BUCKET/PATH" in printed
    assert not LIVE.exists()
    assert list_tags() == tags
    monkeypatch.setenv("RUNNER_ENVIRONMENT", "self-hosted")
    assert "is live at" in call("release")


@pytest.mark.usefixtures("promoted")
def test_release_keeps_the_latest_and_rollback_needs_no_network(call: Run) -> None:
    call("release")
    for seed, version in enumerate(("v0.2.0", "v0.3.0"), 8):
        train_again(seed=seed)
        call("register", "--reason", "seed")
        assign(version)
        call("release")
    assert sorted(path.name for path in (LIVE.parent / "releases").iterdir()) == ["v0.2.0.onnx", "v0.3.0.onnx"]
    shutil.rmtree(".dvc/cache")
    shutil.rmtree("../storage")
    call("rollback", "--reason", "network and all is down")
    versions = {event["version"]: event["facts"].get("model") for event in reversed(read_history(call))}
    assert live_version() == versions["v0.2.0"]
    printed = call("rollback", "--reason", "further", code=1)
    assert "DVC could not transfer models/model.onnx" in printed


@pytest.mark.usefixtures("promoted")
def test_release_that_was_kept_but_is_damaged_is_fetched(call: Run) -> None:
    call("release")
    kept = LIVE.parent / "releases" / "v0.1.0.onnx"
    kept.write_bytes(b"junk")
    LIVE.unlink()
    call("release")
    assert live_version() == version_of("v0.1.0")


@pytest.mark.usefixtures("promoted")
def test_model_damaged_in_cache_and_remote_does_not_go_live(call: Run) -> None:
    LIVE.parent.mkdir(parents=True)
    LIVE.write_bytes(b"the model before")
    md5 = read_history(call)[0]["facts"]["md5"]
    for folder in (".dvc/cache/files/md5", "../storage/files/md5"):
        path = Path(folder) / md5[:2] / md5[2:]
        path.chmod(0o644)
        path.write_bytes(path.read_bytes()[:-1])
    assert "error: " in call("release", code=1)
    assert LIVE.read_bytes() == b"the model before"
    assert sorted(LIVE.parent.iterdir()) == [LIVE.parent / ".release.lock", LIVE]


@pytest.mark.usefixtures("promoted")
def test_stage_without_a_live_file_of_its_own_is_refused(call: Run) -> None:
    Path("config/production.yaml").write_text("{}\n")
    printed = call("release", code=1)
    assert "paths.model is models/model.onnx, which the pipeline writes" in printed
    assert "nothing" not in printed


@pytest.mark.usefixtures("promoted")
def test_rollback_goes_back_through_the_stage_and_is_recorded(call: Run) -> None:
    assert "there is no version before v0.1.0 in the stage production" in call("rollback", "--reason", "x", code=1)
    train_again(seed=8)
    call("register", "--reason", "seed")
    assign("v0.2.0")
    call("release")
    printed = call("rollback", "--reason", "it went wrong")
    assert printed == f"rolled back to v0.1.0 ({version_of('v0.1.0')}), live at {LIVE}\n"
    assert live_version() == version_of("v0.1.0")
    last = read_history(call)[-1]
    assert (last["action"], last["version"], last["reason"]) == ("roll back", "v0.1.0", "it went wrong")
    assert last["facts"]["from"] == "v0.2.0"
    assert call("release").startswith("nothing to do: v0.1.0")
    assert "it went wrong" in call("history")


@pytest.mark.usefixtures("promoted")
def test_release_that_overlaps_a_rollback_does_not_undo_it(call: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    call("release")
    train_again(seed=8)
    call("register", "--reason", "seed")
    assign("v0.2.0")
    settings, load, slow = load_lifecycle("production"), release._load, [1.0]

    def load_slowly(*arguments: Any) -> Any:
        time.sleep(slow.pop() if slow else 0)  # the first caller has read the stage, and takes its time
        return load(*arguments)

    monkeypatch.setattr(release, "_load", load_slowly)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(release.release, "production", settings)
        time.sleep(0.3)
        second = pool.submit(release.rollback, "production", "it went wrong", settings, None)
        assert (first.result().version, second.result().version) == ("v0.2.0", "v0.1.0")
    assert live_version() == version_of("v0.1.0")


@pytest.mark.usefixtures("promoted")
def test_release_does_not_wait_for_another_for_ever(call: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release, "PATIENCE", 0.1)
    with release.one_at_a_time(load_lifecycle("production")):
        assert "another release or rollback has been running for 0 seconds; wait for it" in call("release", code=1)


@pytest.mark.usefixtures("promoted")
def test_reason_with_control_characters_is_refused(call: Run) -> None:
    printed = call("rollback", "--reason", "it went\x1ewrong\x00", code=1)
    assert "found control characters in the reason 'it went\\x1ewrong\\x00'; expected a line of text" in printed


@pytest.mark.usefixtures("promoted")
@pytest.mark.parametrize("kind", ["away", "forbidden"])
def test_rollback_that_cannot_be_recorded_leaves_the_live_file(kind: str, call: Run) -> None:
    train_again(seed=8)
    call("register", "--reason", "seed")
    assign("v0.2.0")
    call("release")
    live, tags = LIVE.read_bytes(), list_tags()
    refuse_pushes(kind)
    printed = call("rollback", "--reason", "x", "--push", code=1)
    assert "or with --no-push" in printed
    assert (LIVE.read_bytes(), list_tags()) == (live, tags)
    call("rollback", "--reason", "x", "--no-push")
    assert live_version() == version_of("v0.1.0")


@pytest.mark.usefixtures("promoted")
def test_release_is_published_where_it_is_configured(tmp_path: Path, call: Run) -> None:
    address = tmp_path / "elsewhere" / "model.onnx"
    configure(release={"publish": f"file://{address}"})
    call("release")
    assert address.read_bytes() == LIVE.read_bytes()
    assert [path.name for path in address.parent.iterdir()] == ["model.onnx"]
    configure(release={"publish": "nosuchscheme://x/y"})
    printed = call("release", code=1)
    assert "the model is live and recorded here, but could not be uploaded to nosuchscheme://x/y" in printed


@pytest.mark.usefixtures("promoted")
def test_folder_in_the_place_of_the_live_file_is_refused(call: Run) -> None:
    LIVE.mkdir(parents=True)
    assert "model.onnx is a folder or a device, expected the name of a file" in call("release", code=1)


@pytest.mark.usefixtures("promoted")
def test_settings_of_the_life_cycle_are_strict(call: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}LIFECYCLE__RELEASE__KEEP", "0")
    assert "lifecycle.release.keep: Input should be greater than 0" in call("release", code=1)
    monkeypatch.delenv(f"{PREFIX}LIFECYCLE__RELEASE__KEEP")
    content = yaml.safe_load(CONFIG.read_text())
    content["lifecycle"]["alerts"]["urls"] = ["json://example.com"]
    CONFIG.write_text(yaml.safe_dump(content))
    assert f"lifecycle.alerts.urls: do not put secrets in a settings file; set {PREFIX}LIFECYCLE__ALERTS__URLS" in (
        call("release", code=1)
    )
