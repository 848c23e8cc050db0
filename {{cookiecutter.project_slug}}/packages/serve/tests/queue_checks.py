"""What holds for retraining on every queue that it may be on."""

import threading
from collections.abc import Callable
from pathlib import Path

from .running import TOKEN, Client, Process, wait_until

StartWorker = Callable[[], Process]


def state_of(service: Client, job: str) -> str:
    """Return the state of a job."""
    return str(service.get(f"/retrain/{job}", headers=TOKEN).json()["state"])


def check_jobs(service: Client, start_worker: StartWorker, folder: Path) -> None:
    """Check that requests make jobs, one while one waits, which a worker runs one at a time.

    The worker's command must be `command_of` the folder.
    """
    answers = [service.post("/retrain", headers=TOKEN, json={"reason": "new data"})]
    same: list[str] = []
    ask = [threading.Thread(target=lambda: same.append(_ask(service))) for _ in range(5)]
    for thread in ask:
        thread.start()
    for thread in ask:
        thread.join()
    first = answers[0].json()
    assert answers[0].status_code == 202
    assert answers[0].headers["location"] == f"/retrain/{first['id']}"
    assert (first["state"], first["reason"]) == ("queued", "new data")
    assert first["request_id"] == answers[0].headers["x-request-id"]
    assert set(same) == {first["id"]}
    waiting = service.get(f"/retrain/{first['id']}", headers=TOKEN).json()
    assert waiting["detail"] == "no worker is running; start one"
    start_worker().wait_for("worker ready")
    wait_until(lambda: state_of(service, first["id"]) == "running")
    second = _ask(service)
    assert second != first["id"]
    assert _ask(service) == second
    assert state_of(service, second) == "queued"
    (folder / "go").touch()
    for job in (first["id"], second):
        wait_until(lambda: state_of(service, job) == "succeeded")  # noqa: B023  # it waits here
    done = service.get(f"/retrain/{first['id']}", headers=TOKEN).json()
    assert done["exit_code"] == 0
    assert done["output"] == "training\ntrained\n"
    assert done["started"] < done["finished"]
    assert done["seconds"] > 0
    assert (folder / "runs").read_text() == "begin\nend\nbegin\nend\n"


def command_of(folder: Path) -> list[str]:
    """Return a command that notes its begin and its end in a folder, and waits between them for a file `go`."""
    program = (
        "import pathlib, time; f = pathlib.Path(); note = (f / 'runs').open('a');"
        "print('training', flush=True); note.write('begin\\n'); note.flush()\n"
        "while not (f / 'go').exists(): time.sleep(0.02)\n"
        "note.write('end\\n'); print('trained')"
    )
    (folder / "train.py").write_text(program)
    return ["python", "train.py"]


def _ask(service: Client) -> str:
    return str(service.post("/retrain", headers=TOKEN).json()["id"])
