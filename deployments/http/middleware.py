"""The gate that every request passes: id, log line, bearer token, body limit, and an error body for defects.

It is plain ASGI, because Starlette's BaseHTTPMiddleware copies every body through a queue, which slows streams down.
"""

import hmac
import re
import time
from uuid import uuid4

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments.http import documentation
from deployments.http.errors import REQUEST_ID_HEADER, error_response, http_error_response, unhandled_response
from deployments.http.limits import JSON_BYTES_MAX
from riskray.config import Settings
from riskray.errors import Unauthorized
from riskray.logs import bound
from riskray.tracing import describe_span, span

log = structlog.get_logger(__name__)

# Set on `app.state` if the server in front adds the request's id to the response itself, as Ray Serve does.
PROXY_ADDS_REQUEST_ID = "proxy_adds_request_id"

# Paths that a load balancer or a probe may request without a token; the API's description is not secret either. The match is exact,
# because a portfolio may be named `health` or `docs`, and its positions lie below that path.
_OPEN_PATHS = ("/health", "/health/deep", documentation.PATH, "/openapi.json")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


class RequestGate:
    """ASGI middleware around one service."""

    def __init__(self, app: ASGIApp, *, settings: Settings, service: str, takes_files: bool, is_root_open: bool) -> None:
        self._app = app
        self._is_root_open = is_root_open
        self._service = service
        self._takes_files = takes_files
        self._body_bytes_max = settings.request_body_bytes_max if takes_files else min(settings.request_body_bytes_max, JSON_BYTES_MAX)
        self._token = settings.api_token.get_secret_value().encode() if settings.api_token is not None else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["path"] == scope.get("root_path", ""):
            # The service's own address without a final slash; the router would redirect the request, including its body.
            scope["path"] += "/"
        headers = Headers(scope=scope)
        asked = headers.get(REQUEST_ID_HEADER, "")
        request_id = asked if _REQUEST_ID.fullmatch(asked) else uuid4().hex
        scope["riskray_request_id"] = request_id
        with (
            bound(request_id=request_id),
            span(f"{scope['method']} {self._service}", parent=headers.get("traceparent"), request_id=request_id, path=scope["path"]),
        ):
            await self._logged(scope, headers, receive, send)

    async def _logged(self, scope: Scope, headers: Headers, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if not getattr(scope["app"].state, PROXY_ADDS_REQUEST_ID, False):
                    MutableHeaders(scope=message)[REQUEST_ID_HEADER] = scope["riskray_request_id"]
            await send(message)

        try:
            await self._guarded(scope, headers, receive, send_with_id)
        except Exception as error:
            if status:  # the response has begun, so it can only be aborted, which shows the client that it is incomplete
                raise
            await unhandled_response(Request(scope), error)(scope, receive, send_with_id)
        finally:
            describe_span(status=status)
            level = "debug" if scope["path"].endswith("/health") else "info"
            getattr(log, level)(
                "request",
                service=self._service,
                method=scope["method"],
                path=scope["path"],
                status=status,
                milliseconds=round((time.perf_counter() - started) * 1000, 2),
            )

    async def _guarded(self, scope: Scope, headers: Headers, receive: Receive, send: Send) -> None:
        if self._token is not None and not self._is_open(scope) and not _token_matches(headers, self._token):
            detail = "the API requires a bearer token; send `Authorization: Bearer <RISKRAY_API_TOKEN>`"
            response = error_response(Request(scope), status=401, code=Unauthorized.code, detail=detail)
            await response(scope, receive, send)
            return
        declared = headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > self._body_bytes_max:
            await http_error_response(Request(scope), self._too_large())(scope, receive, send)
            return
        await self._app(scope, self._counted(receive), send)

    def _is_open(self, scope: Scope) -> bool:
        if scope["method"] not in ("GET", "HEAD"):
            return bool(scope["method"] == "OPTIONS")
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        path = path.rstrip("/") or "/"
        return path in _OPEN_PATHS or path.startswith(f"{documentation.FILES_PATH}/") or (path == "/" and self._is_root_open)

    def _counted(self, receive: Receive) -> Receive:
        """The body; reading a chunked body beyond the limit raises."""
        size = 0

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > self._body_bytes_max:
                raise self._too_large()
            return message

        return counted

    def _too_large(self) -> HTTPException:
        # An HTTPException, because FastAPI converts any other exception raised while it reads a body.
        mebibytes = self._body_bytes_max / 1024**2
        remedy = "send Parquet, split it, or raise RISKRAY_REQUEST_BODY_BYTES_MAX" if self._takes_files else "split the request"
        return HTTPException(status_code=413, detail=f"the body is larger than {mebibytes:g} MiB; {remedy}")


def _token_matches(headers: Headers, token: bytes) -> bool:
    scheme, _, given = headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token)
