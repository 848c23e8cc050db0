"""Scoring a table: the same numbers as for JSON, bad rows aside, whole outputs or none."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
import yaml

from {{ cookiecutter.__package_name }}_batch.dialect import Dialect
from {{ cookiecutter.__package_name }}_batch.score import Scored, score
from {{ cookiecutter.__package_name }}_predict import Contract, DataError, Model

from machinery.small_model import SCHEMA

PACKAGE = Model.__module__.partition(".")[0]

ROWS = [
    {"id": "a", "length": 2.5, "count": 7, "colour": "green", "ready": True},
    {"id": "b", "length": 99.0, "count": 7, "colour": "green", "ready": True},
    {"id": "c", "length": 9.0, "count": None, "colour": "red", "ready": None},
]


@pytest.fixture
def model(model_path: Path) -> Model:
    """Return a loaded model."""
    return Model.load(model_path)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a table with a broken second row and a column that the contract does not know."""
    pa_csv.write_csv(pa.Table.from_pylist(ROWS), tmp_path / "in.csv")
    return tmp_path / "in.csv"


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_score_gives_what_predict_gives(suffix: str, model: Model, source: Path, tmp_path: Path) -> None:
    sink = tmp_path / f"out{suffix}"
    scored = score(model, source, sink, tmp_path / "rejects.csv")
    table = pa_csv.read_csv(sink) if suffix == ".csv" else pq.read_table(sink)
    assert (scored.predicted, scored.rejected) == (2, 1)
    assert table.column("id").to_pylist() == ["a", "c"]
    rows = [{key: value for key, value in row.items() if key != "id"} for row in (ROWS[0], ROWS[2])]
    answers = model.predict(rows)
    assert table.column("prediction").to_pylist() == [answer["prediction"] for answer in answers]
    for name in model.contract.classes:
        shares = [answer["probabilities"][name] for answer in answers]
        assert table.column(f"probability_{name}").to_pylist() == pytest.approx(shares, rel=1e-7)


def test_score_reads_parquet_as_it_reads_csv(model: Model, source: Path, tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "in.parquet")
    score(model, source, tmp_path / "a.parquet", tmp_path / "ra.csv")
    score(model, tmp_path / "in.parquet", tmp_path / "b.parquet", tmp_path / "rb.csv")
    a, b = pq.read_table(tmp_path / "a.parquet"), pq.read_table(tmp_path / "b.parquet")
    assert a.column("probability_small") == b.column("probability_small")


def test_score_sets_bad_rows_aside_with_their_reason(model: Model, source: Path, tmp_path: Path) -> None:
    source.write_text(source.read_text() + "only,two\n")
    score(model, source, tmp_path / "out.csv", tmp_path / "rejects.csv")
    rejects = pa_csv.read_csv(tmp_path / "rejects.csv").to_pylist()
    assert [(row["rejected_row"], row["rejected_because"]) for row in rejects] == [
        (None, "found 2 columns, expected 5: only,two"),
        (2, "length: found '99', expected a number from 0 up to 10 mm"),
    ]
    assert rejects[1]["colour"] == "green"


def test_score_stops_at_a_bad_row_if_told_so(model: Model, source: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="in.csv, row 2: length: found '99'"):
        score(model, source, tmp_path / "out.csv", tmp_path / "rejects.csv", on_error="stop")
    assert sorted(path.name for path in tmp_path.glob("*.csv")) == ["in.csv"]
    assert list(tmp_path.glob(".*")) == []


def test_score_stops_at_a_malformed_last_line_if_told_so(model: Model, source: Path, tmp_path: Path) -> None:
    source.write_text("length,count,colour,ready\n1,2,red,true\n1,2\n")
    with pytest.raises(DataError, match=r"row \?: found 2 columns, expected 4: 1,2"):
        score(model, source, tmp_path / "out.csv", tmp_path / "rejects.csv", on_error="stop")
    assert not (tmp_path / "out.csv").exists()


