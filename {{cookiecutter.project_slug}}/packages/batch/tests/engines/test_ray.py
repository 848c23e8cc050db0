"""Jobs on a Ray cluster: the rows that processes of one machine write, also if a node is lost."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from {{ cookiecutter.__package_name }}_predict import Model

from ..job_checks import SOURCE, drop_run
from machinery.engines import free_port

PACKAGE = Model.__module__.partition(".")[0]
CHUNKS, ROWS = 60, 2000
PROGRAM = (
    f"import sys, {PACKAGE.removesuffix('_predict')}_batch.jobs.chunks as chunks, {PACKAGE}.cli as cli;"
    f"chunks.ROWS = {ROWS}; sys.exit(cli.main())"
)


ENVIRONMENT = os.environ | {  # without a token, which Ray would keep in the home folder; names of sockets are short
    "RAY_AUTH_MODE": "disabled",
    "RAY_TMPDIR": "/tmp",  # noqa: S108
    "RAY_USAGE_STATS_ENABLED": "0",
}


@pytest.fixture
def cluster(tmp_path: Path) -> "Iterator[tuple[str, subprocess.Popen[bytes]]]":
    """Start a cluster of two nodes with a core each; return its address and the second node."""
    ray = Path(sys.executable).with_name("ray")
    assert ray.exists(), "Ray is not installed: the session engines installs requirements/batch-ray.txt"
    port, client = free_port(), free_port()
    log = (tmp_path / "ray.log").open("w")
    head = ["--head", f"--port={port}", f"--ray-client-server-port={client}", "--include-dashboard=false"]
    nodes = list[subprocess.Popen[bytes]]()
    try:
        for options in (head, [f"--address=127.0.0.1:{port}"]):
            command = [str(ray), "start", "--block", "--num-cpus=1", "--node-ip-address=127.0.0.1", *options]
            nodes.append(subprocess.Popen(command, stdout=log, stderr=log, env=ENVIRONMENT, start_new_session=True))
            wait_for(partial(has_nodes, str(ray), port, len(nodes)))
        yield f"ray://127.0.0.1:{client}", nodes[1]
    finally:
        for node in nodes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(node.pid, signal.SIGKILL)
            node.wait()
        log.close()


def has_nodes(ray: str, port: int, least: int) -> bool:
    """Return whether a cluster has so many nodes."""
    command = [ray, "status", f"--address=127.0.0.1:{port}"]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    return done.stdout.partition("Active:")[2].partition("Pending:")[0].count("node_") >= least


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.1)
    pytest.fail("it did not happen within a minute")


def test_lost_node_changes_no_row(
    cluster: "tuple[str, subprocess.Popen[bytes]]", model_path: Path, tmp_path: Path
) -> None:
    address, second = cluster
    numbers = range(CHUNKS * ROWS)
    columns: dict[str, list[Any]] = {
        "id": list(numbers),
        "length": [number % 1000 / 100 for number in numbers],
        "count": [number % 90 for number in numbers],
        "colour": ["green" if number % 3 else "red" for number in numbers],
        "ready": [number % 2 == 0 for number in numbers],
    }
    pq.write_table(pa.table(columns, schema=SOURCE), tmp_path / "in.parquet", row_group_size=ROWS)
    job = {"source": {"address": "in.parquet"}, "mode": "append", "keys": ["id"], "workers": 2}
    jobs = {
        "calm": job | {"sink": {"address": "calm"}},
        "nightly": job | {"sink": {"address": "out"}, "engine": address},
    }
    (tmp_path / "config").mkdir()
    paths = {"model": str(model_path), "schema": None}
    (tmp_path / "config" / "default.yaml").write_text(yaml.safe_dump({"paths": paths, "score": jobs}))
    subprocess.run([sys.executable, "-c", PROGRAM, "score", "calm", "--run-id", "one"], cwd=tmp_path, check=True)
    command = [sys.executable, "-c", PROGRAM, "score", "nightly", "--run-id", "one", "--log", "json"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT) as process:
        progress = tmp_path / "out" / ".runs" / "one" / "counts"
        wait_for(lambda: process.poll() is not None or len(list(progress.glob("*.json"))) > CHUNKS // 4)
        kill_node(second)
        assert len(list(progress.glob("*.json"))) < CHUNKS, "the node was lost too late"
        _, printed = process.communicate(timeout=120)
    assert process.returncode == 0, printed
    calm, found = (pq.read_table(tmp_path / name / "one") for name in ("calm", "out"))
    assert drop_run(found.to_pylist()) == drop_run(calm.to_pylist())
    assert found.num_rows == CHUNKS * ROWS


def kill_node(node: "subprocess.Popen[bytes]") -> None:
    """Kill all processes of a node at once."""
    os.killpg(node.pid, signal.SIGKILL)
    node.wait()


def test_cluster_that_does_not_answer_is_a_sentence(model_path: Path, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("id,length,count,colour,ready\n1,1,2,red,true\n")
    job = {"source": {"address": "in.csv"}, "sink": {"address": "out.csv"}, "mode": "replace", "keys": ["id"]}
    (tmp_path / "config").mkdir()
    paths = {"model": str(model_path), "schema": None}
    config = {"paths": paths, "score": {"nightly": job | {"engine": f"ray://127.0.0.1:{free_port()}"}}}
    (tmp_path / "config" / "default.yaml").write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", PACKAGE, "score", "nightly", "--run-id", "one"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "error: the Ray cluster ray://127.0.0.1:" in done.stderr
    assert "does not answer" in done.stderr
