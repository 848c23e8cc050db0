"""Run a job: start or resume a run, score its chunks, and publish the rows."""

from collections.abc import Mapping
from contextlib import closing
from typing import Protocol

from {{ cookiecutter.__package_name }}_predict.errors import ConfigError, DataError, ModelError
from {{ cookiecutter.__package_name }}_predict.model import Model

from .local_pool import score_locally
from .manifest import Counts, Manifest, State
from .patience import patiently
from .plan import Request, drop_copy, plan
from .ray_tasks import score_on_ray
from .settings import Job
from .stores import Store
from .work import Work, open_store


class Report(Protocol):
    """Receives the progress of a run."""

    def event(self, name: str, **values: object) -> None:
        """Report an event."""

    def start(self, manifest: Manifest, done: int) -> None:
        """Report that a run starts or resumes, and how many of its rows are done."""

    def advance(self, rows: int) -> None:
        """Report further rows that are done."""


def run_job(job: Job, request: Request, report: Report) -> Manifest | None:
    """Complete a run of a job, after any earlier unfinished one.

    Returns:
        The run; None if it had already finished.

    Raises:
        ConfigError: a setting of the job does not fit the source or the model.
        DataError: the source cannot be read, the sink cannot be written, or too many rows are rejected.
        ModelError: the model is not valid.
    """
    with closing(open_store(job)) as store, store.lock(request.name):
        found = store.find(request.run_id)
        if found and found.job != request.name:
            raise ConfigError(f"{request.run_id} is a run of the job {found.job}; choose another --run-id")
        if found and found.state == "finished":
            if found.target != (job.sink.table or job.sink.address):
                raise ConfigError(f"{request.run_id} has finished, into {found.target}; choose another --run-id")
            drop_copy(job.source, found.run_id)  # in case it was killed before
            report.event("already_finished", run=found.run_id, rows=found.counts.scored)
            return None
        for other in [run for run in store.list_runs(request.name) if run.state == "running"]:
            if request.restart:
                report.event("abandoned", run=other.run_id)
                store.fail(other.end("failed", Counts()))
                drop_copy(job.source, other.run_id)
            else:
                report.event("resumed" if other.run_id == request.run_id else "resumed_earlier", run=other.run_id)
                ended = _go_on(job, store, other, report)
                if ended.run_id == request.run_id:
                    return ended
        return _start(job, store, request, report)


def _start(job: Job, store: Store, request: Request, report: Report) -> Manifest:
    try:
        content = request.model.read_bytes()
    except OSError as error:
        raise ModelError(
            f"{request.model} cannot be read ({error.strerror}); train a model or correct the path"
        ) from error
    model = Model.parse(content, request.model, contract=request.contract)
    number = 1 + max((run.number for run in store.list_runs()), default=0)
    try:
        manifest = plan(job, request, model, number)
        store.check(manifest)
        store.begin(manifest, content)
    except BaseException:
        drop_copy(job.source, request.run_id)
        raise
    return _score(job, manifest, store, {}, report)


def _go_on(job: Job, store: Store, manifest: Manifest, report: Report) -> Manifest:
    """Complete a run with the model, the chunks and the settings with which it started."""
    if manifest.source != job.source.shown:
        raise ConfigError(
            f"{manifest.run_id} is unfinished and reads {manifest.source}, but the job now reads {job.source.shown}; "
            "restore the source, or abandon the run with --restart"
        )
    return _score(job, manifest, store, store.list_done(manifest.run_id), report)


def _score(job: Job, manifest: Manifest, store: Store, done: Mapping[int, Counts], report: Report) -> Manifest:
    """Score the chunks that are not done, and publish the rows.

    Raises:
        DataError: too many rows are rejected; then the rejected ones alone are published.
    """
    counts = Counts()
    for found in done.values():
        counts.add(found)
    numbers = [number for number in range(len(manifest.chunks)) if number not in done]
    report.start(manifest, counts.scored + counts.rejected)
    engine = score_locally if job.engine == "local" else score_on_ray
    if numbers and not _is_lost(manifest, counts):
        for found in engine(Work(job, manifest.run_id), numbers):
            counts.add(found)
            report.advance(found.scored + found.rejected)
            if _is_lost(manifest, counts):
                break  # the generator closes the engine
    state: State = "failed" if _is_lost(manifest, counts) or not counts.scored else "finished"
    ended = manifest.end(state, counts)
    _end(store, ended)
    drop_copy(job.source, manifest.run_id)
    if state == "failed":
        raise DataError(_explain(job, ended, manifest.rows))
    if counts.changed:
        report.event("source_changed", run=manifest.run_id, rows=counts.changed)
    return ended


def _is_lost(manifest: Manifest, counts: Counts) -> bool:
    """Return whether a run fails, whatever becomes of the rows that are left."""
    stops = manifest.on_error == "stop" and counts.rejected > 0
    return stops or counts.rejected > manifest.max_rejected * max(manifest.rows, 1)


def _end(store: Store, ended: Manifest) -> None:
    """Publish a run, or its rejected rows alone if it failed; a second time, nothing."""

    def publish() -> None:
        found = store.find(ended.run_id)
        if found and found.state == "running":
            store.publish(ended) if ended.state == "finished" else store.fail(ended)

    patiently(publish, store.close)


def _explain(job: Job, ended: Manifest, rows: int) -> str:
    """Return why a run failed, whose source has this many rows."""
    counts = ended.counts
    total = counts.scored + counts.rejected
    reasons = f"the first: {counts.first}; {job.rejected_place.shown} has the reasons, {job.sink.shown} is unchanged"
    if ended.on_error == "stop":
        return f"a row is rejected, and on_error is stop; {reasons}; correct the rows, then run this again"
    fields = "".join(f"; {name}: {count}" for name, count in sorted(counts.fields.items(), key=lambda item: -item[1]))
    so_far = " so far" if total < rows else ""
    return (
        f"{counts.rejected} of {rows} rows of {ended.source} are rejected{so_far}, "
        f"{counts.rejected / max(rows, 1):.2%}; the share allowed is {ended.max_rejected:.2%}{fields}; {reasons}"
    )
