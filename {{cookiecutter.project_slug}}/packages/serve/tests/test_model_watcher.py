"""The live model: a sound file takes over, a broken one changes nothing, and no request notices."""

import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from {{ cookiecutter.__package_name }}_predict import Model
from {{ cookiecutter.__package_name }}_predict.artefact import seal
from {{ cookiecutter.__package_name }}_predict.settings import Paths
from {{ cookiecutter.__package_name }}_serve.metrics import Metrics
from {{ cookiecutter.__package_name }}_serve.model_watcher import ModelWatcher

from .conftest import Configure, Serve, Start
from .running import ROW, Client, find_workers, wait_until

MakeModel = Callable[..., Path]
GOOD, BROKEN = 15, 5


def replace(live: Path, data: bytes) -> None:
    """Replace a file in one step."""
    beside = live.with_name("beside")
    beside.write_bytes(data)
    beside.replace(live)


def variants(make_model: MakeModel, count: int) -> list[bytes]:
    """Return models that differ in their version alone."""
    lineages = (json.dumps({"inputs": {}, "params": {"seed": seed}}) for seed in range(100, 100 + count))
    return [make_model("variant.onnx", lineage=lineage).read_bytes() for lineage in lineages]


def broken(good: bytes, make_model: MakeModel) -> list[bytes]:
    """Return what a model file must not be: cut, tampered with, empty, foreign, wrong by its own account."""
    golden = json.dumps({"rows": [{"length": 0, "colour": "red"}], "outputs": [[0.5, 0.5]]})
    wrong = make_model("wrong.onnx", golden=golden).read_bytes()
    return [good[: len(good) // 2], good[:100] + b"?" + good[101:], b"", seal(b"nonsense"), wrong]


def test_new_model_takes_over_and_a_broken_one_does_not(
    service: Client, model_path: Path, make_model: MakeModel
) -> None:
    first = service.predict(ROW).json()["model_version"]
    (new,) = variants(make_model, 1)
    replace(model_path, new)
    wait_until(lambda: service.predict(ROW).json()["model_version"] != first)
    second = service.predict(ROW).json()["model_version"]
    assert second == Model.parse(new, model_path).version == service.get("/model").json()["version"]
    for number, data in enumerate(broken(new, make_model), start=1):
        replace(model_path, data)
        wait_until(lambda: service.count("model_reload_failures_total") == number)  # noqa: B023  # it waits here
        assert service.predict(ROW).json()["model_version"] == second
        assert service.get("/health/ready").status_code == 200
    model_path.unlink()
    assert service.predict(ROW).json()["model_version"] == second
    assert service.count("model_reloads_total") == 1
    assert service.count("model_info", version=first) == 0
    assert service.count("model_info", version=second) == 1


def test_file_that_is_still_being_written_is_left_alone(serve: Serve, model_path: Path, make_model: MakeModel) -> None:
    service = serve(reload_seconds=1)
    (new,) = variants(make_model, 1)
    with model_path.open("wb") as file:
        for start in range(0, len(new), 100):
            file.write(new[start : start + 100])
            file.flush()
            time.sleep(0.1)
    wait_until(lambda: service.count("model_reloads_total") == 1)
    assert service.count("model_reload_failures_total") == 0


def test_same_model_again_is_no_reload(service: Client, model_path: Path) -> None:
    data = model_path.read_bytes()
    replace(model_path, data)
    time.sleep(0.5)  # ten looks at the file
    assert service.count("model_reloads_total") == service.count("model_reload_failures_total") == 0


def test_model_of_another_schema_is_refused_where_one_is_named(
    configure: Configure, start: Start, tmp_path: Path
) -> None:
    path = configure()
    path.write_text(path.read_text().replace("model: model.onnx", "model: model.onnx\n  schema: other.yaml"))
    text = (tmp_path / "schema.yaml").read_text()
    (tmp_path / "other.yaml").write_text(text.replace("maximum: 10,", "maximum: 12,"))
    refused = start("serve").wait_for("model refused")
    assert "was trained under another contract, which differs in length" in refused["reason"]


def test_schema_that_is_restored_lets_its_model_in(configure: Configure, start: Start, tmp_path: Path) -> None:
    path = configure()
    path.write_text(path.read_text().replace("model: model.onnx", "model: model.onnx\n  schema: other.yaml"))
    text = (tmp_path / "schema.yaml").read_text()
    (tmp_path / "other.yaml").write_text(text.replace("maximum: 10,", "maximum: 12,"))
    running = start("serve")
    running.wait_for("model refused")
    (tmp_path / "other.yaml").write_text(text)
    with running.client() as service:
        assert service.predict(ROW).is_success


def test_spare_model_is_taken_whatever_has_become_of_the_schema(model_path: Path, tmp_path: Path) -> None:
    spare = tmp_path / "spare.onnx"
    model_path.rename(spare)
    (tmp_path / "other.yaml").write_text("features: {}\n")
    paths = Paths.model_validate({"model": model_path, "schema": tmp_path / "other.yaml"})
    live = ModelWatcher(paths, 1, 60, Metrics(), spare)
    live.start()
    live.stop()
    assert live.served is not None


@pytest.mark.skipif(sys.platform != "linux", reason="limits of another process can be changed on Linux alone")
def test_file_that_cannot_be_read_for_now_is_tried_again(start: Start, model_path: Path, make_model: MakeModel) -> None:
    running = start("serve", prediction_log={"url": None})
    process = psutil.Process(running.process.pid)
    with running.client() as service:
        assert service.count("model_reload_failures_total") == 0  # what this needs is imported now
        (new,) = variants(make_model, 1)
        process.rlimit(psutil.RLIMIT_NOFILE, (0, process.rlimit(psutil.RLIMIT_NOFILE)[1]))  # no more files
        replace(model_path, new)
        wait_until(lambda: service.count("model_reload_failures_total") > 0)
        process.rlimit(psutil.RLIMIT_NOFILE, (process.rlimit(psutil.RLIMIT_NOFILE)[1],) * 2)
        wait_until(lambda: service.count("model_reloads_total") == 1)


def test_other_contract_comes_with_its_model(service: Client, model_path: Path, make_model: MakeModel) -> None:
    row = {**ROW, "length": 11}
    assert service.predict(row).status_code == 422
    contract = Model.load(model_path).contract.model_dump_json().replace('"maximum":10.0', '"maximum":12.0')
    replace(model_path, make_model("wider.onnx", contract=contract).read_bytes())
    wait_until(lambda: service.predict(row).status_code == 200)
    schema = service.get("/openapi.json").json()["paths"]["/predict"]["post"]["requestBody"]["content"]
    items = schema["application/json"]["schema"]["properties"]["instances"]["items"]
    assert items["properties"]["length"]["maximum"] == 12


def test_swaps_under_load_fail_no_request(start: Start, model_path: Path, make_model: MakeModel) -> None:
    running = start("serve", workers=2)
    service = running.client()
    wait_until(lambda: len(running.said("model live")) >= 2)
    known = {service.predict(ROW).json()["model_version"]}
    expected = service.predict(ROW).json()["predictions"]
    answers: list[tuple[int, str, object]] = []
    stop = threading.Event()

    def load() -> None:
        with Client(service.base_url) as client:
            while not stop.is_set():
                answer = client.predict(ROW)
                answers.append((answer.status_code, answer.json()["model_version"], answer.json()["predictions"]))

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    good = variants(make_model, GOOD)
    files = [*good]
    for position, data in enumerate(broken(good[0], make_model)):
        files.insert(position * 4 + 2, data)
    reloads = failures = 0
    for data in files:
        replace(model_path, data)
        reloads, failures = (reloads + 2, failures) if data in good else (reloads, failures + 2)  # by each worker
        wait_until(lambda: service.count("model_reloads_total") == reloads)  # noqa: B023  # it waits here
        wait_until(lambda: service.count("model_reload_failures_total") == failures)  # noqa: B023
    stop.set()
    for thread in threads:
        thread.join()
    known |= {Model.parse(data, model_path).version for data in good}
    assert (reloads, failures) == (2 * GOOD, 2 * BROKEN)
    assert {status for status, _, _ in answers} == {200}
    assert {version for _, version, _ in answers} <= known
    assert all(predictions == expected for _, _, predictions in answers)
    assert len({version for _, version, _ in answers}) > GOOD / 2
    assert service.count("http_requests_total", path="/predict") >= len(answers)
    assert service.count("model_info") == 2
    service.close()


def test_worker_that_starts_while_the_file_is_broken_uses_the_neighbours_model(start: Start, model_path: Path) -> None:
    running = start("serve", workers=2)
    service = running.client()
    wait_until(lambda: len(running.said("model live")) >= 2)
    version = service.predict(ROW).json()["model_version"]
    model_path.write_bytes(b"broken")
    wait_until(lambda: service.count("model_reload_failures_total") == 2)
    for worker in find_workers(running.process.pid):
        worker.kill()
    wait_until(lambda: len(running.said("model live")) >= 4)
    shutil.rmtree(model_path.parent / "config")
    assert service.predict(ROW).json()["model_version"] == version
    service.close()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")
def test_path_that_is_no_file_is_refused_and_the_watch_goes_on(
    service: Client, model_path: Path, make_model: MakeModel
) -> None:
    (new,) = variants(make_model, 1)
    for number, make in enumerate((os.mkfifo, os.mkdir), start=1):
        make(model_path.with_name(f"odd{number}"))
        model_path.unlink()
        model_path.with_name(f"odd{number}").rename(model_path)
        wait_until(lambda: service.count("model_reload_failures_total") == number)  # noqa: B023  # it waits here
    model_path.rmdir()
    replace(model_path, new)
    wait_until(lambda: service.count("model_reloads_total") == 1)
    assert service.predict(ROW).is_success


@pytest.mark.parametrize("gone", [True, False])
def test_start_without_a_sound_model_waits_for_one(gone: bool, start: Start, model_path: Path) -> None:
    data = model_path.read_bytes()
    if gone:
        model_path.unlink()
    else:
        model_path.write_bytes(data[:-1])
    running = start("serve")
    assert running.wait_for("model refused")["still"] is None
    replace(model_path, data)
    with running.client() as service:
        assert service.predict(ROW).status_code == 200
