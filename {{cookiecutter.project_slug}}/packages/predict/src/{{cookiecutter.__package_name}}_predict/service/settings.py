"""The settings of the service: its section of the configuration, and its secrets."""

import ipaddress
import os
import re
from typing import Annotated, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveInt,
    SecretStr,
    ValidationInfo,
    field_validator,
)

from ..errors import ConfigError
from ..settings import PREFIX, SECRETS, Settings, variable

DEFAULT_TOKEN = "development"  # noqa: S105  # refused everywhere else
Seconds = Annotated[float, Field(gt=0, le=86_400)]


class Section(BaseModel):
    """Base of the sections: unknown keys are refused, nothing changes afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Limits(Section):
    """What requests may cost, for each worker.

    Attributes:
        body_bytes: the size of a request's body.
        rows: the instances in one request.
        seconds: the time that a request's head may take, and the time from there to its answer.
        requests: the requests that are answered at the same time.
    """

    body_bytes: PositiveInt
    rows: PositiveInt
    seconds: Seconds
    requests: PositiveInt


class PredictionLogSettings(Section):
    """Where predictions are kept, and how they get there.

    Attributes:
        url: of the database, for SQLAlchemy; null keeps no log.
        queue_rows: the predictions that wait to be written; when there are more, they are dropped and counted.
        batch_rows: the predictions that one transaction writes.
        flush_seconds: the longest that a prediction waits, while the database answers.
        retention_days: the age at which predictions are deleted; null keeps them.
    """

    url: str | None
    queue_rows: PositiveInt
    batch_rows: PositiveInt
    flush_seconds: Seconds
    retention_days: Annotated[float, Field(gt=0, le=36_500)] | None

    @field_validator("url")
    @classmethod
    def _is_a_database(cls, url: str | None) -> str | None:
        return url if url is None else _check_scheme(url, ("sqlite", "postgresql"))


class Retraining(Section):
    """How the model is trained again on request.

    Attributes:
        queue: the address of the queue: a SQLite file or a Redis server.
        command: the program and its arguments, run in the worker's folder.
        seconds: the time after which it is stopped.
    """

    queue: str
    command: Annotated[list[str], Field(min_length=1)]
    seconds: Seconds

    @field_validator("queue")
    @classmethod
    def _is_a_queue(cls, url: str) -> str:
        return _check_scheme(url, ("sqlite", "redis", "rediss"))


class Service(Section):
    """What the service is told from outside.

    Attributes:
        host: the address to listen at.
        port: the port; 0 takes a free one.
        workers: how many processes answer; each holds the model.
        reload_seconds: how often a worker looks whether the model's file has changed.
        stop_seconds: how long requests in flight may take to finish when the service is stopped.
        logs: lines of JSON, or text for a terminal.
        docs: whether there is a page that documents the service, at /docs.
        cors_origins: the sites whose pages may call the service from a browser.
        limits: what requests may cost.
        prediction_log: where predictions are kept.
        retraining: how the model is trained again on request.
        api_keys: secret; where there are any, requests for predictions and knowledge need one.
        retrain_token: secret; requests to train again need it.
    """

    host: str
    port: Annotated[int, Field(ge=0, le=65535)]
    workers: PositiveInt
    reload_seconds: Seconds
    stop_seconds: PositiveInt
    logs: Literal["json", "text"]
    docs: bool
    cors_origins: list[str]
    limits: Limits
    prediction_log: PredictionLogSettings
    retraining: Retraining
    api_keys: list[SecretStr] = []
    retrain_token: SecretStr = SecretStr(DEFAULT_TOKEN)

    @field_validator("api_keys", "retrain_token")
    @classmethod
    def _is_not_empty(cls, value: SecretStr | list[SecretStr], info: ValidationInfo) -> SecretStr | list[SecretStr]:
        secrets = value if isinstance(value, list) else [value]
        if not all(re.fullmatch("[!-~]+", secret.get_secret_value()) for secret in secrets):
            raise ValueError(f"{info.field_name} holds an empty secret, or one with white space or beyond ASCII")
        return value


class ServiceSettings(Settings):
    """The settings that the service and its worker share."""

    secrets: ClassVar = ("api_keys", "retrain_token")
    service: Service

    def refuse_default_secret(self) -> None:
        """Let nobody serve with the token that everybody knows, but for development at a loopback address.

        Raises:
            ConfigError: it is so.
        """
        if self.service.retrain_token.get_secret_value() == DEFAULT_TOKEN and not self._is_development:
            raise ConfigError(
                f"service.retrain_token has its default value, which is for development at a loopback address alone; "
                f"set {variable('service.retrain_token')}, or write a file of that name in {SECRETS}"
            )

    @property
    def _is_development(self) -> bool:
        try:
            loopback = ipaddress.ip_address(self.service.host).is_loopback
        except ValueError:
            loopback = self.service.host == "localhost"
        return loopback and not os.environ.get(f"{PREFIX}ENV")


def _check_scheme(url: str, schemes: tuple[str, ...]) -> str:
    parts = urlsplit(url)
    if parts.scheme not in schemes or (parts.scheme == "sqlite" and (parts.netloc or len(parts.path) < 2)):
        allowed = " or ".join("sqlite:///path" if scheme == "sqlite" else f"{scheme}://…" for scheme in schemes)
        raise ValueError(f"expected an address such as {allowed}")
    _ = parts.port  # a ValueError, if it is none
    return url
