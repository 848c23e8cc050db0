"""Servers that a test starts at free ports of the loopback address, such as PostgreSQL."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

WHERE = ("/usr/lib/postgresql/*/bin", "/opt/homebrew/opt/postgresql*/bin", "/usr/local/opt/postgresql*/bin")
OWNER = "postgres" if hasattr(os, "geteuid") and os.geteuid() == 0 else None  # it refuses to be run by root


class Engine:
    """A server that a test may stop and start again."""

    def __init__(self, *command: str, port: int, user: str | None = None) -> None:
        """Start a server, and wait until it listens."""
        self.command, self.port, self.user = command, port, user
        self.start()

    def start(self) -> None:
        """Start the server."""
        output = subprocess.DEVNULL
        self.process = subprocess.Popen(self.command, stdout=output, stderr=output, user=self.user)
        for _ in range(1000):
            assert self.process.poll() is None, f"{self.command} has ended"
            with socket.socket() as connection:
                if connection.connect_ex(("127.0.0.1", self.port)) == 0 and self._answers():
                    return
            time.sleep(0.02)
        pytest.fail(f"{self.command} does not listen")

    def _answers(self) -> bool:
        """Return whether PostgreSQL has started up; others answer as soon as they listen."""
        if not self.command[0].endswith("postgres"):
            return True
        ready = [find_program("pg_isready"), "--quiet", "--host=127.0.0.1", f"--port={self.port}"]
        return subprocess.run(ready, check=False).returncode == 0

    def stop(self) -> None:
        """Stop the server at once, with every connection to it."""
        self.process.send_signal(3 if self.command[0].endswith("postgres") else 15)
        self.process.wait(30)


def find_program(name: str) -> str:
    """Return the path of a program; a test that needs it fails without, since skipped is not passed."""
    paths = [str(path) for pattern in WHERE for path in Path("/").glob(f"{pattern[1:]}/{name}")]
    found = shutil.which(name) or next(iter(sorted(paths, reverse=True)), None)
    if found is None:
        pytest.fail(
            f"{name} is not installed; install PostgreSQL and Redis (Debian: apt install postgresql redis-server)"
        )
    return found


def free_port() -> int:
    """Return a port at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture
def postgres() -> Iterator[Engine]:
    """Return a PostgreSQL server of the user `test`, who needs no password."""
    program, port = find_program("postgres"), free_port()
    with tempfile.TemporaryDirectory() as folder:  # not pytest's own, into which only this user can look
        data = f"{folder}/data"
        if OWNER:
            shutil.chown(folder, OWNER)
        initdb = [find_program("initdb"), "--auth=trust", "--username=test", "--no-sync", f"--pgdata={data}"]
        subprocess.run(initdb, check=True, capture_output=True, user=OWNER)
        options = ("-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off")
        engine = Engine(program, "-D", data, "-p", str(port), *options, port=port, user=OWNER)
        yield engine
        engine.stop()
