"""Whatever the machine does to a command: nothing is half, what is the user's stays, and the next run ends well."""

import contextlib
import shutil
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml

from {{ cookiecutter.__package_name }}_pipeline.project import CONFIG
from {{ cookiecutter.__package_name }}_predict.cli import main
from {{ cookiecutter.__package_name }}_predict.model import Model
from {{ cookiecutter.__package_name }}_predict.settings import PREFIX

from ..conftest import LIVE, commit, git, make_project, train_again
from machinery.faults import (
    EVERYWHERE,
    Fault,
    Kill,
    Locked,
    Vanished,
    choose,
    count_seeds,
    mounted,
    run_under,
)
from machinery.sandbox import environment, prepare_once, run_in
from machinery.small_project import make_rows

PACKAGE = main.__module__.partition(".")[0]
PROGRAM = [sys.executable, "-m", PACKAGE]
ROWS = 20_000
MINE = ("README.md", "var/mine.txt")  # what a person has not committed
IN_SMALL_PARTS = (
    f"import sys, {PACKAGE.removesuffix('_predict')}_batch.jobs.chunks as chunks, {PACKAGE}.cli as cli;"
    "chunks.ROWS = 1000; sys.exit(cli.main())"
)
COMMANDS = {
    "repro": [sys.executable, "-m", "dvc", "repro", "--quiet"],
    "ingest": [*PROGRAM, "stage", "ingest"],
    "score": [*PROGRAM, "score", "table.parquet", "build/out.parquet"],
    "job": [sys.executable, "-c", IN_SMALL_PARTS, "score", "nightly", "--run-id", "faults"],
    "release": [*PROGRAM, "release"],
    "rollback": [*PROGRAM, "rollback", "--reason", "a fault"],
    "retrain": [*PROGRAM, "retrain", "--push", "--reason", "a fault"],
}


class BrokenNetwork(Fault):
    """The source is behind a network that cuts connections, or is slow."""

    def begin(self) -> dict[str, str]:
        """Serve the source badly."""
        self._server = serve_source(self.world, self.rng.choice([0, 100, 5000]), self.rng.choice([0, 0.3]))
        return {f"{PREFIX}PATHS__SOURCE": self._server.__enter__()}

    def heal(self) -> None:
        """Stop serving."""
        self._server.__exit__(None, None, None)


FAULTS: dict[str, tuple[type[Fault], ...]] = {
    "repro": EVERYWHERE,
    "ingest": (*EVERYWHERE, BrokenNetwork),
    "score": EVERYWHERE,
    "job": EVERYWHERE,
    "release": (*EVERYWHERE, Vanished, Locked),
    "rollback": (*EVERYWHERE, Vanished, Locked),
    "retrain": (*EVERYWHERE, Vanished, Locked),
}


@contextmanager
def serve_source(world: Path, most: int, pause: float) -> Iterator[str]:
    """Serve other rows at an address: whole, or up to so many bytes, after a pause."""
    data = make_rows("regression", seed=9).to_csv(index=False).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            time.sleep(pause)
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.send_header("ETag", '"1"')
            self.end_headers()
            self.wfile.write(data[:most] if most else data)

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            """Do not log requests."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/{world.name}.csv"
    server.shutdown()
    server.server_close()


def prepare(folder: Path) -> None:
    """Make a project with a live version, another one in the stage, and new rows at its source."""
    make_project(folder)
    with chdir(folder):
        config = yaml.safe_load(CONFIG.read_text())
        config["lifecycle"]["retraining"] = {"stage": "production", "release": True}
        config["lifecycle"]["promotion"]["margin"] = 10.0
        config["score"]["nightly"] |= {
            "source": {"address": "table.parquet"},
            "sink": {"address": "sqlite:///var/scored.db", "table": "scored"},
            "keys": ["id"],
        }
        CONFIG.write_text(yaml.safe_dump(config))
        Path(".gitignore").write_text("/data/\n/models/\n/var/\n/build/\n/table.parquet\n")
        Path("README.md").write_text("# Small\n")
        commit("Configure")
        for version in ("v0.1.0", "v0.2.0"):
            run_in(folder, *PROGRAM, "register", version, "--reason", "begin")
            run_in(folder, *PROGRAM, "promote", version, "--reason", "begin", "--force")
            if version == "v0.1.0":
                run_in(folder, *PROGRAM, "release")
                train_again(seed=8)
        make_rows("regression", seed=5).to_csv("source.csv", index=False)
        git("commit", "--quiet", "--all", "--message", "New rows")
        git("push", "--quiet", "--tags", "origin", "main")
        frame = pd.concat([make_rows("regression", seed=3)] * (ROWS // 400), ignore_index=True)
        frame = frame.drop(columns="weight").assign(id=range(ROWS))
        frame.to_parquet("table.parquet", index=False, row_group_size=500)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with such a project and its remotes."""
    return prepare_once(tmp_path_factory, "faults", prepare).parent


