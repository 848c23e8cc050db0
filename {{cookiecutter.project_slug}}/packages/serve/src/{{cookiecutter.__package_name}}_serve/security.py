"""Access control: API keys for whoever asks, and a token for retraining."""

import base64
import binascii
import hmac
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Request
from pydantic import SecretStr

from .problems import Problem

KEY_HEADER = "X-API-Key"
KEY_NAME = KEY_HEADER.lower().encode()
PAGES = ("/docs", "/openapi.json")  # a browser asks for these, and for a password
KEY_PATHS = ("/predict", "/model", "/stats", "/metrics", *PAGES)


def check_key(path: str, headers: Mapping[bytes, bytes], keys: Sequence[SecretStr]) -> None:
    """Reject a request without a valid API key, if any keys are configured.

    The key is in the header X-API-Key, or in Authorization: as a bearer token (which Prometheus can send), or, for the
    documentation, as the password of any user (which browsers ask for).

    Raises:
        Problem: 401 without a key, 403 with an unknown key.
    """
    if not keys:
        return
    given = headers.get(KEY_NAME)
    key = _read_authorization(headers.get(b"authorization", b""), path) if given is None else given.decode("latin-1")
    if key is None:
        challenge = 'Basic realm="the API key as password", charset="UTF-8"' if path in PAGES else "ApiKey"
        detail = f"found no API key, expected one in the header {KEY_HEADER}, or Authorization: Bearer …"
        raise Problem(HTTPStatus.UNAUTHORIZED, detail, {"WWW-Authenticate": challenge})
    if not _is_one_of(key, keys):
        raise Problem(HTTPStatus.FORBIDDEN, "the API key is not one of this service's")


def check_token(authorization: str, token: SecretStr | None) -> None:
    """Reject a request whose header Authorization does not bear the token.

    Raises:
        Problem: 401 without a token, 403 with a wrong token, or if this service has none.
    """
    if token is None:
        detail = "this service does not take requests for retraining: it has no service.retrain_token"
        raise Problem(HTTPStatus.FORBIDDEN, detail)
    scheme, _, given = authorization.partition(" ")
    headers = {"WWW-Authenticate": "Bearer"}
    if scheme.lower() != "bearer" or not given:
        raise Problem(HTTPStatus.UNAUTHORIZED, "found no token, expected the header Authorization: Bearer …", headers)
    if not _is_one_of(given.strip(), [token]):
        raise Problem(HTTPStatus.FORBIDDEN, "the token in the header Authorization is not this service's", headers)


def _read_authorization(header: bytes, path: str) -> str | None:
    scheme, _, given = header.decode("latin-1").partition(" ")
    if scheme.lower() == "bearer" and given:
        return given.strip()
    if scheme.lower() == "basic" and path in PAGES:
        try:
            return base64.b64decode(given.strip(), validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return None


def _is_one_of(given: str, secrets: Sequence[SecretStr]) -> bool:
    """Return whether a value is one of the secrets, in constant time."""
    found = [hmac.compare_digest(given.encode(), secret.get_secret_value().encode()) for secret in secrets]
    return any(found)


def _token_of(request: Request) -> None:
    check_token(request.headers.get("Authorization", ""), request.app.state.settings.retrain_token)


WithToken = Annotated[None, Depends(_token_of)]
