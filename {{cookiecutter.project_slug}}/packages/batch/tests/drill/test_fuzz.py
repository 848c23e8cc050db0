"""Damaged tables: rows in = predicted + rejected, or a sentence; never another error, nor a hang, nor much memory."""

import io
import random
import re
import resource
import time
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from {{ cookiecutter.__package_name }}_batch.score import score
from {{ cookiecutter.__package_name }}_predict import Model
from {{ cookiecutter.__package_name }}_predict.errors import ProjectError

from machinery.small_model import contract, make_model, model_path

__all__ = ["contract", "make_model", "model_path"]
FILES = 12_000
SECONDS, MEBIBYTES = 5, 300  # for each file, more than a thousandth of which is never needed; for the process
LONGEST_SENTENCE = 4010
ODD = b'",\r\n\0'


def damage(good: bytes, rng: random.Random) -> bytes:
    """Return bytes of which some are changed, left out, inserted, cut off or repeated."""
    data = bytearray(good)
    for _ in range(rng.choice([1, 1, 2, 5])):
        place = rng.randrange(len(data)) if data else 0
        match rng.choice(["change", "change", "leave-out", "insert", "insert", "cut", "repeat"]):
            case "change" if data:
                data[place] = rng.choice([rng.randrange(256), *ODD])
            case "leave-out":
                del data[place : place + rng.choice([1, 1, 10, 100])]
            case "insert":
                data[place:place] = bytes(rng.choice([*ODD, 255]) for _ in range(rng.choice([1, 2, 8])))
            case "cut":
                del data[place:]
            case "repeat":
                data[place:place] = data[max(0, place - 50) : place]
    return bytes(data)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_damaged_tables_lose_no_row_in_silence(suffix: str, model_path: Path, tmp_path: Path) -> None:
    rng, model, found = random.Random(1), Model.load(model_path), Counter[str]()  # noqa: S311  # no secret
    notes = ["a", "b, c", 'say "x"', "é"]
    table = pa.Table.from_pylist([{**model.contract.example(), "note": rng.choice(notes)} for _ in range(40)])
    whole = io.BytesIO()
    (pa_csv.write_csv if suffix == "csv" else pq.write_table)(table, whole)
    source, sink, rejects = (tmp_path / name for name in (f"in.{suffix}", "out.parquet", "rejects.csv"))
    longest = 0
    for number in range(FILES):
        data = damage(whole.getvalue(), rng)
        source.write_bytes(data)
        began = time.monotonic()
        try:
            scored = score(model, source, sink, rejects)
        except ProjectError as error:
            longest = max(longest, len(str(error)))
            found["refused"] += 1
        else:
            found["scored"] += 1
            if suffix == "csv":
                lines = filter(None, re.split(rb"\r\n|\r|\n", data.removeprefix(b"\xef\xbb\xbf")))
                assert scored.predicted + scored.rejected == sum(1 for _ in lines) - 1, f"file {number}"
        assert time.monotonic() - began < SECONDS, f"file {number}"
    assert 0 < longest < LONGEST_SENTENCE
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < MEBIBYTES << 10
    assert min(found["refused"], found["scored"]) > FILES / 50
