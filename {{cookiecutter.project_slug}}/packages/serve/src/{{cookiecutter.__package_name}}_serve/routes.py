"""What else the service answers: the model, its health, its numbers, and requests to train again."""

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
from .security import WithKey, WithToken
from .stats import Stats, summarise

router = APIRouter()
STATS_AT_ONCE = 2  # they read much; requests for predictions need the threads too


class Alive(BaseModel):
    """The process answers."""

    status: str = "alive"


class Ready(BaseModel):
    """The process can predict."""

    status: str = "ready"
    model_version: str


class ModelCard(BaseModel):
    """What is known about the model that is live."""

    version: str
    contract: dict[str, Any] = Field(description="What a row is, and what is predicted.")
    example: dict[str, Any] = Field(description="A row that keeps the contract.")
    lineage: dict[str, Any] = Field(description="What the model was made from.")
    metrics: dict[str, Any] = Field(description="What the evaluation found before the gate let it pass.")


class Retrain(BaseModel):
    """A request to train again."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field("", max_length=200, description="Why; it is kept with the job.")


def find_model(request: Request) -> Model:
    """Return the model that is live, or answer that there is none."""
    served = request.app.state.live.served
    if served is None:
        raise unavailable("there is no model yet that could answer; the log says why", seconds=10)
    model: Model = served.model
    return model


LiveModel = Annotated[Model, Depends(find_model)]


@router.get("/health/live", tags=["health"])
async def live() -> Alive:
    """Say that the process answers; if it does not, restart it."""
    return Alive()


@router.get("/health/ready", tags=["health"])
async def ready(model: LiveModel) -> Ready:
    """Say whether requests for predictions may be sent here."""
    return Ready(model_version=model.version)


@router.get("/model", tags=["model"])
async def describe_model(_: WithKey, model: LiveModel) -> ModelCard:
    """Return the contract, the lineage and the metrics of the model that is live."""
    return ModelCard(
        version=model.version,
        contract=model.contract.model_dump(mode="json", exclude_defaults=True),
        example=model.contract.example(),
        lineage=model.lineage.model_dump(mode="json"),
        metrics=model.metrics,
    )


@router.get("/metrics", tags=["operation"], response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def metrics(request: Request) -> Response:
    """Return what is counted, over all workers, in Prometheus' text format."""
    return Response(request.app.state.metrics.render(), media_type=CONTENT_TYPE_LATEST)


@router.get("/stats", tags=["operation"])
async def stats(
    _: WithKey,
    request: Request,
    model: LiveModel,
    hours: Annotated[float, Query(gt=0, le=24 * 366, description="How far to look back.")] = 24,
    steps: Annotated[int, Query(ge=1, le=500, description="Into how many steps the time is cut.")] = 24,
) -> Stats:
    """Return traffic, latency and what was predicted over time, from the prediction log."""
    state = request.app.state
    if state.log.engine is None:
        raise Problem(HTTPStatus.NOT_FOUND, "this service keeps no prediction log (prediction_log.url)")

    def read_log() -> Stats:
        if not state.stats_slots.acquire(blocking=False):
            raise unavailable("the prediction log is being read by others; try again")
        try:
            return summarise(state.log.engine, hours, steps, model.reference.output)
        finally:
            state.stats_slots.release()

    try:
        return await run_sync(read_log)
    except SQLAlchemyError as error:
        structlog.get_logger().warning("no stats", reason=str(error).partition("\n")[0])
        raise unavailable("the prediction log cannot be read now; try again later", seconds=10) from error


@router.post("/retrain", tags=["retraining"], status_code=HTTPStatus.ACCEPTED)
def retrain(_: WithToken, request: Request, response: Response, body: Retrain | None = None) -> Job:
    """Ask for the model to be trained again; while a request waits in the queue, the answer is the same job."""
    try:
        job: Job = request.app.state.queue.request(request.scope["exchange"].request_id, body.reason if body else "")
    except QueueError as error:
        raise _away(error, request) from error
    response.headers["Location"] = f"/retrain/{job.id}"
    return job


@router.get("/retrain/{job_id}", tags=["retraining"])
def find_job(_: WithToken, request: Request, job_id: str) -> Job:
    """Return what has become of a request to train again."""
    try:
        job: Job | None = request.app.state.queue.find(job_id)
    except QueueError as error:
        raise _away(error, request) from error
    if job is None:
        raise Problem(HTTPStatus.NOT_FOUND, f"there is no job {job_id!r:.80}; expected an id that POST /retrain gave")
    return job


def _away(error: QueueError, request: Request) -> Problem:
    structlog.get_logger().error("queue away", reason=str(error), request_id=request.scope["exchange"].request_id)
    return unavailable("the queue for retraining cannot be reached now; try again later", seconds=10)
