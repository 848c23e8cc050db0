"""The command `score`: tables in, tables out, a count at the end, one sentence for a refusal."""

import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from {{ cookiecutter.__package_name }}_predict.cli import main


@pytest.fixture(autouse=True)
def config(model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder whose configuration names a model and its contract."""
    (tmp_path / "config").mkdir()
    text = f"paths:\n  model: {model_path.name}\n  schema: schema.yaml\n"
    (tmp_path / "config" / "default.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)


def test_score_writes_tables_and_says_how_many_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in.csv").write_text("length,count,colour,ready\n1,2,red,true\n99,2,red,true\n")
    assert main(["score", "in.csv", "out.parquet"]) == 1
    assert "1 of 2 rows of in.csv are rejected, 50.00%; the share" in " ".join(capsys.readouterr().err.split())
    assert main(["score", "in.csv", "out.parquet", "--max-rejected", "0.5"]) == 0
    assert "1 of 2 rows predicted, 1 rejected" in capsys.readouterr().err
    assert {path.name for path in tmp_path.glob("out.*")} == {"out.parquet", "out.rejected.csv"}


def test_table_that_cannot_be_read_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", "none.csv", "out.csv"]) == 1
    assert "\nerror: none.csv cannot be read" in capsys.readouterr().err


@pytest.fixture
def job(tmp_path: Path) -> None:
    """Have a job in the configuration, and rows at its source."""
    with (tmp_path / "config" / "default.yaml").open("a") as file:
        file.write(
            "score:\n  nightly:\n    source: {address: in.csv}\n    sink: {address: out.parquet}\n    mode: replace\n"
            "    keys: [id]\n    textfile: metrics/score.prom\n"
        )
    (tmp_path / "in.csv").write_text("id,length,count,colour,ready\n1,1,2,red,true\n")


@pytest.mark.usefixtures("job")
def test_job_is_run_once_for_each_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    time = ["--for", "2026-11-24T05:00"]
    assert main(["score-runs", "nightly"]) == 0
    assert "nightly has not run yet; start it with: score nightly" in capsys.readouterr().out
    assert main(["score", "nightly", *time]) == 0
    assert "nightly-2026-11-24T0500Z: 1 of 1 rows predicted, 0 rejected, in" in capsys.readouterr().err
    assert main(["score", "nightly", *time]) == 0
    assert "has already finished, with 1 rows; there is nothing to do" in capsys.readouterr().err
    assert main(["score-runs", "nightly"]) == 0
    assert "finished  1 predicted, 0 rejected" in capsys.readouterr().out
    assert main(["score-rollback", "nightly"]) == 1
    assert "which files do not keep" in capsys.readouterr().err
    text = (tmp_path / "metrics" / "score.prom").read_text()
    assert 'score_success{job_name="nightly"} 1.0' in text
    assert 'score_rows_predicted{job_name="nightly"} 1.0' in text


@pytest.mark.usefixtures("job")
def test_job_that_fails_is_one_sentence_and_a_metric(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in.csv").write_text("id,length,count,colour,ready\n1,99,2,red,true\n")
    assert main(["score", "nightly"]) == 1
    assert "1 of 1 rows of in.csv are rejected, 100.00%" in capsys.readouterr().err
    assert (tmp_path / "out.rejected.csv").exists()
    assert not (tmp_path / "out.parquet").exists()
    assert 'score_success{job_name="nightly"} 0.0' in (tmp_path / "metrics" / "score.prom").read_text()


@pytest.mark.usefixtures("job")
def test_job_writes_lines_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", "nightly", "--run-id", "one", "--log", "json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["event"] for line in lines] == ["started", "progress", "finished"]
    assert (lines[-1]["run"], lines[-1]["predicted"], lines[-1]["sink"]) == ("one", 1, "out.parquet")


@pytest.mark.usefixtures("job")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["score", "weekly"],
            "the configuration has no batch job 'weekly' (section score); the jobs are nightly",
        ),
        (["score", "nightly", "--for", "x", "--run-id", "y"], "found --for and --run-id; expected one of them"),
        (["score", "nightly", "--stage", "staging"], "staging.yaml does not exist"),
        (
            ["score", "nightly", "--max-rejected", "0.5"],
            "found --max-rejected, which is an option of files, not of a job",
        ),
        (["score", "in.csv", "out.csv", "--run-id", "y"], "found --run-id, which is an option of a job, not of files"),
        (["score-rollback", "nightly"], "nightly has no finished run in out.parquet; there is nothing to roll back"),
    ],
)
def test_command_that_cannot_work_is_one_sentence(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 1
    assert message in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on a process's files")
def test_job_on_a_full_disk_is_a_sentence_and_goes_on(tmp_path: Path, model_path: Path) -> None:
    config = tmp_path / "config" / "default.yaml"
    config.write_text(
        f"paths:\n  model: {model_path.name}\n  schema: schema.yaml\n"
        "score:\n  nightly:\n    source: {address: in.csv}\n    sink: {address: 'sqlite:///out.db', table: scored}\n"
        "    mode: append\n    keys: [id]\n    workers: 1\n"
    )
    lines = (f"{number},1,2,red,true\n" for number in range(20_000))
    (tmp_path / "in.csv").write_text("id,length,count,colour,ready\n" + "".join(lines))
    program = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)),) * 2);"
    program += "import {{ cookiecutter.__package_name }}_batch.jobs.chunks as c; c.BYTES = 50_000;"
    program += "from {{ cookiecutter.__package_name }}_predict.cli import main; sys.exit(main())"
    run = partial(subprocess.run, cwd=tmp_path, capture_output=True, text=True, check=False)
    done = run([sys.executable, "-c", program, "700000", "score", "nightly"])
    assert done.returncode == 1
    assert "sqlite:///out.db reported: " in done.stderr
    done = run([sys.executable, "-c", program, "100000000", "score", "nightly"])
    assert "resuming nightly-" in done.stderr
    assert "20,000 of 20,000 rows predicted" in done.stderr
