"""The commands that score tables; their dependencies are imported when they run."""

import signal
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

JobName = Annotated[
    str, typer.Argument(metavar="JOB", help="The name of a job in the section score of the configuration.")
]

Stage = Annotated[
    str | None,
    typer.Option(help="The stage whose settings to read, such as production (config/production.yaml)."),
]


def score(
    source: Annotated[
        str,
        typer.Argument(
            metavar="JOB | SOURCE", help="A batch job of the configuration; or a .csv, .parquet or .jsonl file."
        ),
    ],
    sink: Annotated[Path | None, typer.Argument(help="The file to write, if SOURCE is a file.")] = None,
    rejected: Annotated[
        Path | None, typer.Option(help="Of files: the file for rejected rows; by default, SINK with .rejected.csv.")
    ] = None,
    on_error: Annotated[
        Literal["reject", "stop"] | None,
        typer.Option(help="Of files: set rejected rows aside (default), or stop before writing anything."),
    ] = None,
    max_rejected: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Of files: the share of rejected rows above which SINK is not written (0.05)."),
    ] = None,
    newlines: Annotated[
        bool, typer.Option("--newlines", help="Of files: values in quotes may contain line breaks.")
    ] = False,
    model: Annotated[Path | None, typer.Option("--model", help="The model file; by default, paths.model.")] = None,
    moment: Annotated[
        str | None,
        typer.Option(
            "--for",
            metavar="TIME",
            help="Of a job: the scheduled time, in UTC, that names the run; by default, this hour.",
        ),
    ] = None,
    run_id: Annotated[str | None, typer.Option(help="Of a job: another name for the run.")] = None,
    stage: Annotated[
        str | None, typer.Option(help="Of a job: the stage whose settings to read (config/STAGE.yaml).")
    ] = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Of a job: abandon unfinished runs, and start anew.")
    ] = False,
    log: Annotated[
        Literal["text", "json"], typer.Option(help="Of a job: show a progress bar, or write lines of JSON.")
    ] = "text",
) -> None:
    """Predict for each row of a table of any size: run a JOB of the configuration, or score a file into another.

    Outputs appear complete or not at all. A killed run of a job resumes when it is started again; a finished run is not
    repeated.
    """
    from {{ cookiecutter.__package_name }}_predict.errors import ConfigError

    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # so that partial files are removed
    of_files = {"--rejected": rejected, "--on-error": on_error, "--max-rejected": max_rejected, "--newlines": newlines}
    of_jobs = {"--for": moment, "--run-id": run_id, "--stage": stage, "--restart": restart, "--log": log != "text"}
    if unfit := [name for name, value in (of_jobs if sink else of_files).items() if value not in (None, False)]:
        what = "a job, not of files" if sink else "files, not of a job, which has its own in the section score"
        raise ConfigError(f"found {unfit[0]}, which is an option of {what}; leave it out")
    if sink:
        share = 0.05 if max_rejected is None else max_rejected
        _score_file(Path(source), sink, rejected, on_error or "reject", share, model, newlines=newlines)
    else:
        _score_job(source, model, stage, moment, run_id, log, restart=restart)


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
    """Roll back the last finished run of a job (append, or replace in a database)."""
    from contextlib import closing

    from {{ cookiecutter.__package_name }}_predict.errors import DataError

    from .jobs.settings import load_job
    from .jobs.work import open_store

    found, _ = load_job(job, environment=stage)
    with closing(open_store(found)) as store, store.lock(job):
        last = next((run for run in store.list_runs(job) if run.state == "finished"), None)
        if last is None:
            raise DataError(f"{job} has no finished run in {found.sink.shown}; there is nothing to roll back")
        print(f"{last.run_id} was rolled back: {store.undo(last)}")


def _score_file(
    source: Path,
    sink: Path,
    rejected: Path | None,
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
            rejected,
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

    from .jobs.manifest import check_run_id, name_run
    from .jobs.plan import Request
    from .jobs.reports import JsonReport, TerminalReport, write_metrics
    from .jobs.run import run_job
    from .jobs.settings import load_job

    if moment and run_id:
        raise ConfigError("found --for and --run-id; expected one of them")
    job, settings = load_job(name, model, stage)
    paths = settings.paths
    report: TerminalReport | JsonReport = TerminalReport() if log == "text" else JsonReport()
    request = Request(name, check_run_id(run_id or name_run(name, moment)), paths.model, paths.load_contract(), restart)
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