def test_score_passes_other_columns_on_as_they_are(model: Model, source: Path, tmp_path: Path) -> None:
    source.write_text("note,length,count,colour,ready\nNA,1,,red,true\n007,1,NA,red,\n")
    score(model, source, tmp_path / "out.csv", tmp_path / "rejects.csv")
    texts = pa_csv.ConvertOptions(column_types={"note": pa.string(), "count": pa.string()}, strings_can_be_null=False)
    table = pa_csv.read_csv(tmp_path / "out.csv", convert_options=texts)
    assert table.column("note").to_pylist() == ["NA", "007"]
    assert table.column("count").to_pylist() == ["", "NA"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("length,count,colour,ready\n", "has no rows"),
        ("length,count,colour,ready\n99,1,red,true\n", "1 of 1 rows of .* are rejected, 100.00%; .*found '99'"),
        ("length,count,colour\n1,2,red\n", "column 'ready' is missing"),
        ("length,count,colour,ready,prediction\n1,2,red,true,x\n", "already has a column 'prediction'"),
    ],
)
def test_score_refuses_a_source_it_cannot_use(
    text: str, message: str, model: Model, source: Path, tmp_path: Path
) -> None:
    source.write_text(text)
    with pytest.raises(DataError, match=message):
        score(model, source, tmp_path / "out.csv", tmp_path / "rejects.csv")
    assert not (tmp_path / "out.csv").exists()


def test_score_with_too_many_rejected_rows_writes_their_reasons_alone(
    model: Model, source: Path, tmp_path: Path
) -> None:
    sink, rejects = tmp_path / "out.csv", tmp_path / "rejects.csv"
    with pytest.raises(
        DataError, match="1 of 3 rows of .* are rejected, 33.33%; the share allowed is 30.00%; length: 1"
    ):
        score(model, source, sink, rejects, max_rejected=0.3)
    assert not sink.exists()
    assert pa_csv.read_csv(rejects).num_rows == 1
    assert score(model, source, sink, rejects, max_rejected=0.34).share == pytest.approx(1 / 3)


def test_column_that_is_invalid_throughout_is_one_sentence(model: Model, source: Path, tmp_path: Path) -> None:
    source.write_text("length,count,colour,ready\n" + "1,2,pink,true\n" * 1000)
    with pytest.raises(
        DataError, match="in.csv: colour is invalid in each of the first 1000 rows; the first: colour: fou"
    ):
        score(model, source, tmp_path / "out.csv", tmp_path / "rejects.csv")
    assert sorted(path.name for path in tmp_path.glob("*.csv")) == ["in.csv"]


def test_line_breaks_in_values_are_taken_where_they_are_allowed(model: Model, source: Path, tmp_path: Path) -> None:
    source.write_text('note,length,count,colour,ready\n"two\nlines",1,,red,true\nx,1,,red,true\n')
    sink, rejects = tmp_path / "out.csv", tmp_path / "rejects.csv"
    assert score(model, source, sink, rejects) == Scored(1, 2)
    assert score(model, source, sink, rejects, dialect=Dialect(newlines=True)) == Scored(2, 0)


