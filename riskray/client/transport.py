"""Requests, retried where that is safe, and responses that fail as riskray's own exceptions."""

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any, NamedTuple

import httpx
import tenacity

from riskray.config import Settings
from riskray.errors import Conflict, InvalidRequest, NotFound, Overloaded, RiskrayError, StoreUnavailable, Unauthorized
from riskray.models.common import ErrorBody

CONNECT_TIMEOUT_S = 5.0
CONNECT_PATIENCE_S = 12.0
"""How long the client retries a server that has responded before and now refuses connections: longer than the replacement of a killed
proxy takes."""
FIRST_CONNECT_PATIENCE_S = 5.0
"""How long the client retries a server that has never responded: short enough that a forgotten `riskray up` does not look like a hang."""
RETRIED_STATUSES = frozenset({429, 502, 503, 504})
RETRY_PAUSE_FIRST_S, RETRY_PAUSE_MAX_S = 0.1, 5.0
SILENCE_MAX_S = 2.0
"""After this time the client logs a warning that says which failure it is retrying."""

# Python writes warnings without a handler to stderr; a program with handlers of its own gets them there.
_log = logging.getLogger("riskray.client")


class ApiError(RiskrayError):
    """The API reported an error that has no exception class of its own. `body` is the body of its response."""

    def __init__(self, detail: str, body: ErrorBody | None = None) -> None:
        super().__init__(detail)
        self.body = body
        self.args = (detail, body)


class Unreachable(RiskrayError):
    """No server responds at the API's address."""

    code = "unreachable"


class Refused(Unreachable):
    """No server listens at the API's address."""


class Truncated(RiskrayError):
    """A download ended before it was complete."""

    code = "truncated_download"


class RunTimeout(RiskrayError):
    """The run did not end within the allowed time; it continues."""

    code = "run_timeout"


_ERROR_OF_STATUS: dict[int, type[RiskrayError]] = {409: Conflict, 429: Overloaded, 401: Unauthorized, 503: StoreUnavailable}


def _error_of(response: httpx.Response) -> RiskrayError:
    try:
        body = ErrorBody.model_validate_json(response.content)
    except ValueError:
        return ApiError(f"{response.request.method} {response.request.url} returned {response.status_code}: {response.text[:200]}")
    if body.status_code == 404:
        return _NotFoundAtApi(body.detail)
    if body.status_code in (400, 406, 413, 415, 422):
        error: RiskrayError = InvalidRequest(body.detail, [problem.model_dump() for problem in body.errors])
    else:
        kind = _ERROR_OF_STATUS.get(body.status_code)
        error = kind(body.detail) if kind is not None else ApiError(f"{body.detail} (request {body.request_id})", body)
    return error


class _NotFoundAtApi(NotFound):
    """NotFound with the text of the API's error."""

    def __init__(self, detail: str) -> None:
        super().__init__("", "")
        self.detail = detail
        self.args = (detail,)


