"""Access control: API keys for predictions, and a token for retraining."""

import hmac
from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Request
from pydantic import SecretStr

from .problems import Problem

KEY_HEADER = "X-API-Key"


def check_key(given: str | None, keys: Sequence[SecretStr]) -> None:
    """Reject a request without a valid API key, if any keys are configured.

    Raises:
        Problem: 401 without a key, 403 with an unknown key.
    """
    if not keys:
        return
    if given is None:
        headers = {"WWW-Authenticate": "ApiKey"}
        raise Problem(HTTPStatus.UNAUTHORIZED, f"found no API key, expected one in the header {KEY_HEADER}", headers)
    if not _is_one_of(given, keys):
        raise Problem(HTTPStatus.FORBIDDEN, f"the key in the header {KEY_HEADER} is not one of this service's")


def check_token(authorization: str, token: SecretStr) -> None:
    """Reject a request whose header Authorization does not bear the token.

    Raises:
        Problem: 401 without a token, 403 with a wrong token.
    """
    scheme, _, given = authorization.partition(" ")
    headers = {"WWW-Authenticate": "Bearer"}
    if scheme.lower() != "bearer" or not given:
        raise Problem(HTTPStatus.UNAUTHORIZED, "found no token, expected the header Authorization: Bearer …", headers)
    if not _is_one_of(given.strip(), [token]):
        raise Problem(HTTPStatus.FORBIDDEN, "the token in the header Authorization is not this service's", headers)


def _is_one_of(given: str, secrets: Sequence[SecretStr]) -> bool:
    """Return whether a value is one of the secrets, in constant time."""
    found = [hmac.compare_digest(given.encode(), secret.get_secret_value().encode()) for secret in secrets]
    return any(found)


def _key_of(request: Request) -> None:
    check_key(request.headers.get(KEY_HEADER), request.app.state.settings.api_keys)


def _token_of(request: Request) -> None:
    check_token(request.headers.get("Authorization", ""), request.app.state.settings.retrain_token)


WithKey = Annotated[None, Depends(_key_of)]
WithToken = Annotated[None, Depends(_token_of)]