def test_score_refuses_an_absent_source(model: Model, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none.csv cannot be read"):
        score(model, tmp_path / "none.csv", tmp_path / "out.csv", tmp_path / "rejects.csv")


def test_score_refuses_to_overwrite_its_source(model: Model, source: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="three different files"):
        score(model, source, source, tmp_path / "rejects.csv")


@pytest.mark.parametrize(
    ("sink", "rejects", "message"),
    [
        ("folder.csv", "r.csv", "folder.csv is a folder or a device"),
        ("out.csv", "folder.csv", "folder.csv is a folder or a device"),
        ("out.csv", "model.onnx", "expected one that ends in .csv"),
        (".", "r.csv", "is not a table"),
    ],
)
def test_score_refuses_outputs_that_are_no_files_of_its_own(
    sink: str, rejects: str, message: str, model: Model, source: Path, tmp_path: Path
) -> None:
    (tmp_path / "folder.csv").mkdir()
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(DataError, match=message):
        score(model, source, tmp_path / sink if sink != "." else Path(), tmp_path / rejects)
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_score_refuses_nested_columns_in_csv(model: Model, tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist([ROWS[0] | {"tags": ["x"]}]), tmp_path / "in.parquet")
    with pytest.raises(DataError, match="cannot hold the nested column 'tags'; name an output that ends in .parquet"):
        score(model, tmp_path / "in.parquet", tmp_path / "out.csv")
    assert score(model, tmp_path / "in.parquet", tmp_path / "out.parquet").predicted == 1


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no resource usage of children")
def test_score_of_ten_times_the_rows_takes_no_more_memory(model_path: Path, tmp_path: Path) -> None:
    program = (  # a small process in between: a child's peak begins with what its parent has
        "import resource, subprocess, sys;"
        "subprocess.run([sys.executable, '-m', *sys.argv[1:]], check=True);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    sizes = []
    for rows in (500_000, 5_000_000):
        (tmp_path / "in.csv").write_text("length,count,colour,ready\n" + "1.25,20,red,true\n" * rows)
        command = [sys.executable, "-c", program, PACKAGE, "score", "in.csv", "out.parquet", "--model", str(model_path)]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        sizes.append(int(done.stdout))
    assert sizes[1] < 1.2 * sizes[0]


def test_score_names_a_place_it_cannot_write_to(model: Model, source: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="could not be written"):
        score(model, source, source / "out.csv", tmp_path / "rejects.csv")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on a process's files")
def test_score_on_a_full_disk_leaves_the_old_output(model_path: Path, source: Path, tmp_path: Path) -> None:
    (tmp_path / "out.csv").write_text("old")
    with source.open("a") as file:
        file.writelines("id,1,2,red,true\n" for _ in range(5000))
    program = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000));"
        "from {{ cookiecutter.__package_name }}_predict.cli import main; sys.exit(main())"
    )
    command = [sys.executable, "-c", program, "score", str(source), "out.csv", "--model", str(model_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "could not be written" in done.stderr
    assert "free space" in done.stderr
    assert (tmp_path / "out.csv").read_text() == "old"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals to send")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_score_that_is_killed_leaves_no_output(number: int, model_path: Path, tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("length,count,colour,ready\n" + "1,2,red,true\n" * 2_000_000)
    package = Model.__module__.partition(".")[0]
    command = [sys.executable, "-m", package, "score", "in.csv", "out.csv"]
    process = subprocess.Popen([*command, "--model", str(model_path)], cwd=tmp_path, stderr=subprocess.DEVNULL)
    while not any(path.stat().st_size for path in tmp_path.glob(".out.csv.*")):
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.005)
    process.send_signal(number)
    assert process.wait() != 0
    assert not (tmp_path / "out.csv").exists()
    assert not (tmp_path / "out.rejected.csv").exists()
    if number == signal.SIGTERM:
        assert list(tmp_path.glob(".*.partial")) == []


def test_sensitive_values_are_not_among_the_rejects(make_model: Callable[..., Path], tmp_path: Path) -> None:
    hidden = SCHEMA.replace("maximum: 10,", "maximum: 10, sensitive: true,")
    contract = Contract.model_validate(yaml.safe_load(hidden))
    model = Model.load(make_model(contract=contract.model_dump_json()))
    (tmp_path / "in.csv").write_text("length,count,colour,ready\n2.5,7,green,\n4321,7,green,\n4322,7\n")
    score(model, tmp_path / "in.csv", tmp_path / "out.csv", tmp_path / "rejects.csv")
    assert (tmp_path / "rejects.csv").read_text().splitlines() == [
        '"rejected_from","rejected_row","rejected_because","count","colour","ready"',
        '"in.csv",,"found 2 columns, expected 4",,,',
        '"in.csv",2,"length: found a value that is not shown, expected a number from 0 up to 10 mm","7","green",""',
    ]
