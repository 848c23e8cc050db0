"""What each of your modules promises to the pipeline."""

import ast
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

from {{ cookiecutter.__package_name }}_pipeline.dataset import load_dataset, read_table
from {{ cookiecutter.__package_name }}_pipeline.features import FeatureMaker
from {{ cookiecutter.__package_name }}_pipeline.metrics import Answers, measure
from {{ cookiecutter.__package_name }}_pipeline.project import Project
from {{ cookiecutter.__package_name }}_predict import Contract
from {{ cookiecutter.__package_name }}_train import recipe

from tests.sample_run import ROOT, Run

RECIPE = recipe.RECIPE
FOLDER = Path(recipe.__file__).parent


def test_source_writes_tables(run: Run, project: Project) -> None:
    assert list((run.folder / project.paths.raw).iterdir())


def test_split_is_repeatable_and_leaves_rows_to_train_on(run: Run, project: Project, contract: Contract) -> None:
    rows = load_dataset(read_table(run.folder / project.paths.clean), contract)
    how, seed = project.params.split, project.params.seed
    holdout = RECIPE.split(rows, how, seed)
    assert 0 < len(set(holdout.tolist())) == len(holdout) < len(rows)
    np.testing.assert_array_equal(RECIPE.split(rows, how, seed), holdout)


def test_folds_measure_on_other_rows_than_they_fit_on(run: Run, project: Project, contract: Contract) -> None:
    rows = load_dataset(read_table(run.folder / project.paths.train), contract)
    folds = RECIPE.folds(rows, project.params.split, project.params.seed)
    assert folds
    for fitted, measured in folds:
        assert len(measured)
        assert not np.intersect1d(fitted, measured).size


def test_features_vary(run: Run, project: Project, contract: Contract) -> None:
    rows = load_dataset(pq.read_table(run.folder / project.paths.train), contract)
    made = FeatureMaker(contract, RECIPE.features, RECIPE.fit).learn(rows)
    matrix = made.compute(rows.encode(made.encoder))
    constant = [name for name, column in zip(made.names, matrix.T, strict=True) if len(np.unique(column)) < 2]
    assert len(constant) < len(made.names), f"no feature differs between rows: {constant}"


def test_metrics_are_numbers(run: Run, project: Project, contract: Contract) -> None:
    rows = load_dataset(pq.read_table(run.folder / project.paths.holdout), contract)
    outputs = run.model.run(rows.encode(run.model.encoder)).astype(np.float64)
    found = measure(Answers(contract, rows.target, outputs, run.model.decision, rows), project.metrics)
    assert set(found) == {project.params.metrics.main, *project.params.metrics.also}


@pytest.mark.parametrize("stage", ["ingest", "split", "train", "evaluate", "gate"])
def test_stage_declares_your_modules_that_it_uses(stage: str) -> None:
    declared = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"][stage]["deps"]
    mine = {ROOT / path for path in declared if (ROOT / path).parent == FOLDER}
    assert mine
    imported = {found for path in mine if path.name != "recipe.py" for found in find_imports(path)}
    missing = sorted(path.relative_to(ROOT).as_posix() for path in imported - mine)
    assert missing == [], f"add these to the deps of the stage {stage} in dvc.yaml"


def find_imports(path: Path) -> set[Path]:
    """Return the modules beside a module that it imports, directly or through others."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == 1:
            names |= {node.module} if node.module else {alias.name for alias in node.names}
    found = {path.with_name(f"{name}.py") for name in names if name}
    return found | {further for module in found if module.exists() for further in find_imports(module)}