class Transport:
    """Sends requests with retries and raises riskray's exceptions."""

    def __init__(self, settings: Settings, *, deadline_s: float, http: httpx.Client | None) -> None:
        headers = {"User-Agent": "riskray-client", "Accept": "application/json"}
        if settings.api_token is not None:
            headers["Authorization"] = f"Bearer {settings.api_token.get_secret_value()}"
        self.base_url = settings.base_url
        self._deadline_s = deadline_s
        # The environment's proxies are for the internet; requests to loopback must bypass them.
        self._http = http or httpx.Client(timeout=httpx.Timeout(60.0, connect=CONNECT_TIMEOUT_S), trust_env=settings.api_url is not None)
        self._headers = headers
        self._has_answered = False

    @property
    def connect_patience_s(self) -> float:
        """How long to retry a server that refuses connections, in seconds."""
        return CONNECT_PATIENCE_S if self._has_answered else FIRST_CONNECT_PATIENCE_S

    def close(self) -> None:
        """Close every connection."""
        self._http.close()

    def send(
        self,
        method: str,
        path: str,
        *,
        repeatable: bool,
        content: bytes | None = None,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> httpx.Response:
        """Send a request, repeating it while that is safe and useful. Raises the error of an unsuccessful response."""
        patience = _Patience(self._deadline_s)
        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_result(lambda tried: repeatable and tried.wait_s is not None),
            wait=lambda state: max(_tried(state).wait_s or 0.0, _JITTERED_PAUSE(state)),
            stop=lambda state: patience.is_over(state, refused_s=self.connect_patience_s),
            before_sleep=patience.warn,
            sleep=time.sleep,
            retry_error_callback=_tried,
        )
        tried = attempts(self._try, method, path, content=content, params=params, headers=headers, timeout_s=timeout_s)
        if isinstance(tried.outcome, httpx.Response):
            return tried.outcome
        raise tried.outcome

    def _try(self, method: str, path: str, *, timeout_s: float | None, headers: Mapping[str, str] | None, **request: Any) -> "_Tried":
        timeout = httpx.USE_CLIENT_DEFAULT if timeout_s is None else httpx.Timeout(timeout_s, connect=CONNECT_TIMEOUT_S)
        prepared = self._http.build_request(
            method, self.base_url + path, headers={**self._headers, **(headers or {})}, timeout=timeout, **request
        )
        try:
            response = self._http.send(prepared)
        except httpx.TransportError as error:
            return _Tried(self._unreachable(error), 0.0)
        self._has_answered = True
        if response.is_success or response.status_code == 304:
            return _Tried(response, None)
        return _Tried(_error_of(response), _retry_after(response) if response.status_code in RETRIED_STATUSES else None)

    @contextmanager
    def stream(
        self, path: str, *, params: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None, timeout_s: float = 300.0
    ) -> Iterator[httpx.Response]:
        """Open a response to be read in pieces. Raises Truncated if it ends early."""
        prepared = self._http.build_request(
            "GET",
            self.base_url + path,
            params=params,
            headers={**self._headers, **(headers or {})},
            timeout=httpx.Timeout(timeout_s, connect=CONNECT_TIMEOUT_S),
        )
        try:
            with closing(self._http.send(prepared, stream=True)) as response:
                self._has_answered = True
                if not response.is_success:
                    response.read()
                    raise _error_of(response)
                yield response
        except httpx.ConnectError as error:
            raise self._unreachable(error) from error
        except httpx.TransportError as error:
            raise Truncated(f"the download of {path} was interrupted ({type(error).__name__}: {error}); repeat it") from error

    def _unreachable(self, error: httpx.TransportError) -> Unreachable:
        what = str(error) or type(error).__name__
        kind = Refused if isinstance(error, httpx.ConnectError) else Unreachable
        return kind(f"{self.base_url} does not respond ({what}); start the stack with `riskray up`, or set RISKRAY_API_URL")


class _Tried(NamedTuple):
    """The outcome of one attempt."""

    outcome: httpx.Response | RiskrayError
    wait_s: float | None
    """Seconds to wait before another attempt, as the server requests; None if another attempt is useless."""


_JITTERED_PAUSE = tenacity.wait_random_exponential(multiplier=RETRY_PAUSE_FIRST_S, max=RETRY_PAUSE_MAX_S)


def _tried(state: tenacity.RetryCallState) -> _Tried:
    assert state.outcome is not None
    tried: _Tried = state.outcome.result()
    return tried


class _Patience:
    """Decides how long one request is retried: up to a deadline, which is earlier while connections are refused."""

    def __init__(self, deadline_s: float) -> None:
        self._started = time.monotonic()
        self._deadline = self._deadline_now = self._started + deadline_s
        self._refused_since: float | None = None
        self._has_warned = False

    def is_over(self, state: tenacity.RetryCallState, *, refused_s: float) -> bool:
        """Whether the next attempt would start after the deadline."""
        now = time.monotonic()
        self._refused_since = (self._refused_since or now) if isinstance(_tried(state).outcome, Refused) else None
        self._deadline_now = self._deadline if self._refused_since is None else min(self._deadline, self._refused_since + refused_s)
        return now + state.upcoming_sleep > self._deadline_now

    def warn(self, state: tenacity.RetryCallState) -> None:
        """Log once, after SILENCE_MAX_S, which failure is being retried."""
        now = time.monotonic()
        if not self._has_warned and now + state.upcoming_sleep - self._started > SILENCE_MAX_S:
            self._has_warned = True
            _log.warning("%s; retrying for up to %.0f s", _tried(state).outcome, self._deadline_now - now)


def _retry_after(response: httpx.Response) -> float:
    value = response.headers.get("retry-after", "")
    return float(value) if value.isdecimal() else 0.0
