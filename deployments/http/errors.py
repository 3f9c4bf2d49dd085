"""Error responses, which have one shape in all services: the HTTP status of each riskray error, and the body.

The body is also valid as RFC 9457 problem details, so that `Accept: application/problem+json` gets it under that media type.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, ClassVar

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match, Route

from riskray.errors import (
    Conflict,
    InvalidArgument,
    InvalidRequest,
    LeaseLost,
    MalformedJson,
    NotFound,
    Overloaded,
    PreflightFailed,
    RiskrayError,
    ShardFailed,
    StackError,
    StoreError,
    StoreNotMigrated,
    StoreUnavailable,
    Unauthorized,
    UnsupportedFormat,
)
from riskray.models.common import ErrorBody, Problem
from riskray.models.problems import problem_message

REQUEST_ID_HEADER = "X-Request-ID"
PROBLEM_MEDIA_TYPE = "application/problem+json"
PROBLEMS_IN_BODY_MAX = 1000
PROBLEMS_IN_DETAIL_MAX = 3
RETRY_AFTER_S = 1

log = structlog.get_logger(__name__)


class NotAcceptable(UnsupportedFormat):
    """None of the media types in Accept is available."""

    code: ClassVar[str] = "not_acceptable"


class InvalidCursor(InvalidRequest):
    """A page cursor does not come from this list."""

    code: ClassVar[str] = "invalid_cursor"


# The one map from riskray's errors to HTTP; a class that is missing here has the status of its nearest ancestor.
STATUS_OF_ERROR: dict[type[RiskrayError], HTTPStatus] = {
    InvalidRequest: HTTPStatus.UNPROCESSABLE_ENTITY,
    InvalidArgument: HTTPStatus.UNPROCESSABLE_ENTITY,
    PreflightFailed: HTTPStatus.UNPROCESSABLE_ENTITY,
    MalformedJson: HTTPStatus.BAD_REQUEST,
    UnsupportedFormat: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    NotAcceptable: HTTPStatus.NOT_ACCEPTABLE,
    InvalidCursor: HTTPStatus.BAD_REQUEST,
    NotFound: HTTPStatus.NOT_FOUND,
    Conflict: HTTPStatus.CONFLICT,
    LeaseLost: HTTPStatus.CONFLICT,
    Overloaded: HTTPStatus.TOO_MANY_REQUESTS,
    Unauthorized: HTTPStatus.UNAUTHORIZED,
    StoreError: HTTPStatus.INTERNAL_SERVER_ERROR,
    StoreUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    StoreNotMigrated: HTTPStatus.SERVICE_UNAVAILABLE,
    ShardFailed: HTTPStatus.INTERNAL_SERVER_ERROR,
    StackError: HTTPStatus.SERVICE_UNAVAILABLE,
    RiskrayError: HTTPStatus.INTERNAL_SERVER_ERROR,
}

# Codes of errors that HTTP itself raises, by status.
CODE_OF_STATUS = {
    400: "bad_request",
    401: Unauthorized.code,
    403: "forbidden",
    404: NotFound.code,
    405: "method_not_allowed",
    406: NotAcceptable.code,
    413: "payload_too_large",
    415: UnsupportedFormat.code,
    422: InvalidRequest.code,
    429: Overloaded.code,
    500: "internal_error",
    503: "unavailable",
}

# FastAPI's message for a body whose bytes are not text.
_UNREADABLE_BODY = "There was an error parsing the body"

_DESCRIPTIONS = {
    400: "The body is not valid JSON, or the cursor does not come from this list.",
    401: "The request has no valid bearer token.",
    404: "The requested object does not exist.",
    405: "The path does not support this method.",
    406: "None of the media types in `Accept` is available.",
    409: "The object already exists, or its state forbids the request.",
    413: "The body is larger than the service accepts.",
    415: "The body's media type is not accepted.",
    422: "The request has invalid values; `errors` lists them.",
    429: "There are too many concurrent requests; retry after `Retry-After` seconds.",
    500: "The service has a defect; report it with `request_id`.",
    503: "The database or the pricer pool cannot be reached; retry after `Retry-After` seconds.",
}


def error_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI responses for the error statuses of a route other than those that every route has (401, 422, 429, 500, 503)."""
    return {
        status: {
            "model": ErrorBody,
            "description": _DESCRIPTIONS[status],
            "content": {PROBLEM_MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ErrorBody"}}},
        }
        for status in sorted({401, 422, 429, 500, 503, *statuses})
    }


def document_json_bodies(schema: dict[str, Any]) -> None:
    """Add the response to a body of another media type to every operation of the OpenAPI document that takes JSON and lacks it."""
    for operation in (operation for methods in schema["paths"].values() for operation in methods.values()):
        if "application/json" in operation.get("requestBody", {}).get("content", {}):
            operation["responses"].setdefault("415", {**operation["responses"]["422"], "description": _DESCRIPTIONS[415]})


def status_of(error: RiskrayError) -> HTTPStatus:
    """HTTP status of an error: that of its class, or of the nearest ancestor in the map."""
    return next(STATUS_OF_ERROR[kind] for kind in type(error).__mro__ if kind in STATUS_OF_ERROR)


def error_response(
    request: Request,
    *,
    status: int,
    code: str,
    detail: str,
    errors: Sequence[Problem] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The error body, under the media type that the request accepts."""
    body = ErrorBody(
        error=code,
        detail=detail,
        status_code=status,
        title=HTTPStatus(status).phrase,
        status=status,
        instance=request.url.path,
        request_id=request.scope.get("riskray_request_id", ""),
        errors=list(errors[:PROBLEMS_IN_BODY_MAX]),
    )
    extra = dict(headers or {})
    if status in (429, 503):
        extra.setdefault("Retry-After", str(RETRY_AFTER_S))
    if status == 401:
        extra.setdefault("WWW-Authenticate", "Bearer")
    asked = request.headers.get("accept", "")
    media_type = PROBLEM_MEDIA_TYPE if PROBLEM_MEDIA_TYPE in asked else "application/json"
    return JSONResponse(body.model_dump(mode="json"), status_code=status, headers=extra, media_type=media_type)


def unhandled_response(request: Request, error: Exception) -> Response:
    """The response to a defect: the log has the traceback, the caller gets the request id."""
    log.error("request failed", path=request.url.path, exc_info=error)
    detail = "the service failed unexpectedly; its log has the cause under this request_id"
    return error_response(request, status=500, code=CODE_OF_STATUS[500], detail=detail)


def _problem(raw: Mapping[str, Any]) -> Problem:
    return Problem(loc=list(raw.get("loc", [])), msg=str(raw.get("msg", "")), code=str(raw.get("code", "invalid")))


def riskray_error_response(request: Request, error: Exception) -> Response:
    """The response to an error that riskray raised deliberately."""
    assert isinstance(error, RiskrayError)
    status = status_of(error)
    if status >= 500:
        log.error("request failed", path=request.url.path, code=error.code, detail=str(error))
    problems = [_problem(raw) for raw in error.problems[:PROBLEMS_IN_BODY_MAX]] if isinstance(error, InvalidRequest) else []
    return error_response(request, status=status, code=error.code, detail=str(error), errors=problems)


def http_error_response(request: Request, error: Exception) -> Response:
    """The response to a request that the router or the framework refused."""
    assert isinstance(error, HTTPException)
    code = CODE_OF_STATUS.get(error.status_code, "http_error")
    detail = str(error.detail)
    if error.status_code == 400 and detail == _UNREADABLE_BODY:
        return riskray_error_response(request, MalformedJson("the body is not valid JSON: it is not UTF-8 text"))
    if error.status_code == 404 and detail == HTTPStatus.NOT_FOUND.phrase:
        root = request.scope.get("root_path", "")
        shown = f"{root}/docs lists this service's paths" if root else "the page at / links every service and its paths"
        detail = f"the path {request.url.path!r} does not exist; {shown}"
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = ", ".join(_methods(request))
        detail = f"{request.url.path!r} does not support {request.method}, only {headers['Allow']}"
    return error_response(request, status=error.status_code, code=code, detail=detail, headers=headers)


def _methods(request: Request) -> list[str]:
    """Methods of every route on the request's path; the router itself reports only those of the first route."""
    routes: list[Route] = request.app.state.routes
    return sorted({method for route in routes if route.matches(request.scope)[0] is not Match.NONE for method in route.methods or ()})


def _validation_error_response(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    raw = error.errors()
    if isinstance(error.body, bytes):  # FastAPI leaves a body of another media type than JSON as bytes
        given = request.headers.get("content-type") or "(none)"
        return riskray_error_response(request, UnsupportedFormat(f"Content-Type {given!r} is not accepted; send application/json"))
    if raw[0]["type"] == "json_invalid":
        return riskray_error_response(request, MalformedJson(f"the body is not valid JSON: {_why_malformed(raw[0], error.body)}"))
    problems = [Problem(loc=list(problem["loc"]), msg=problem_message(problem), code=problem["type"]) for problem in raw]
    told = [f"{'.'.join(str(part) for part in problem.loc)}: {problem.msg}" for problem in problems[:PROBLEMS_IN_DETAIL_MAX]]
    if len(problems) > len(told):
        told.append(f"and {len(problems) - len(told)} more; see errors")
    return error_response(request, status=422, code=InvalidRequest.code, detail="; ".join(told), errors=problems)


def _why_malformed(raw: Mapping[str, Any], body: str) -> str:
    """The parser's reason, with line and column."""
    before = body[: raw["loc"][-1]]
    return f"{raw['ctx']['error']} at line {before.count(chr(10)) + 1} column {len(before) - before.rfind(chr(10))}"


def install_error_handlers(app: FastAPI) -> None:
    """Return riskray errors, HTTP errors (raised or by the router) and validation errors as the common error body."""
    app.add_exception_handler(RiskrayError, riskray_error_response)
    app.add_exception_handler(HTTPException, http_error_response)
    app.add_exception_handler(RequestValidationError, _validation_error_response)
