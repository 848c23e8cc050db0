"""Measure the service of a default project that is trained, in the folder where this runs and in its environment.

One core serves, another one asks, by wrk (https://github.com/wg/wrk): the service with its logs as in production, a
plain route that calls the same pipeline through pandas, and a route that sends the body back; the same for a model with
ten derived features (see `orders`), beside its own echo. Then models are swapped under load.
"""

import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import NamedTuple

import psutil
from penguins_pipeline.metadata import add_metadata
from penguins_predict import Model

HERE = Path(__file__).parent
PYTHON = sys.executable
ROUNDS, SECONDS, CONNECTIONS = 15, 2, 16  # short rounds side by side: processors change their speed
SWAPS, BROKEN = 45, 5
PORTS = {"service": 8101, "orders": 8103, "others": 8102}
MODEL = Path("models/model.onnx")
SETTINGS = {"PENGUINS_LOGS__FORMAT": "json", "PENGUINS_SERVICE__RELOAD_SECONDS": "0.05"}
ORDERS = {"PENGUINS_PATHS__SCHEMA": "null", "PENGUINS_PREDICTION_LOG__URL": "sqlite:///var/orders.db"}
SCRIPT = """wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = [==[{}]==]
"""


class Load(NamedTuple):
    """What wrk saw: requests a second, milliseconds, and how many requests failed."""

    rate: float
    p50: float
    p99: float
    failed: int


