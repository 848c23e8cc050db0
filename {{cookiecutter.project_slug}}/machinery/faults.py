"""Faults of the machine: killed processes, a full disk, a file system that becomes read-only, a clock that jumps.

They are real ones, so the tests need Linux and the right to mount: the session `faults` gives them a namespace of their
own. A world is a small file system in memory, which a fault fills or makes read-only while a command runs in it.
"""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

BALLAST = "ballast"
CLOCK = "clock"
MEGABYTE = 1 << 20
FAKETIME = next(Path("/").glob("usr/lib*/**/faketime/libfaketimeMT.so.1"), None)


@dataclass(frozen=True)
class Outcome:
    """How a command ended under a fault: its exit code, negative after a signal, and what it printed."""

    code: int
    printed: str


@contextmanager
def mounted(folder: Path, megabytes: int = 64) -> Iterator[Path]:
    """Mount a file system in memory at a folder, which is made, and unmount it at the end."""
    folder.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "faults", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


class Fault:
    """What happens to a command while it runs in a world: before it, at a moment, and how it is taken back."""

    def __init__(self, world: Path, rng: random.Random, seconds: float) -> None:
        """Prepare the fault.

        Args:
            world: the mounted folder.
            rng: decides when it happens, and how.
            seconds: how long the command takes without it.
        """
        self.world, self.rng, self.seconds = world, rng, seconds
        self.moment = rng.uniform(0.3, 1.1) * seconds  # before, Python only reads modules

    def begin(self) -> dict[str, str]:
        """Do what comes before the command, and return variables for its environment."""
        return {}

    def strike(self, process: subprocess.Popen[str]) -> None:
        """Do what happens at the moment."""

    def heal(self) -> None:
        """Take back what can be taken back."""

    def __str__(self) -> str:
        """Return what happens, and when."""
        return f"{type(self).__name__} at {self.moment:.2f} of {self.seconds:.2f} s"


class Kill(Fault):
    """The process is killed, with its children or alone."""

    def strike(self, process: subprocess.Popen[str]) -> None:
        """Kill."""
        if self.rng.random() < 0.5:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


class FullDisk(Fault):
    """The disk has no more than a few kilobytes left."""

    def begin(self) -> dict[str, str]:
        """Fill the disk."""
        left = self.rng.choice([0, 4096, 65_536, 300_000, MEGABYTE])
        with (self.world / BALLAST).open("wb", buffering=0) as file:
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"0" * 65_536)
            file.truncate(max(0, file.tell() - left))
        return {}

    def heal(self) -> None:
        """Make room again."""
        (self.world / BALLAST).unlink()


class ReadOnly(Fault):
    """The file system becomes read-only, as kernels make it after an error of the disk."""

    def strike(self, process: subprocess.Popen[str]) -> None:
        """Remount it, as soon as no file is open for writing."""
        while process.poll() is None and self._remount("ro"):
            time.sleep(0.001)

    def heal(self) -> None:
        """Make it writable again."""
        assert not self._remount("rw")

    def _remount(self, how: str) -> int:
        command = ["mount", "-o", f"remount,{how}", str(self.world)]
        return subprocess.run(command, capture_output=True, check=False).returncode


class Vanished(Fault):
    """A remote is gone while the command runs."""

    def begin(self) -> dict[str, str]:
        """Move it away."""
        self.name = self.rng.choice(["storage", "origin.git"])
        (self.world / self.name).rename(self.world / "away")
        return {}

    def heal(self) -> None:
        """Bring it back, in place of what was made meanwhile."""
        shutil.rmtree(self.world / self.name, ignore_errors=True)
        (self.world / "away").rename(self.world / self.name)


class Locked(Fault):
    """Another process of git works in the project, and holds its lock."""

    def begin(self) -> dict[str, str]:
        """Take the lock."""
        self.lock = self.world / "project" / ".git" / self.rng.choice(["index.lock", "packed-refs.lock"])
        self.lock.touch()
        return {}

    def heal(self) -> None:
        """Release it; it must still be there."""
        self.lock.unlink()


class ClockStep(Fault):
    """The clock is wrong, and jumps; by libfaketime (https://github.com/wolfcw/libfaketime)."""

    def begin(self) -> dict[str, str]:
        """Set the clock wrong."""
        self._set(self.rng.choice([-86_400, -3600, 3600, 86_400 * 40]))
        return {
            "LD_PRELOAD": str(FAKETIME),
            "FAKETIME_TIMESTAMP_FILE": str(self.world / CLOCK),
            "FAKETIME_CACHE_DURATION": "0",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def strike(self, process: subprocess.Popen[str]) -> None:  # noqa: ARG002
        """Let it jump."""
        self._set(self.rng.choice([-7200, 0, 7200]))

    def _set(self, seconds: int) -> None:
        (self.world / CLOCK).write_text(f"{seconds:+d}")


EVERYWHERE = (Kill, FullDisk, ReadOnly, *([ClockStep] if FAKETIME else []))


def run_under(fault: Fault, command: list[str], folder: Path, environment: dict[str, str]) -> Outcome:
    """Run a command while a fault happens to it, and heal the fault."""
    settings = {**environment, **fault.begin()}
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        process.wait(fault.moment)
    except subprocess.TimeoutExpired:
        fault.strike(process)
    try:
        printed = process.communicate(timeout=120)[0]
    except subprocess.TimeoutExpired:  # a hang, which is a failure
        os.killpg(process.pid, signal.SIGKILL)
        printed = f"it hangs\n{process.communicate()[0]}"
    kill_rest(process.pid)
    fault.heal()
    return Outcome(process.returncode, printed)


def kill_rest(group: int) -> None:
    """Kill what is left of a command, and wait until it is gone."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            os.killpg(group, signal.SIGKILL)
        except ProcessLookupError:
            return
        time.sleep(0.01)


def choose(seed: int, kinds: dict[str, tuple[type[Fault], ...]]) -> tuple[random.Random, str, type[Fault]]:
    """Return a generator, an operation and a kind of fault for a seed; all pairs take their turns."""
    pairs = [(name, kind) for name, found in kinds.items() for kind in found]
    name, kind = pairs[seed % len(pairs)]
    return random.Random(seed), name, kind  # noqa: S311  # no secret


def count_seeds(default: int) -> range:
    """Return the seeds to try: as many as the variable FAULTS says, from FAULTS_FROM on."""
    first = int(os.environ.get("FAULTS_FROM", "0"))
    return range(first, first + int(os.environ.get("FAULTS", str(default))))
