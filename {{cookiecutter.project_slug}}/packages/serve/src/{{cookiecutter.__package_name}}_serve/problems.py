"""Problem documents: how the service answers failed requests (RFC 9457)."""

from collections.abc import Mapping
from http import HTTPStatus

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic_core import to_json
from starlette.exceptions import HTTPException

log = structlog.get_logger()
MEDIA_TYPE = "application/problem+json"
TITLES = {413: "Content Too Large", 422: "Unprocessable Content"}  # as of RFC 9110; older Pythons have others
SCHEMA = {
    "type": "object",
    "description": "A problem document, RFC 9457.",
    "required": ["type", "title", "status", "detail", "request_id"],
    "properties": {
        "type": {"type": "string", "description": "about:blank: the status describes the problem."},
        "title": {"type": "string", "description": "The status in words."},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What was found, what was expected, what to do."},
        "request_id": {"type": "string", "description": "The id of the request, to quote when asking for help."},
        "errors": {
            "type": "array",
            "description": "The first faults in the request.",
            "items": {
                "type": "object",
                "required": ["pointer", "found", "expected"],
                "properties": {
                    "pointer": {"type": "string", "description": "Where, as a JSON pointer (RFC 6901)."},
                    "found": {"type": "string"},
                    "expected": {"type": "string"},
                },
            },
        },
    },
}


class Problem(Exception):  # noqa: N818  # RFC 9457's word
    """An error that is answered with a problem document."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None, **members: object) -> None:
        """Create a problem with a status, a sentence, response headers and further members of the document."""
        super().__init__(detail)
        self.status, self.detail, self.headers, self.members = int(status), detail, headers, members

    def response(self, request_id: str) -> Response:
        """Return the response."""
        document = {
            "type": "about:blank",
            "title": TITLES.get(self.status) or HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "request_id": request_id,
            **self.members,
        }
        return Response(to_json(document), self.status, self.headers, MEDIA_TYPE)


def pointer(*parts: str | int) -> str:
    """Return a JSON pointer as a fragment (RFC 6901)."""
    return "#" + "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in parts)


def unavailable(detail: str, seconds: int = 1) -> Problem:
    """Return the problem of a service that is temporarily unavailable."""
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, {"Retry-After": str(seconds)})


def internal_error() -> Problem:
    """Return the problem of an internal error."""
    return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "the service has an internal error; see its log")


def answer_problems(app: FastAPI) -> None:
    """Answer every error with a problem document."""
    app.add_exception_handler(Problem, _answer_problem)  # type: ignore[arg-type]  # it is only called with this type
    app.add_exception_handler(HTTPException, _answer_http)  # type: ignore[arg-type]
    app.add_exception_handler(RequestValidationError, _answer_invalid)  # type: ignore[arg-type]
    app.add_exception_handler(Exception, _answer_error)


def _answer_problem(request: Request, problem: Problem) -> Response:
    return problem.response(request.scope["exchange"].request_id)


def _answer_error(request: Request, _: Exception) -> Response:
    return _answer_problem(request, internal_error())


def _answer_http(request: Request, error: HTTPException) -> Response:
    details = {
        HTTPStatus.NOT_FOUND: "there is nothing at this address; see /openapi.json for all addresses",
        HTTPStatus.METHOD_NOT_ALLOWED: f"{request.method} is not possible here; see the header Allow",
    }
    detail = details.get(HTTPStatus(error.status_code), str(error.detail))
    return _answer_problem(request, Problem(error.status_code, detail, error.headers))


def _answer_invalid(request: Request, error: RequestValidationError) -> Response:
    """Answer a request that FastAPI rejects: an invalid parameter, or an invalid body other than for predictions."""
    items = error.errors()
    status = HTTPStatus.BAD_REQUEST if items[0]["type"] == "json_invalid" else HTTPStatus.UNPROCESSABLE_ENTITY
    errors = [
        {"pointer": pointer(*item["loc"]), "found": f"{item.get('input')!r:.80}", "expected": item["msg"]}
        for item in items
    ]
    detail = "; ".join(f"{item['loc'][-1]}: {item['msg']}" for item in items)
    return _answer_problem(request, Problem(status, detail, errors=errors))
