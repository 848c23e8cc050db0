"""Commands of the project that run, and clients of the service among them."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from {{ cookiecutter.__package_name }}_predict.cli import main
from {{ cookiecutter.__package_name }}_predict.settings import PREFIX

from machinery.sandbox import environment

PACKAGE = main.__module__.partition(".")[0]
TOKEN = "a-token-for-the-tests"  # noqa: S105
SETTINGS = {
    f"{PREFIX}LOGS__FORMAT": "json",
    f"{PREFIX}SERVICE__RETRAIN_TOKEN": TOKEN,
    f"{PREFIX}SERVICE__OPEN": "true",
    f"{PREFIX}SERVICE__RELOAD_SECONDS": "0.05",
}
Start = Callable[..., None]


def start_process(folder: Path, *arguments: str, python: str = sys.executable) -> "subprocess.Popen[str]":
    """Start a command of the project in a folder; its log goes to a file there."""
    command = [python, "-m", PACKAGE, *arguments]
    (folder / "var").mkdir(exist_ok=True)
    with (folder / "var" / f"{arguments[0]}.log").open("w") as log:
        return subprocess.Popen(command, cwd=folder, env=environment(**SETTINGS), stderr=log, text=True)


def end(process: "subprocess.Popen[str]") -> None:
    """End a process, and see that it ended well."""
    process.terminate()
    assert process.wait(30) in (0, 1, -signal.SIGTERM)


def wait_for(condition: Callable[[], Any], seconds: float = 120) -> Any:
    """Wait until a condition gives something, and return that; fail if it never does."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)
    return found


def connect(folder: Path) -> httpx.Client:
    """Return a client of the service that was started in a folder."""

    def find_address() -> str:
        lines = [
            json.loads(line) for line in (folder / "var" / "serve.log").read_text().splitlines() if line.startswith("{")
        ]
        ready = any(line["event"] == "model live" for line in lines)
        return next((line["address"] for line in lines if line["event"] == "serving" and ready), "")

    return httpx.Client(base_url=wait_for(find_address), timeout=30, headers={"Authorization": f"Bearer {TOKEN}"})
