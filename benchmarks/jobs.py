"""Measure a job on orders, SQLite → SQLite and PostgreSQL → PostgreSQL, against the model alone and `COPY` by psql.

`bench -- jobs` runs it on 5,000,000 rows, unless the variable ROWS says otherwise; it needs PostgreSQL installed.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orders
import pandas as pd
import pyarrow as pa
import yaml
from penguins_batch.databases import Database
from penguins_pipeline.dataset import load_dataset
from penguins_predict import Model
from penguins_predict.encoding import Encoded

sys.path.append(os.curdir)  # the project
from machinery.engines import OWNER, Engine, find_program, free_port

ROWS = int(os.environ.get("ROWS", "5000000"))
COMMAND = [sys.executable, "-m", "penguins_predict", "score", "orders", "--log", "json"]
MEASURE = (
    "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stderr=subprocess.DEVNULL);"
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
)


@contextmanager
def start_postgres() -> Iterator[str]:
    """Start PostgreSQL with its own settings, and yield its address."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        if OWNER:
            shutil.chown(folder, OWNER)
        initdb = [find_program("initdb"), "--auth=trust", "--username=test", f"--pgdata={folder}/data"]
        subprocess.run(initdb, check=True, capture_output=True, user=OWNER)
        options = ("-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=")
        engine = Engine(
            find_program("postgres"), "-D", f"{folder}/data", "-p", str(port), *options, port=port, user=OWNER
        )
        yield f"postgresql://test@127.0.0.1:{port}/postgres"
        engine.stop()


def fill(address: str, rows: int) -> None:
    """Write a table of orders with a key."""
    frame = orders.make_rows().drop(columns="late")
    table, database = pa.Table.from_pandas(frame, preserve_index=False), Database(address)
    schema = pa.schema([(field.name, plain(field.type)) for field in table.schema])
    with database.connect() as connection:
        connection.execute("DROP TABLE IF EXISTS orders")
        connection.execute(database.create_table("orders", schema.append(pa.field("id", pa.int64())), ["id"]))
        for start in range(0, rows, len(frame)):
            part = table.slice(0, min(len(frame), rows - start)).cast(schema)
            with connection.transaction():
                connection.ingest("orders", part.append_column("id", pa.array(range(start, start + part.num_rows))))
        connection.execute("ANALYZE")


def plain(kind: pa.DataType) -> pa.DataType:
    """Return the type of a database's column."""
    return pa.int64() if pa.types.is_integer(kind) else kind if pa.types.is_floating(kind) else pa.string()


def configure(folder: Path, address: str) -> None:
    """Write the job."""
    place = {"address": address}
    job = {
        "source": place | {"table": "orders"},
        "sink": place | {"table": "scored"},
        "mode": "replace",
        "keys": ["id"],
    }
    (folder / "config").mkdir(exist_ok=True)
    paths = {"model": "orders.onnx", "schema": None}
    (folder / "config" / "default.yaml").write_text(yaml.safe_dump({"paths": paths, "score": {"orders": job}}))


def run(folder: Path, workers: int, run_id: str) -> tuple[float, float]:
    """Return the seconds of a run, and the MiB of its largest process."""
    variables = os.environ | {"PENGUINS_SCORE__ORDERS__WORKERS": str(workers)}
    command = [sys.executable, "-c", MEASURE, *COMMAND, "--run-id", run_id]
    began = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=variables, stdout=subprocess.PIPE, text=True, check=True)
    return time.perf_counter() - began, int(done.stdout) / 1024


def measure_model(model: Model) -> float:
    """Return the rows a second of the model on arrays in memory, in one thread."""
    table = pa.Table.from_pandas(pd.concat([orders.make_rows()] * 10, ignore_index=True), preserve_index=False)
    numbers = load_dataset(table, model.contract).encode(model.encoder).numbers
    parts = [Encoded(numbers[start : start + 65_536], {}) for start in range(0, len(numbers), 65_536)]
    model.run(parts[0])
    began = time.perf_counter()
    for part in parts:
        model.run(part)
    return len(numbers) / (time.perf_counter() - began)


def measure_copy(address: str, folder: Path) -> tuple[float, float]:
    """Return the seconds that psql takes to copy the result out of PostgreSQL, and into a new table."""
    psql, file = [find_program("psql"), address, "--quiet", "--command"], folder / "scored.bin"
    seconds = []
    subprocess.run([*psql, "CREATE TABLE copied AS SELECT * FROM scored LIMIT 0"], check=True)
    for command in (f"\\copy (TABLE scored) TO {file} BINARY", f"\\copy copied FROM {file} BINARY"):
        began = time.perf_counter()
        subprocess.run([*psql, command], check=True)
        seconds.append(time.perf_counter() - began)
    return seconds[0], seconds[1]


def main() -> int:
    """Print a table in Markdown."""
    lines = list[tuple[str, int, float, float | None]]()
    with tempfile.TemporaryDirectory() as name, start_postgres() as postgres:
        folder = Path(name)
        orders.write_model(folder / "orders.onnx")
        Path(folder, "orders.db").touch()
        alone = measure_model(Model.load(folder / "orders.onnx"))
        for kind, address in (("SQLite", f"sqlite:///{folder / 'orders.db'}"), ("PostgreSQL", postgres)):
            configure(folder, address)
            for rows, workers in ((ROWS // 10, 2), (ROWS, 1), (ROWS, 2)):
                if rows != ROWS or workers == 1:
                    fill(address, rows)
                seconds, memory = run(folder, workers, f"{rows}-{workers}")
                lines.append((f"{kind} → {kind}, {workers} process{'es' * (workers > 1)}", rows, seconds, memory))
        for direction, seconds in zip(("out of", "into"), measure_copy(postgres, folder), strict=True):
            lines.append((f"psql, binary COPY of the result {direction} PostgreSQL", ROWS, seconds, None))
    print(f"the model alone on arrays, one thread: {alone:,.0f} rows/s\n")
    print("| | rows | seconds | rows/s | MiB of the largest process |\n| --- | --- | --- | --- | --- |")
    for text, rows, seconds, memory in lines:
        print(f"| {text} | {rows:,} | {seconds:.1f} | {rows / seconds:,.0f} | {f'{memory:.0f}' if memory else ''} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
