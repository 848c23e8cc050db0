"""Whatever the machine does to the service: it answers, and each answer is in the log or counted as dropped."""

import random
import signal
import sqlite3
import subprocess
import threading
import time
from contextlib import ExitStack, closing
from pathlib import Path

import httpx
import pytest

from ..conftest import Configure, Start
from ..running import ROW, Client, find_workers, wait_until
from machinery.faults import FAKETIME, ClockStep, Fault, FullDisk, choose, count_seeds, mounted

DATABASE = "predictions.db"
SECONDS = 1.5  # of load
CLIENTS = 4


class LockedDatabase(Fault):
    """Another program holds the database's lock."""

    def strike(self, process: "subprocess.Popen[str]") -> None:  # noqa: ARG002
        """Take the lock."""
        self._connection = sqlite3.connect(self.world / DATABASE, isolation_level=None, timeout=5)
        self._connection.execute("BEGIN EXCLUSIVE")

    def heal(self) -> None:
        """Release it."""
        self._connection.rollback()
        self._connection.close()


class VanishedDatabase(Fault):
    """The database's files are deleted."""

    def strike(self, process: "subprocess.Popen[str]") -> None:  # noqa: ARG002
        """Delete them."""
        for path in self.world.glob(f"{DATABASE}*"):
            path.unlink()


class FullDiskMeanwhile(Fault):
    """The disk is full for a while."""

    def strike(self, process: "subprocess.Popen[str]") -> None:  # noqa: ARG002
        """Fill it."""
        self._disk = FullDisk(self.world, self.rng, self.seconds)
        self._disk.begin()

    def heal(self) -> None:
        """Make room again."""
        self._disk.heal()


class KilledWorker(Fault):
    """One of two workers is killed."""

    def strike(self, process: "subprocess.Popen[str]") -> None:
        """Kill it."""
        find_workers(process.pid)[0].kill()


KINDS = (LockedDatabase, VanishedDatabase, FullDiskMeanwhile, KilledWorker, *([ClockStep] if FAKETIME else []))


class Load:
    """Clients that ask again and again, each from a thread."""

    def __init__(self, url: str) -> None:
        """Prepare clients of a service."""
        self.answered = self.refused = self.broken = 0
        self._url, self._stop, self._lock = url, threading.Event(), threading.Lock()
        self._threads = [threading.Thread(target=self._run) for _ in range(CLIENTS)]

    def _run(self) -> None:
        with Client(self._url) as client:
            while not self._stop.is_set():
                try:
                    good = client.predict(ROW).is_success
                except httpx.TransportError:
                    with self._lock:
                        self.broken += 1
                    continue
                with self._lock:
                    self.answered, self.refused = self.answered + good, self.refused + (not good)

    def __enter__(self) -> "Load":
        """Begin."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._stop.set()
        for thread in self._threads:
            thread.join()


@pytest.mark.parametrize("seed", count_seeds(10))
def test_service_survives_faults(seed: int, configure: Configure, start: Start, tmp_path: Path) -> None:
    rng, _, kind = choose(seed, {"serve": KINDS})
    with mounted(tmp_path / "var") as world, ExitStack() as stack:
        fault = kind(world, rng, SECONDS)
        configure(workers=2 if kind is KilledWorker else 1)
        service = start("serve", environment=fault.begin())
        client = stack.enter_context(service.client())
        client.predict(ROW)
        wait_until(lambda: (world / DATABASE).exists())
        with Load(str(client.base_url)) as load:
            time.sleep(rng.uniform(0.1, 0.5))
            fault.strike(service.process)
            time.sleep(rng.uniform(0.2, SECONDS))
            fault.heal()
            time.sleep(0.3)
        said = [line for line in service.lines if line["event"] != "request"]
        where = f"seed {seed}: {fault}: {load.answered} {load.refused} {load.broken} {said[-20:]}"
        assert load.answered > 50, where
        assert load.refused == 0, where
        assert load.broken <= (CLIENTS if kind is KilledWorker else 0), where
        if kind is not KilledWorker:  # whose queue and whose numbers are lost with it
            answered = load.answered + 1
            wait_until(lambda: count(client) == answered)
            logged = client.count("prediction_log_rows_total")
            if kind is not VanishedDatabase:  # what had been written is gone with it
                assert count_rows(world) == logged, where
        assert client.predict(ROW).is_success, where
        assert service.stop() in (0, -signal.SIGTERM), where
        assert "Traceback" not in service.text, where
        with closing(sqlite3.connect(world / DATABASE)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)], where
        assert count_rows(world) > 0


def count(client: Client) -> float:
    """Return how many predictions were logged, or counted as dropped."""
    return client.count("prediction_log_rows_total") + client.count("prediction_log_dropped_rows_total")


def count_rows(world: Path) -> int:
    """Return how many predictions the log has."""
    with closing(sqlite3.connect(world / DATABASE)) as connection:
        return int(connection.execute("SELECT count(*) FROM predictions").fetchone()[0])


def test_killed_service_leaves_a_log_that_the_next_one_goes_on_with(
    configure: Configure, start: Start, tmp_path: Path
) -> None:
    rng = random.Random(1)  # noqa: S311  # no secret
    configure()
    before = 0
    for _ in range(5):
        service = start("serve")
        with service.client() as client, Load(str(client.base_url)) as load:
            time.sleep(rng.uniform(0.3, 1.0))
            service.process.kill()
        service.wait()
        with closing(sqlite3.connect(tmp_path / "var" / DATABASE)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        now = count_rows(tmp_path / "var")
        assert 0 < now - before <= load.answered + CLIENTS
        before = now
