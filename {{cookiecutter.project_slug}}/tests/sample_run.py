"""One run of the pipeline: your source, at most 2,000 of its rows, your parameters, in a temporary copy."""

import shutil
from contextlib import chdir
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from {{ cookiecutter.__package_name }}_batch.readers import SUFFIXES, read_batches
from {{ cookiecutter.__package_name }}_pipeline import evaluate, gate, ingest, split, train, validate
from {{ cookiecutter.__package_name }}_pipeline.project import Project
from {{ cookiecutter.__package_name }}_predict import Model

ROOT = Path(__file__).parents[1]
ROWS = 2000
COPIED = ("config", "packages", "requirements", ".dvcignore", "dvc.yaml", "params.yaml", "schema.yaml")


@dataclass(frozen=True)
class Run:
    """A project in a temporary folder in which all stages have run, and the model that came out."""

    folder: Path
    project: Project
    model: Model


def run_pipeline(folder: Path) -> Run:
    """Run every stage in a folder, which is made.

    Where the source has more rows, the limits on metrics in params.yaml do not apply: they are for a model that was
    trained on all of them.
    """
    folder.mkdir()
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "tests"))
        else:
            shutil.copy(ROOT / name, folder)
    with chdir(folder):
        project = Project.load()
        source = project.paths.source
        if "://" not in source:
            project = replace(project, paths=project.paths.model_copy(update={"source": str(ROOT / source)}))
        ingest.run(project)
        if sample_tables(project):
            limits = project.params.gate.model_copy(update={"minimum": {}, "maximum": {}, "worst_slice": {}})
            project = replace(project, params=project.params.model_copy(update={"gate": limits}))
        folds = project.params.split.model_copy(update={"folds": 2})
        project = replace(project, params=project.params.model_copy(update={"split": folds}))
        for stage in (validate, split, train, evaluate, gate):
            stage.run(project)
        return Run(folder, project, Model.load(project.paths.model))


def sample_tables(project: Project) -> bool:
    """Leave at most this many rows of the raw tables, drawn at random; return whether there were more."""
    folder = project.paths.raw
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    rng, more = np.random.default_rng(0), False
    for path in files:
        with path.open("rb") as file:
            batches = [batch for batch, _ in read_batches(file, path.name, lambda _: None, project.source)]
        table = pa.Table.from_batches(batches) if batches else pa.table({})
        if table.num_rows > ROWS // len(files):
            more = True
            chosen = np.sort(rng.permutation(table.num_rows)[: ROWS // len(files)])
            path.unlink()
            pq.write_table(table.take(chosen), path.with_suffix(".parquet"))
    return more
