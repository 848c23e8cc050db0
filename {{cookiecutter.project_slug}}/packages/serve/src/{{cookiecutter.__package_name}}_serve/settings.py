"""The settings of the service: the `service` section of the configuration, and its secrets."""

import ipaddress
import os
import re
from typing import Annotated, ClassVar

from pydantic import Field, PositiveInt, SecretStr, ValidationInfo, field_validator

from {{ cookiecutter.__package_name }}_predict.errors import ConfigError
from {{ cookiecutter.__package_name }}_predict.settings import (
    PREFIX,
    SECRETS,
    Section,
    Settings,
    variable,
)
from {{ cookiecutter.__package_name }}_records.settings import (
    Jobs,
    Logs,
    PredictionLogSettings,
    Seconds,
)

DEFAULT_TOKEN = "development"  # noqa: S105  # rejected outside development


class Limits(Section):
    """The limits on requests, for each worker.

    Attributes:
        body_bytes: the maximum size of a request's body.
        rows: the maximum number of instances in one request.
        seconds: the time limit for a request's head, and again from there to its response.
        requests: the maximum number of requests that are answered at the same time.
    """

    body_bytes: PositiveInt
    rows: PositiveInt
    seconds: Seconds
    requests: PositiveInt


class Service(Section):
    """The `service` section.

    Attributes:
        host: the address to listen on.
        port: the port; 0 picks a free one.
        workers: how many processes answer requests; each loads the model.
        reload_seconds: how often a worker checks whether the model's file has changed.
        stop_seconds: how long requests in flight may take to finish when the service is stopped.
        docs: whether to serve a documentation page at /docs.
        cors_origins: the sites whose pages may call the service from a browser.
        limits: the limits on requests.
        api_keys: secret; if there are any, requests for predictions, the model and statistics need one.
        retrain_token: secret; retraining requests need it.
    """

    host: str
    port: Annotated[int, Field(ge=0, le=65535)]
    workers: PositiveInt
    reload_seconds: Seconds
    stop_seconds: PositiveInt
    docs: bool
    cors_origins: list[str]
    limits: Limits
    api_keys: tuple[SecretStr, ...] = ()
    retrain_token: SecretStr = SecretStr(DEFAULT_TOKEN)

    @field_validator("api_keys", "retrain_token")
    @classmethod
    def _is_not_empty(cls, value: SecretStr | tuple[SecretStr, ...], info: ValidationInfo) -> object:
        secrets = value if isinstance(value, tuple) else (value,)
        if not all(re.fullmatch("[!-~]+", secret.get_secret_value()) for secret in secrets):
            raise ValueError(f"{info.field_name} has an empty secret, or one with white space or non-ASCII characters")
        return value


class ServiceSettings(Settings):
    """All settings of the service."""

    secrets: ClassVar = ("api_keys", "retrain_token")
    service: Service
    logs: Logs
    prediction_log: PredictionLogSettings
    jobs: Jobs

    def refuse_default_secret(self) -> None:
        """Reject the publicly known default token, except for development at a loopback address.

        Raises:
            ConfigError: the token has its default value.
        """
        if self.service.retrain_token.get_secret_value() == DEFAULT_TOKEN and not self._is_development:
            raise ConfigError(
                f"service.retrain_token has its default value, which is only for development at a loopback address; "
                f"set {variable('service.retrain_token')}, or write a file of that name in {SECRETS}"
            )

    @property
    def _is_development(self) -> bool:
        try:
            loopback = ipaddress.ip_address(self.service.host).is_loopback
        except ValueError:
            loopback = self.service.host == "localhost"
        return loopback and not os.environ.get(f"{PREFIX}ENV")