def start(core: int, *command: str, settings: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start a program on one core; its log goes into a file, as a supervisor would keep it."""
    everywhere = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command, env={**os.environ, **SETTINGS, **(settings or {})}, stdout=subprocess.PIPE, stderr=log
        )
    os.sched_setaffinity(0, everywhere)
    return process


def get(url: str) -> str:
    """Return what an address answers, or nothing while nobody listens."""
    try:
        with urllib.request.urlopen(url) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""


def wait_for(url: str) -> float:
    """Return the seconds until an address answers well."""
    began = time.perf_counter()
    while not get(url):
        time.sleep(0.005)
    return time.perf_counter() - began


def ask(url: str, script: Path, seconds: int = SECONDS) -> subprocess.Popen[bytes]:
    """Start wrk against an address."""
    options = (
        "--threads=1",
        f"--connections={CONNECTIONS}",
        f"--duration={seconds}s",
        "--latency",
        f"--script={script}",
    )
    return start(1, "wrk", *options, url)


def read(wrk: subprocess.Popen[bytes]) -> Load:
    """Return what wrk saw, when it has ended."""
    text = wrk.communicate()[0].decode()
    number, unit = r"([\d.]+)", {"us": 0.001, "ms": 1.0, "s": 1000.0}
    rate = re.search(rf"Requests/sec:\s+{number}", text)
    times = re.findall(rf"(?:50|99)%\s+{number}(us|ms|s)", text)
    assert rate, text
    failed = sum(map(int, re.findall(r"Non-2xx or 3xx responses: (\d+)", text)))
    failed += sum(map(int, re.findall(r"(?:connect|read|write|timeout) (\d+)", text)))
    p50, p99 = (float(value) * unit[name] for value, name in times)
    return Load(float(rate[1]), p50, p99, failed)


def count(name: str) -> float:
    """Return the sum of one of the service's metrics."""
    page = get(f"http://127.0.0.1:{PORTS['service']}/metrics")
    return sum(float(value) for value in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", page, flags=re.MULTILINE))


def swap(live: Path, good: bytes) -> None:
    """Replace the live model again and again, by sound and by broken files; wait until each was taken or refused."""
    reloads = failures = 0
    for number in range(SWAPS + BROKEN):
        broken = number % 10 == 5
        data = good[: len(good) // 2] + bytes([number]) if broken else add_metadata(good, "number", str(number))
        beside = live.with_suffix(".new")
        beside.write_bytes(data)
        beside.replace(live)
        reloads, failures = reloads + (not broken), failures + broken
        while (count("model_reloads_total"), count("model_reload_failures_total")) != (reloads, failures):
            time.sleep(0.02)


def main() -> int:
    """Print the table, and return 1 if the service is slower than required or a swap cost a request."""
    if not shutil.which("wrk"):
        sys.exit("error: wrk is not installed; install it (Debian: apt install wrk)")
    good = MODEL.read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        live, orders = Path(folder, "model.onnx"), Path(folder, "orders.onnx")
        live.write_bytes(good)
        made = subprocess.run(
            [PYTHON, str(HERE / "orders.py"), str(orders)], stdout=subprocess.PIPE, text=True, check=True
        )
        bodies = {
            "penguin": write_script(Path(folder, "penguin.lua"), Model.load(MODEL).contract.example()),
            "order": write_script(Path(folder, "order.lua"), json.loads(made.stdout)),
        }
        targets = {
            "service": (address("service", "predict"), bodies["penguin"]),
            "echo": (address("others", "echo"), bodies["penguin"]),
            "plain": (address("others", "plain"), bodies["penguin"]),
            "orders": (address("orders", "predict"), bodies["order"]),
            "echo of orders": (address("others", "echo"), bodies["order"]),
        }
        options = ("--app-dir", str(HERE), "--no-access-log", "--log-level=warning", f"--port={PORTS['others']}")
        programs = [
            serve("service", live, {}),
            serve("orders", orders, ORDERS),
            start(0, PYTHON, "-m", "uvicorn", "plain:app", *options),
        ]
        try:
            ready = wait_for(address("service", "health/ready"))
            for url in (address("orders", "health/ready"), address("others", "openapi.json")):
                wait_for(url)
            for url, script in targets.values():  # warm
                read(ask(url, script, 1))
            loads: dict[str, list[Load]] = {name: [] for name in targets}
            for _ in range(ROUNDS):
                for name, (url, script) in targets.items():
                    loads[name].append(read(ask(url, script)))
            memory = psutil.Process(programs[0].pid).memory_info().rss / 2**20
            wrk = ask(*targets["service"], 60)
            swap(live, good)
            wrk.send_signal(signal.SIGINT)  # at which it tells what it saw
            swapped = read(wrk)
        finally:
            for program in programs:
                program.terminate()
    return report(loads, swapped, ready, memory)


def address(name: str, path: str) -> str:
    """Return the address of a path of one of the programs."""
    return f"http://127.0.0.1:{PORTS[name]}/{path}"


def write_script(path: Path, row: object) -> Path:
    """Write a script for wrk that posts a row."""
    path.write_text(SCRIPT.format(json.dumps({"instances": [row]})), encoding="utf-8")
    return path


def serve(name: str, model: Path, settings: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start the service with a model, and with further settings."""
    command = ("-m", "penguins_predict", "serve", "--port", str(PORTS[name]), "--model", str(model))
    return start(0, PYTHON, *command, settings=settings)


def report(loads: dict[str, list[Load]], swapped: Load, ready: float, memory: float) -> int:
    """Print medians over the rounds, as a table in Markdown; return 1 if they are not what is required."""
    median = {name: Load(*map(statistics.median, zip(*rounds, strict=True))) for name, rounds in loads.items()}
    print("| one row, one core | requests/s | p50 ms | p99 ms | failed |\n| --- | --- | --- | --- | --- |")
    for name, load in {**median, "service, 50 swaps": swapped}.items():
        print(f"| {name} | {load.rate:,.0f} | {load.p50:.2f} | {load.p99:.2f} | {load.failed:.0f} |")
    over_plain, over_echo, orders = (
        statistics.median(ours.rate / theirs.rate for ours, theirs in zip(loads[one], loads[other], strict=True))
        for one, other in (("service", "plain"), ("service", "echo"), ("orders", "echo of orders"))
    )
    print(f"\n{over_plain:.1f} times plain (required 10), {over_echo:.2f} of echo (required 0.5)")
    print(f"with ten derived features, {orders:.2f} of echo (required 0.4)")
    print(f"resident memory {memory:.0f} MiB, from start to ready {ready:.2f} s")
    failed = swapped.failed + sum(load.failed for rounds in loads.values() for load in rounds)
    return int(over_plain < 10 or over_echo < 0.5 or orders < 0.4 or failed > 0)


if __name__ == "__main__":
    sys.exit(main())
