"""The settings of logging, the prediction log and the job queue: `logs`, `prediction_log` and `jobs`."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, PositiveInt, SecretStr, field_validator

from {{ cookiecutter.__package_name }}_predict.settings import Section, Settings

Seconds = Annotated[float, Field(gt=0, le=86_400)]


class Logs(Section):
    """How the service and the worker log: lines of JSON, or text for a terminal."""

    format: Literal["json", "text"]


class PredictionLogSettings(Section):
    """Where and how predictions are stored.

    Attributes:
        url: the database's SQLAlchemy URL; null disables the prediction log.
        queue_rows: the maximum number of predictions waiting to be written; further ones are dropped and counted.
        batch_rows: how many predictions to write in one transaction.
        flush_seconds: how long a prediction waits at most, while the database answers.
        retention_days: the age at which predictions are deleted; null keeps them.
        content: what is kept of a prediction: everything, all but its inputs, or only counts by minute and hour.
        hash_key: secret; with it, sensitive inputs are logged as pseudonyms, and left out without it.
    """

    url: str | None
    queue_rows: PositiveInt
    batch_rows: PositiveInt
    flush_seconds: Seconds
    retention_days: Annotated[float, Field(gt=0, le=36_500)] | None
    content: Literal["inputs", "metadata", "none"]
    hash_key: Annotated[SecretStr, Field(min_length=16)] | None = None

    @field_validator("url")
    @classmethod
    def _is_a_database(cls, url: str | None) -> str | None:
        return url if url is None else _check_scheme(url, ("sqlite", "postgresql"))


class Jobs(Section):
    """How the model is retrained on request.

    Attributes:
        queue: the URL of the queue: a SQLite file or a Redis server.
        command: the program and its arguments, run in the worker's folder; the reason of the request takes the place of
            an argument `{reason}`.
        seconds: the time after which the command is stopped.
    """

    queue: str
    command: Annotated[list[str], Field(min_length=1)]
    seconds: Seconds

    @field_validator("queue")
    @classmethod
    def _is_a_queue(cls, url: str) -> str:
        return _check_scheme(url, ("sqlite", "redis", "rediss"))


class WorkerSettings(Settings):
    """The settings of the worker."""

    logs: Logs
    jobs: Jobs


def _check_scheme(url: str, schemes: tuple[str, ...]) -> str:
    parts = urlsplit(url)
    if parts.scheme not in schemes or (parts.scheme == "sqlite" and (parts.netloc or len(parts.path) < 2)):
        allowed = " or ".join("sqlite:///path" if scheme == "sqlite" else f"{scheme}://…" for scheme in schemes)
        raise ValueError(f"expected an address such as {allowed}")
    _ = parts.port  # raises a ValueError for an invalid port
    return url
