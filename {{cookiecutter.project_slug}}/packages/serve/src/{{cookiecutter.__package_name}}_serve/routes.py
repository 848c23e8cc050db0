"""The other routes of the service: model, health, metrics, statistics and retraining."""

from http import HTTPStatus
from typing import Annotated, Any

import structlog
from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Query, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.exc import SQLAlchemyError

from {{ cookiecutter.__package_name }}_predict.model import Model
from {{ cookiecutter.__package_name }}_records.job_queue import Job, QueueError

from .problems import Problem, unavailable
from .security import WithToken
from .stats import Stats, summarise

router = APIRouter()
STATS_AT_ONCE = 2  # each reads a lot, and prediction requests need the threads too


class Alive(BaseModel):
    """The process answers."""

    status: str = "alive"


class Ready(BaseModel):
    """The process can predict."""

    status: str = "ready"
    model_version: str


class ModelCard(BaseModel):
    """What is known about the live model."""

    version: str
    contract: dict[str, Any] = Field(description="The features of a row, and the target.")
    example: dict[str, Any] = Field(description="A row that the contract accepts.")
    lineage: dict[str, Any] = Field(description="What the model was made from.")
    metrics: dict[str, Any] = Field(description="The metrics of the evaluation before the gate.")


class Retrain(BaseModel):
    """A request for retraining."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(
        "", max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$", description="The reason, for the job and the history."
    )


def find_model(request: Request) -> Model:
    """Return the live model, or answer that there is none yet."""
    served = request.app.state.live.served
    if served is None:
        raise unavailable("there is no model to answer with yet; see the log for the reason", seconds=10)
    model: Model = served.model
    return model


LiveModel = Annotated[Model, Depends(find_model)]


@router.get("/health/live", tags=["health"])
async def live() -> Alive:
    """Report that the process answers; if it does not, restart it."""
    return Alive()


@router.get("/health/ready", tags=["health"])
async def ready(request: Request, model: LiveModel) -> Ready:
    """Report whether the service can answer prediction requests, and is not about to stop."""
    if "draining" in request.scope:
        raise unavailable("this instance is stopping; send requests to another one")
    return Ready(model_version=model.version)


@router.get("/model", tags=["model"])
async def describe_model(model: LiveModel) -> ModelCard:
    """Return the contract, the lineage and the metrics of the live model."""
    return ModelCard(
        version=model.version,
        contract=model.contract.model_dump(mode="json", exclude_defaults=True),
        example=model.contract.example(),
        lineage=model.lineage.model_dump(mode="json"),
        metrics=model.metrics,
    )


@router.get("/metrics", tags=["operation"], response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def metrics(request: Request) -> Response:
    """Return the metrics of all workers in Prometheus' text format."""
    return Response(request.app.state.metrics.render(), media_type=CONTENT_TYPE_LATEST)


@router.get("/stats", tags=["operation"])
async def stats(
    request: Request,
    hours: Annotated[float, Query(gt=0, le=24 * 366, description="How many hours to look back.")] = 24,
    steps: Annotated[int, Query(ge=1, le=500, description="How many steps to divide the time into.")] = 24,
) -> Stats:
    """Return traffic, latency and predictions over time, from the prediction log."""
    state = request.app.state
    if state.log.engine is None:
        raise Problem(HTTPStatus.NOT_FOUND, "this service keeps no prediction log (prediction_log.url)")

    def read_log() -> Stats:
        if not state.stats_slots.acquire(blocking=False):
            raise unavailable("the prediction log is being read by others; try again")
        try:
            return summarise(state.log.engine, hours, steps)
        finally:
            state.stats_slots.release()

    try:
        return await run_sync(read_log)
    except SQLAlchemyError as error:
        structlog.get_logger().warning("no stats", reason=str(error).partition("\n")[0])
        raise unavailable("the prediction log cannot be read now; try again later", seconds=10) from error


@router.post("/retrain", tags=["retraining"], status_code=HTTPStatus.ACCEPTED)
def retrain(
    request: Request, response: Response, body: Retrain | None = None
) -> Job:  # the middleware asks for the token
    """Request retraining; while a job waits in the queue, further requests return the same job."""
    try:
        job: Job = request.app.state.queue.request(request.scope["exchange"].request_id, body.reason if body else "")
    except QueueError as error:
        raise _report_unreachable(error, request) from error
    response.headers["Location"] = f"/retrain/{job.id}"
    return job


@router.get("/retrain/{job_id}", tags=["retraining"])
def find_job(_: WithToken, request: Request, job_id: str) -> Job:
    """Return the state of a retraining job."""
    try:
        job: Job | None = request.app.state.queue.find(job_id)
    except QueueError as error:
        raise _report_unreachable(error, request) from error
    if job is None:
        raise Problem(HTTPStatus.NOT_FOUND, f"there is no job {job_id!r:.80}; expected an id from POST /retrain")
    return job


def _report_unreachable(error: QueueError, request: Request) -> Problem:
    structlog.get_logger().error(
        "queue unreachable", reason=str(error), request_id=request.scope["exchange"].request_id
    )
    return unavailable("the queue for retraining cannot be reached now; try again later", seconds=10)
