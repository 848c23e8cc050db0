"""The settings of the service: the `service` section of the configuration, and its secrets."""

import ipaddress
import os
import re
from typing import Annotated, ClassVar

from pydantic import Field, IPvAnyNetwork, PositiveInt, SecretStr, ValidationInfo, field_validator

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


class Limits(Section):
    """The limits on requests, for each worker.

    Attributes:
        body_bytes: the maximum size of a request's body.
        rows: the maximum number of instances in one request.
        seconds: the time limit for a request's head, and again from there to its response.
        requests: the maximum number of requests that are answered at the same time, once their bodies are complete.
        uploads: the maximum number of bodies that are still arriving; if there are more, the client with the most gives
            up its oldest.
        connections: the maximum number of connections; if there are more, those that have waited longest are closed.
    """

    body_bytes: PositiveInt
    rows: PositiveInt
    seconds: Seconds
    requests: PositiveInt
    uploads: PositiveInt
    connections: PositiveInt


class Service(Section):
    """The `service` section.

    Attributes:
        host: the address to listen on.
        port: the port; 0 picks a free one.
        workers: how many processes answer requests; each loads the model.
        reload_seconds: how often a worker checks whether the model's file has changed.
        drain_seconds: how long to go on after a signal, while readiness fails and answers end their connections.
        stop_seconds: how long requests in flight may take to finish when the service is stopped after that.
        docs: whether to serve a documentation page at /docs.
        open: whether to answer everybody: without API keys, a service outside development starts only with this.
        cors_origins: the sites whose pages may call the service from a browser.
        trusted_proxies: the addresses or networks of proxies whose header X-Forwarded-For tells who the client is.
        limits: the limits on requests.
        api_keys: secret; if there are any, every request needs one, except for health and retraining.
        retrain_token: secret; retraining requests need it, and are refused without one.
    """

    host: str
    port: Annotated[int, Field(ge=0, le=65535)]
    workers: PositiveInt
    reload_seconds: Seconds
    drain_seconds: Annotated[float, Field(ge=0, le=3600)]
    stop_seconds: PositiveInt
    docs: bool
    open: bool
    cors_origins: list[str]
    trusted_proxies: list[IPvAnyNetwork]
    limits: Limits
    api_keys: tuple[SecretStr, ...] = ()
    retrain_token: SecretStr | None = None

    @field_validator("api_keys", "retrain_token")
    @classmethod
    def _is_not_empty(cls, value: SecretStr | tuple[SecretStr, ...] | None, info: ValidationInfo) -> object:
        secrets = value if isinstance(value, tuple) else (value,)
        if not all(re.fullmatch("[!-~]+", secret.get_secret_value()) for secret in secrets if secret is not None):
            raise ValueError(f"{info.field_name} has an empty secret, or one with white space or non-ASCII characters")
        return value


class ServiceSettings(Settings):
    """All settings of the service."""

    secrets: ClassVar = ("api_keys", "retrain_token", "hash_key")
    service: Service
    logs: Logs
    prediction_log: PredictionLogSettings
    jobs: Jobs

    def require_protection(self) -> None:
        """Reject a service that answers everybody, unless it is configured to, or for development.

        Raises:
            ConfigError: there is no API key.
        """
        if not (self.service.api_keys or self.service.open or self.is_development):
            raise ConfigError(
                f"the service at {self.service.host} would answer everybody who reaches it: there is no API key; set "
                f'{variable("service.api_keys")} to a list such as ["…"], or write a file of that name in {SECRETS}; '
                "or set service.open to true"
            )

    def with_token(self, token: str) -> "ServiceSettings":
        """Return the same settings with a token for retraining."""
        service = self.service.model_copy(update={"retrain_token": SecretStr(token)})
        return self.model_copy(update={"service": service})

    @property
    def is_development(self) -> bool:
        """Whether the service listens on a loopback address, and no environment is named."""
        try:
            loopback = ipaddress.ip_address(self.service.host).is_loopback
        except ValueError:
            loopback = self.service.host == "localhost"
        return loopback and not os.environ.get(f"{PREFIX}ENV")
