"""Stage 4: cross-validate the team's recipe, fit it to all training rows, and export it as an ONNX file."""

from dataclasses import replace
from functools import partial

import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.progress import Progress

from {{ cookiecutter.__package_name }}_predict.atomic import whole_file
from {{ cookiecutter.__package_name }}_predict.errors import DataError

from .cross_validation import calibrate, decide_answers, predict_folds, summarise
from .dataset import Dataset, load_dataset, read_table
from .export import export
from .learner import Learner
from .lineage import read_lineage
from .project import Project


def run(project: Project) -> None:
    """Write the candidate, its cross-validated metrics, and the estimator's own outputs for the skew check."""
    paths, params = project.paths, project.params
    rows = load_dataset(read_table(paths.train), project.contract)
    require_classes(rows)
    learner = Learner.of(project)
    folds = project.recipe.folds(rows, params.split, params.seed)
    with Progress(console=Console(stderr=True)) as bar:
        advance = partial(bar.advance, bar.add_task("Cross-validating", total=len(folds)))
        made = predict_folds(rows, folds, learner, advance)
    calibration, made = calibrate(rows, made) if params.metrics.calibrate else (None, made)
    decision = decide_answers(rows, made, params.metrics)
    validation = summarise(rows, made, project.metrics, decision)
    fitted = replace(learner.fit(rows), calibration=calibration)
    model, outputs = export(fitted, decision, rows, read_lineage(params))
    with whole_file(paths.cross_validation) as file:
        file.write(validation.model_dump_json(indent=2).encode() + b"\n")
    with whole_file(paths.candidate) as file:
        file.write(model)
    with whole_file(paths.reference) as file:
        pq.write_table(pa.table({f"output_{index}": column for index, column in enumerate(outputs.T)}), file)


def require_classes(rows: Dataset) -> None:
    """Refuse training rows that a model cannot learn from.

    Raises:
        DataError: a class of the contract does not occur, so the model could never predict it, or all rows have the
            same target.
    """
    contract, present = rows.contract, set(rows.target.tolist())
    if absent := [name for index, name in enumerate(contract.classes) if index not in present]:
        raise DataError(
            f"no training row has the {contract.target_name} {', '.join(absent)}; "
            "supply such rows or remove the value from schema.yaml"
        )
    if len(present) < 2:
        raise DataError(
            f"all {len(rows)} training rows have the same {contract.target_name}, {rows.target[0]:g}; there is nothing "
            "to learn: supply rows with other values, or name another target"
        )
