"""The command `score`: tables in, tables out, a count at the end, one sentence for a refusal."""

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
    assert {path.name for path in tmp_path.glob("out.*")} == {"out.parquet", "out.rejects.csv"}


def test_table_that_cannot_be_read_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", "none.csv", "out.csv"]) == 1
    assert "\nerror: none.csv cannot be read" in capsys.readouterr().err
