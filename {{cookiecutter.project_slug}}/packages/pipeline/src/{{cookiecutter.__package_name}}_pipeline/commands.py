"""The commands of the pipeline: run a stage, draft a contract, and compare or measure models for operation."""

import json
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Annotated, Literal

import typer

from {{ cookiecutter.__package_name }}_predict.errors import DataError

TUNING = "sqlite:///var/tuning.db"
Stage = Literal["ingest", "validate", "split", "train", "evaluate", "gate"]
Confidence = Annotated[float, typer.Option(min=0.5, max=0.9999, help="The confidence level of the interval.")]
Resamples = Annotated[int, typer.Option(min=100, help="The number of bootstrap resamples.")]


Table = Annotated[Path, typer.Argument(help="A table: .csv or .parquet.")]
Target = Annotated[str, typer.Option(help="The column to predict.")]
ProblemOption = Annotated[
    Literal["classification", "regression"] | None,
    typer.Option(help="Whether the target is a class or a number; by default, its values decide."),
]
TimeOption = Annotated[
    str | None,
    typer.Option(
        help="The column with the time of each row; adopt holds the newest rows out, unless --group is given."
    ),
]
GroupOption = Annotated[str | None, typer.Option(help="The column of what rows have in common, such as a customer.")]


def stage(name: Annotated[Stage, typer.Argument(help="The stage to run.")]) -> None:
    """Run one stage of the pipeline; `dvc repro` runs all stages that have changed."""
    # imported late: each stage runs in its own process, which should load only the libraries it uses
    from .project import Project

    import_module(f".{name}", __package__).run(Project.load())


def draft_contract(
    source: Table,
    target: Target,
    problem: ProblemOption = None,
    time: TimeOption = None,
    group: GroupOption = None,
    out: Annotated[Path | None, typer.Option(help="The file to write; by default, standard output.")] = None,
) -> None:
    """Draft a contract (schema.yaml) from a table, for you to review."""
    from {{ cookiecutter.__package_name }}_predict.atomic import whole_file

    from .draft_contract import draft_contract as draft

    if out is not None and out.resolve() == source.resolve():
        raise DataError(f"{out} is the table itself; choose another file for the draft")
    text = str(draft(source, target, problem, time, group))
    if out is None:
        print(text, end="")
        return
    with whole_file(out) as file:
        file.write(text.encode())


def adopt(
    source: Table, target: Target, problem: ProblemOption = None, time: TimeOption = None, group: GroupOption = None
) -> None:
    """Take a table of your own: draft the contract, set parameters, remove the sample, train, and show the results."""
    from rich.console import Console

    from .adopt import Choices
    from .adopt import adopt as run

    run(source, Choices(target, problem, time, group), Console(stderr=True))


def features(
    table: Annotated[
        Path | None, typer.Argument(help="A table: .csv or .parquet; without one, features.py is checked.")
    ] = None,
    rows: Annotated[int, typer.Option(min=1, help="How many of the first rows to show.")] = 5,
) -> None:
    """Show what features.py makes of the first rows of a table; without a table, check that a model can carry it."""
    from rich.console import Console

    from .project import Project
    from .show_features import check_features, show_features

    project = Project.load()
    if table is None:
        print(f"features.py: {', '.join(check_features(project))}")
    else:
        Console().print(show_features(project, table, rows))


def tune(
    trials: Annotated[
        int | None, typer.Option(min=1, help="How many sets of parameters to try; by default, 50.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0, help="Stop after this many minutes; by default, no limit.")
    ] = None,
    write: Annotated[bool, typer.Option("--write", help="Write the best parameters into params.yaml.")] = False,
    storage: Annotated[str, typer.Option(help="The database of the studies; SQLite or PostgreSQL.")] = TUNING,
) -> None:
    """Tune the parameters under tune in params.yaml with Optuna; an interrupted search is resumed."""
    from .project import Project
    from .tune import PLOT, Budget, write_parameters
    from .tune import tune as run

    budget = Budget(50 if trials is None and minutes is None else trials, minutes)
    found = run(Project.load(), budget, storage)
    print(
        f"{found.metric} {found.best:.6g} in cross-validation, {found.before:.6g} before; {found.trials} trials, {PLOT}"
    )
    for name, value in found.parameters.items():
        print(f"  {name}: {value}")
    if write:
        write_parameters(found.parameters)
        print("written into params.yaml; run dvc repro")
    else:
        print("run tune again to continue; with --write, it also writes the best parameters into params.yaml")


def compare(
    new: Annotated[Path, typer.Argument(help="A model file.")],
    old: Annotated[Path, typer.Argument(help="The model file to compare it with.")],
    holdout: Annotated[Path, typer.Argument(help="A Parquet table of rows with their targets.")],
    margin: Annotated[float, typer.Option(min=0, help="How much worse the new model's main metric may be.")] = 0.05,
    confidence: Confidence = 0.95,
    resamples: Resamples = 9999,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare two models on the same rows, by a paired bootstrap of the main metric; `promote` calls this."""
    from {{ cookiecutter.__package_name }}_predict.model import Model

    from .compare import Bootstrap
    from .compare import compare as run
    from .dataset import read_table
    from .project import Project

    models, table = (Model.load(new), Model.load(old)), read_table(holdout)
    found = run(*models, table, Project.load().metrics, margin, Bootstrap(confidence, resamples))
    facts = {**asdict(found), "passed": found.passed, "text": str(found)}
    typer.echo(json.dumps(facts) if as_json else found)


def measure(
    contract: Annotated[Path, typer.Argument(help="The contract of the model that made the outputs.")],
    outputs: Annotated[Path, typer.Argument(help="A Parquet table: target, output_0, output_1, …")],
    decision: Annotated[str, typer.Option(help="The model's decision threshold or interval, as JSON.")] = "{}",
    confidence: Confidence = 0.95,
    resamples: Resamples = 9999,
) -> None:
    """Measure model outputs for known targets, and print JSON; `outcomes` calls this."""
    from {{ cookiecutter.__package_name }}_predict.artefact import Decision
    from {{ cookiecutter.__package_name }}_predict.contract import load_contract

    from .compare import Bootstrap, measure_outcomes
    from .dataset import read_table
    from .metrics import find_metrics
    from .project import Project

    table, known, project = read_table(outputs), load_contract(contract), Project.load()
    metrics = find_metrics(project.recipe.metrics, project.params.metrics, known)
    found = measure_outcomes(
        table, known, Decision.model_validate_json(decision), metrics, Bootstrap(confidence, resamples)
    )
    typer.echo(json.dumps(found, indent=2))