@pytest.fixture(scope="session")
def healthy(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[float, Path]]:
    """Return a function that gives how long an operation takes without a fault, and the world that it leaves."""

    @cache
    def run(operation: str) -> tuple[float, Path]:
        world = tmp_path_factory.mktemp(operation) / "world"
        shutil.copytree(prepared, world, symlinks=True)
        get_ready(world / "project", operation)
        began = time.monotonic()
        run_in(world / "project", *COMMANDS[operation])
        return time.monotonic() - began, world

    return run


def get_ready(project: Path, operation: str) -> None:
    """Do what comes before an operation, and leave some work of the user about."""
    if operation == "rollback":
        run_in(project, *PROGRAM, "release")
    (project / "var" / "mine.txt").write_text("mine")
    if operation != "retrain":  # it wants a clean tree
        (project / "README.md").write_text("not committed")


@pytest.mark.parametrize("seed", count_seeds(20))
def test_operation_survives_faults(
    seed: int,
    prepared: Path,
    healthy: Callable[[str], tuple[float, Path]],
    tmp_path: Path,
) -> None:
    rng, operation, kind = choose(seed, FAULTS)
    seconds, expected = healthy(operation)
    with mounted(tmp_path / "world") as world:
        shutil.copytree(prepared, world, symlinks=True, dirs_exist_ok=True)
        project = world / "project"
        get_ready(project, operation)
        before = (project / LIVE).read_bytes()
        mine = {name: (project / name).read_bytes() for name in MINE}
        fault = kind(world, rng, seconds)
        outcome = run_under(fault, COMMANDS[operation], project, environment())
        where = f"seed {seed}: {operation}, {fault}: {outcome}"
        if kind is not Kill:
            assert outcome.code in (0, 1, 255), where
            assert "Traceback" not in outcome.printed, where
            assert outcome.printed.strip() or not outcome.code, where
        goal = (expected / "project" / LIVE).read_bytes()
        live = (project / LIVE).read_bytes()
        Model.load(project / LIVE)
        Model.load(project / "models" / "model.onnx")
        if operation != "retrain":  # which makes another version each time
            assert live in (before, goal), where
        check_user(project, mine, where)
        done = is_done(project, operation, expected)
        if operation == "score":
            assert done or not (project / "build" / "out.parquet").exists(), where
        if operation == "job":
            assert done or not count_scored(project), where
        again = run_in(project, *COMMANDS[operation], code=None)
        assert is_done(project, operation, expected), f"{where}\nthe next run: {again}"
        assert done or "error:" not in again, f"{where}\nthe next run: {again}"
        check_user(project, mine, where)


def check_user(project: Path, mine: dict[str, bytes], where: str) -> None:
    """Check that git is sound, and that the user's own work is as it was."""
    run_in(project, "git", "fsck", "--no-dangling")
    assert {name: (project / name).read_bytes() for name in MINE} == mine, where
    changed = {line[3:] for line in run_in(project, "git", "status", "--porcelain").splitlines()}
    allowed = {"README.md", "dvc.lock", "reports/"} if mine["README.md"] == b"not committed" else set[str]()
    assert {name for name in changed if not name.startswith(tuple(allowed or {"-"}))} == set(), f"{where}: {changed}"


def count_scored(project: Path) -> tuple[int, int] | None:
    """Return how many rows and how many different ones readers see; None if they see no table."""
    database = project / "var" / "scored.db"
    if not database.exists():
        return None
    with contextlib.closing(sqlite3.connect(database)) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'scored'").fetchone():
            return None
        rows, ids = connection.execute("SELECT count(*), count(DISTINCT id) FROM scored").fetchone()
    return rows, ids


def is_done(project: Path, operation: str, expected: Path) -> bool:
    """Return whether an operation has come to its end."""
    match operation:
        case "repro":
            model = Path("models/model.onnx")
            same = (project / model).read_bytes() == (expected / "project" / model).read_bytes()
            return same and "up to date" in run_in(project, sys.executable, "-m", "dvc", "status")
        case "ingest":
            found = [path.read_bytes() for path in sorted((project / "data/raw").rglob("*.csv"))]
            return found == [(project / "source.csv").read_bytes()]
        case "score":
            path = project / "build" / "out.parquet"
            return path.exists() and pq.read_table(path).num_rows == ROWS
        case "job":
            return count_scored(project) == (ROWS, ROWS)
        case "retrain":
            model, live = (project / name for name in ("models/model.onnx", LIVE))
            pushed = f"{run_in(project, 'git', 'rev-parse', 'HEAD').strip()}\trefs/heads/main"
            subject = run_in(project, "git", "log", "-1", "--format=%s")
            return (
                pushed in run_in(project, "git", "ls-remote", "origin")
                and live.read_bytes() == model.read_bytes()
                and "New rows" not in subject
                and run_in(project, "git", "status", "--porcelain") == ""
                and run_in(project, "git", "for-each-ref", "refs/retraining") == ""
            )
        case _:
            return (project / LIVE).read_bytes() == (expected / "project" / LIVE).read_bytes()
