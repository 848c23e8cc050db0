"""Measure `score` on orders (see `orders`), as CSV and as Parquet, against onnxruntime alone on arrays in memory."""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import orders
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from penguins_batch.score import WORKERS, score
from penguins_pipeline.dataset import load_dataset
from penguins_predict import Model
from penguins_predict.encoding import Encoded
from pyarrow import csv

COPIES, ROUNDS = 25, 5  # of the 20,000 orders
BATCH = 65_536


def measure(function: Callable[[], object]) -> float:
    """Return the median seconds of a few calls, after one that warms up."""
    function()
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        function()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def main() -> int:
    """Print a table in Markdown."""
    frame = pd.concat([orders.make_rows()] * COPIES, ignore_index=True)
    table = pa.Table.from_pandas(frame, preserve_index=False)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "orders.onnx")
        orders.write_model(path)
        model = Model.load(path)
        numbers = load_dataset(table, model.contract).encode(model.encoder).numbers
        parts = [Encoded(numbers[start : start + BATCH], {}) for start in range(0, len(numbers), BATCH)]
        pq.write_table(table, Path(folder, "orders.parquet"))
        csv.write_csv(table, Path(folder, "orders.csv"))
        with ThreadPoolExecutor(WORKERS) as pool:
            seconds = {"onnxruntime on arrays": measure(lambda: list(pool.map(model.run, parts)))}
        for suffix in ("parquet", "csv"):
            source, sink = Path(folder, f"orders.{suffix}"), Path(folder, f"scored.{suffix}")
            seconds[f"score, {suffix}"] = measure(partial(score, model, source, sink))
    fastest = seconds["onnxruntime on arrays"]
    print(f"| {len(table):,} orders, {WORKERS} cores | rows/s | of onnxruntime |\n| --- | --- | --- |")
    for name, spent in seconds.items():
        print(f"| {name} | {len(table) / spent:,.0f} | {fastest / spent:.2f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
