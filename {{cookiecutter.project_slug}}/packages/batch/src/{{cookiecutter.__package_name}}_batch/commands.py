"""The commands that score tables; their dependencies are imported when they run."""

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    pass

JobName = Annotated[
    str, typer.Argument(metavar="JOB", help="The name of a job in the section score of the configuration.")
]

Stage = Annotated[
    str | None,
    typer.Option(help="The environment whose settings to read, such as production (config/production.yaml)."),
]


def score(
    source: Annotated[
        str,
        typer.Argument(metavar="JOB | SOURCE", help="A job of the configuration; or a table: .csv, .parquet, .jsonl."),
    ],
    sink: Annotated[Path | None, typer.Argument(help="The table to write, if SOURCE is one: .csv or .parquet.")] = None,
    rejects: Annotated[
        Path | None, typer.Option(help="For SOURCE: the file for rejected rows; by default, SINK with .rejects.csv.")
    ] = None,
    on_error: Annotated[
        Literal["reject", "stop"],
        typer.Option(help="For SOURCE: set rejected rows aside, or stop before writing anything."),
    ] = "reject",
    max_rejected: Annotated[
        float,
        typer.Option(min=0, max=1, help="For SOURCE: the share of rejected rows beyond which SINK is not written."),
    ] = 0.05,
    newlines: Annotated[
        bool, typer.Option("--newlines", help="For SOURCE: values in quotes may contain line breaks.")
    ] = False,
    model: Annotated[Path | None, typer.Option("--model", help="The model file; by default, paths.model.")] = None,
    moment: Annotated[
        str | None,
        typer.Option(
            "--for", metavar="TIME", help="For JOB: the scheduled time that names the run; by default, this hour."
        ),
    ] = None,
    run_id: Annotated[str | None, typer.Option(help="For JOB: another name for the run.")] = None,
    stage: Annotated[
        str | None, typer.Option(help="For JOB: the environment whose settings to read, such as production.")
    ] = None,
    restart: Annotated[bool, typer.Option("--restart", help="For JOB: give up a run that is not finished.")] = False,
    log: Annotated[Literal["text", "json"], typer.Option(help="For JOB: a progress bar, or lines of JSON.")] = "text",
) -> None:
    """Predict for each row of a table of any size: for the source of a JOB, or from one file to another.

    The outputs appear complete or not at all. A run of a job that was killed goes on when it is started again; one that
    is finished is not repeated.
    """
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # so that partial files are removed
    if sink is None:
        _score_job(source, model, stage, moment, run_id, log, restart=restart)
    else:
        _score_file(Path(source), sink, rejects, on_error, max_rejected, model, newlines=newlines)


def score_runs(job: JobName, stage: Stage = None) -> None:
    """List the runs of a job, newest first: state, rows, model."""
    from contextlib import closing

    from .jobs.settings import load_job
    from .jobs.work import open_store

    found, _ = load_job(job, environment=stage)
    with closing(open_store(found)) as store:
        runs = store.list_runs(job)
    for run in runs:
        at, rows = f"{run.started_at:%Y-%m-%d %H:%M}", f"{run.counts.scored} predicted, {run.counts.rejected} rejected"
        print(f"{run.run_id}  {at}  {run.state}  {rows}  {run.model_version}")
    if not runs:
        print(f"{job} has not run yet; start it with: score {job}")


def score_rollback(job: JobName, stage: Stage = None) -> None:
    """Take back the last finished run of a job: readers see the result before it."""
    from contextlib import closing

    from {{ cookiecutter.__package_name }}_predict.errors import DataError

    from .jobs.settings import load_job
    from .jobs.work import open_store

    found, _ = load_job(job, environment=stage)
    with closing(open_store(found)) as store, store.lock(job):
        last = next((run for run in store.list_runs(job) if run.state == "finished"), None)
        if last is None:
            raise DataError(f"{job} has no finished run in {found.sink.shown}; there is nothing to take back")
        print(f"{last.run_id} is taken back: {store.undo(last)}")


def _score_file(
    source: Path,
    sink: Path,
    rejects: Path | None,
    on_error: Literal["reject", "stop"],
    max_rejected: float,
    model: Path | None,
    *,
    newlines: bool,
) -> None:
    from rich.console import Console
    from rich.progress import Progress

    from {{ cookiecutter.__package_name }}_predict.commands import load_model

    from .dialect import Dialect
    from .score import score as score_table

    loaded = load_model(model)
    console = Console(stderr=True)
    with Progress(console=console) as progress:
        task = progress.add_task(f"Scoring {source.name}", total=1.0)
        scored = score_table(
            loaded,
            source,
            sink,
            rejects,
            on_error=on_error,
            max_rejected=max_rejected,
            dialect=Dialect(newlines=newlines),
            progress=lambda share: progress.update(task, completed=share),
        )
    total = scored.predicted + scored.rejected
    console.print(f"{scored.predicted} of {total} rows predicted, {scored.rejected} rejected")


def _score_job(
    name: str,
    model: Path | None,
    stage: str | None,
    moment: str | None,
    run_id: str | None,
    log: str,
    *,
    restart: bool,
) -> None:
    import time

    from {{ cookiecutter.__package_name }}_predict.errors import ConfigError

    from .jobs.manifest import name_run
    from .jobs.reports import JsonReport, TerminalReport, write_metrics
    from .jobs.run import Request, run_job
    from .jobs.settings import load_job

    if moment and run_id:
        raise ConfigError("found --for and --run-id; expected one of them")
    job, settings = load_job(name, model, stage)
    paths = settings.paths
    report: TerminalReport | JsonReport = TerminalReport() if log == "text" else JsonReport()
    request = Request(name, run_id or name_run(name, moment), paths.model, paths.load_contract(), restart)
    began = time.monotonic()
    try:
        ended = run_job(job, request, report)
        seconds = time.monotonic() - began
        if ended:
            report.end(ended, job.sink.shown, seconds)
            if job.textfile:
                write_metrics(job.textfile, name, ended, seconds)
    except BaseException:
        if job.textfile:
            write_metrics(job.textfile, name, None, time.monotonic() - began)
        raise
    finally:
        report.stop()
