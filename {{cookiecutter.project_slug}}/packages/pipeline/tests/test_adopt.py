"""Adopting a table: everything that says what the data is follows from it, and there is always a way back."""

import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from {{ cookiecutter.__package_name }}_pipeline.adopt import require_commit
from {{ cookiecutter.__package_name }}_pipeline.project import CONFIG, PARAMS, Project
from {{ cookiecutter.__package_name }}_predict.cli import main
from {{ cookiecutter.__package_name }}_predict.errors import ProjectError

from machinery.sandbox import commit, run_in
from machinery.small_recipe import RECIPE

pytestmark = pytest.mark.parametrize("kind", ["regression"])


@pytest.fixture
def committed(project: Project) -> Project:
    """Return a small project that is committed."""
    run_in(Path(), "git", "init", "--quiet")
    run_in(Path(), "git", "config", "user.name", "Test")
    run_in(Path(), "git", "config", "user.email", "test@example.com")
    Path("data/sample").mkdir(parents=True)
    Path("data/sample/table.csv").write_text("a\n1\n")
    CONFIG.write_text("# a comment that stays\n" + CONFIG.read_text())
    commit(Path(), "Start")
    return project


def orders(rows: int = 120) -> pd.DataFrame:
    """Return a table of orders."""
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "order": range(rows),
            "day": [f"{1 + number % 28:02}.05.2024" for number in range(rows)],
            "shop": [f"shop-{number % 30}" for number in range(rows)],
            "late": ["no"] * (rows - 12) + ["yes"] * 12,
            "price": [f"{value:.2f}".replace(".", ",") for value in rng.normal(size=rows)],
        }
    )


def dvc_that(folder: Path, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a dvc first on the path that ends with a code; the pipeline itself has its own tests."""
    program = folder / "dvc"
    program.write_text(f"#!/bin/sh\nexit {code}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")


def test_adopt_needs_a_commit_to_go_back_to(project: Project) -> None:
    assert project.paths
    with pytest.raises(ProjectError, match="there is no commit to go back to"):
        require_commit()


def test_adopt_refuses_changes_that_are_not_committed(committed: Project) -> None:
    committed.paths.contract.write_text("# mine\n")
    with pytest.raises(ProjectError, match="changes that are not committed .*schema.yaml.*commit them first"):
        require_commit()
    assert committed.paths.contract.read_text() == "# mine\n"


def test_adopt_sets_contract_configuration_and_parameters(
    committed: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path.parent / f"{tmp_path.name}-elsewhere"
    folder.mkdir()
    orders().to_csv(folder / "orders.csv", sep=";", index=False)
    dvc_that(folder, 0, monkeypatch)
    committed.paths.metrics.parent.mkdir(exist_ok=True)
    committed.paths.metrics.write_text(
        '{"model": {"r2": 0.5}, "dummy": {"r2": 0}, "main": "r2", "importance": {"shop": {"loss": 0.4, "spread": 0}}}'
    )
    commit(Path(), "Train")
    assert main(["adopt", str(folder / "orders.csv"), "--target", "price", "--time", "day"]) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "open category: 'shop' has 30 different values" in said
    assert "shop (0.4)" in said
    text = CONFIG.read_text()
    config, params = yaml.safe_load(text), yaml.safe_load(PARAMS.read_text())
    assert text.startswith("# a comment that stays\n")
    assert config["paths"]["source"] == "data/source/orders.csv"
    assert (folder / "orders.csv").read_bytes() == Path("data/source/orders.csv").read_bytes()
    assert config["source"] == {
        "files": None,
        "separator": ";",
        "sample": None,
        "decimal": ",",
        "dates": {"day": "%d.%m.%Y"},
    }
    assert params["split"]["by"] == "time"
    assert params["metrics"]["main"] == "r2"
    assert not Path("data/sample").exists()
    adopted = Project.load(RECIPE)
    assert adopted.contract.keys.time == "day"
    assert set(adopted.contract.features) == {"day", "shop", "late"}


def test_adopt_takes_a_table_of_the_project_as_it_is(
    committed: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    orders().to_csv("orders.csv", index=False, sep=";")
    commit(Path(), "Add a table")
    programs = tmp_path.parent / f"{tmp_path.name}-programs"
    programs.mkdir()
    dvc_that(programs, 1, monkeypatch)
    assert main(["adopt", "orders.csv", "--target", "late"]) == 1
    assert "the pipeline stopped, see above; correct schema.yaml" in capsys.readouterr().err
    assert yaml.safe_load(CONFIG.read_text())["paths"]["source"] == "orders.csv"
    params = yaml.safe_load(PARAMS.read_text())
    assert (params["metrics"]["main"], params["split"]["by"]) == ("roc_auc", "share")
    run_in(Path(), "git", "checkout", "--quiet", ".")
    assert Project.load(RECIPE).contract == committed.contract


@pytest.mark.usefixtures("committed")
def test_adopt_of_what_cannot_be_used_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    orders().to_csv(tmp_path.parent / "orders.csv", index=False)
    before = [path.read_text() for path in (CONFIG, PARAMS, Path("schema.yaml"))]
    assert main(["adopt", str(tmp_path.parent / "orders.csv"), "--target", "cost"]) == 1
    assert "has no column 'cost'; expected one of order, day" in capsys.readouterr().err
    assert [path.read_text() for path in (CONFIG, PARAMS, Path("schema.yaml"))] == before
    assert subprocess.run(["git", "status", "--porcelain"], capture_output=True, check=True).stdout == b""


def test_features_are_shown_beside_the_raw_columns(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert project.paths
    assert main(["features", "source.csv", "--rows", "2"]) == 0
    lines = [line.split("│")[1:-1] for line in capsys.readouterr().out.splitlines() if "│" in line]
    shown = {cells[0].strip(): [cell.strip() for cell in cells[1:]] for cells in lines}
    first = pd.read_csv("source.csv").iloc[0]
    assert float(shown["length"][0]) == pytest.approx(first["length"], rel=1e-5)
    assert {"colour=red", "colour=blue", "colour"} <= set(shown)
    assert main(["features"]) == 0
    assert capsys.readouterr().out.startswith("features.py: length, count, colour, ready")


def test_features_without_a_target_are_shown_unless_they_need_it(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    pd.read_csv(project.paths.source).drop(columns="weight").to_csv("rows.csv", index=False)
    assert main(["features", "rows.csv"]) == 0
    schema = project.paths.contract
    schema.write_text(schema.read_text().replace("values: [red, green, blue]", "open: true"))
    assert main(["features", "rows.csv"]) == 1
    assert "rows.csv has no column 'weight', which features that are learned from" in capsys.readouterr().err


def test_features_of_rows_that_all_break_the_contract_are_refused(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert project.paths
    Path("bad.csv").write_text("length,count,colour,ready\n-1,1,red,true\n")
    assert main(["features", "bad.csv"]) == 1
    assert "no row of bad.csv keeps the contract: length: found '-1'" in capsys.readouterr().err
