"""Requests with retries where they are safe, and errors in riskray's own words."""

import logging
import random
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

import httpx

from riskray.config import Settings
from riskray.errors import Conflict, InvalidRequest, NotFound, Overloaded, RiskrayError, StoreUnavailable, Unauthorized
from riskray.models.common import ErrorBody

CONNECT_TIMEOUT_S = 5.0
CONNECT_PATIENCE_S = 12.0
"""How long a server that has answered, and refuses connections now, is tried: longer than it takes to replace a killed proxy."""
FIRST_CONNECT_PATIENCE_S = 5.0
"""The same of one that never answered: not so long that a forgotten `riskray up` looks like a hang."""
RETRIED_STATUSES = frozenset({429, 502, 503, 504})
RETRY_PAUSE_FIRST_S, RETRY_PAUSE_MAX_S = 0.1, 5.0
SILENCE_MAX_S = 2.0
"""Somebody who waits longer than this for a request that is tried again is told why."""

# Without a handler, Python itself writes warnings to stderr: a program that logs gets them where it wants them.
_log = logging.getLogger("riskray.client")


class ApiError(RiskrayError):
    """The API refused or failed, with an error that has no class of its own here. `body` is its answer."""

    def __init__(self, detail: str, body: ErrorBody | None = None) -> None:
        super().__init__(detail)
        self.body = body
        self.args = (detail, body)


class Unreachable(RiskrayError):
    """Nobody answers at the API's address."""

    code = "unreachable"


class Refused(Unreachable):
    """Nobody listens at the API's address."""


class Truncated(RiskrayError):
    """A download broke off before its end."""

    code = "truncated_download"


class RunTimeout(RiskrayError):
    """The run has not ended within the time allowed; it goes on."""

    code = "run_timeout"


_ERROR_OF_STATUS: dict[int, type[RiskrayError]] = {409: Conflict, 429: Overloaded, 401: Unauthorized, 503: StoreUnavailable}


def _error_of(response: httpx.Response) -> RiskrayError:
    try:
        body = ErrorBody.model_validate_json(response.content)
    except ValueError:
        return ApiError(f"{response.request.method} {response.request.url} answered {response.status_code}: {response.text[:200]}")
    if body.status_code == 404:
        return _NotFoundAtApi(body.detail)
    if body.status_code in (400, 406, 413, 415, 422):
        error: RiskrayError = InvalidRequest(body.detail, [problem.model_dump() for problem in body.errors])
    else:
        kind = _ERROR_OF_STATUS.get(body.status_code)
        error = kind(body.detail) if kind is not None else ApiError(f"{body.detail} (request {body.request_id})", body)
    return error


class _NotFoundAtApi(NotFound):
    """NotFound with the API's words."""

    def __init__(self, detail: str) -> None:
        super().__init__("", "")
        self.detail = detail
        self.args = (detail,)


class Transport:
    """Requests with retries and errors in riskray's words."""

    def __init__(self, settings: Settings, *, deadline_s: float, http: httpx.Client | None) -> None:
        headers = {"User-Agent": "riskray-client", "Accept": "application/json"}
        if settings.api_token is not None:
            headers["Authorization"] = f"Bearer {settings.api_token.get_secret_value()}"
        self.base_url = settings.base_url
        self._deadline_s = deadline_s
        # Proxies of the environment are for the internet; loopback must not go through them.
        self._http = http or httpx.Client(timeout=httpx.Timeout(60.0, connect=CONNECT_TIMEOUT_S), trust_env=settings.api_url is not None)
        self._headers = headers
        self._has_answered = False

    @property
    def connect_patience_s(self) -> float:
        """How long a server that refuses connections is tried."""
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
        """One request, repeated while that is safe and useful. Raises the error of an answer that is not a success."""
        started = time.monotonic()
        pause, told, refused_since = RETRY_PAUSE_FIRST_S, False, None
        while True:
            failure, wait_s = self._try(method, path, content=content, params=params, headers=headers, timeout_s=timeout_s)
            if isinstance(failure, httpx.Response):
                return failure
            if wait_s is None or not repeatable:
                raise failure
            deadline = started + self._deadline_s
            refused_since = (refused_since or time.monotonic()) if isinstance(failure, Refused) else None
            if refused_since is not None:
                deadline = min(deadline, refused_since + self.connect_patience_s)
            pause = min(2 * pause, RETRY_PAUSE_MAX_S)
            nap = max(wait_s, random.uniform(0, pause))
            if time.monotonic() + nap > deadline:
                raise failure
            if not told and time.monotonic() + nap - started > SILENCE_MAX_S:
                told = True
                _log.warning("%s; trying again for up to %.0f s", failure, deadline - time.monotonic())
            time.sleep(nap)

    def _try(
        self, method: str, path: str, *, timeout_s: float | None, headers: Mapping[str, str] | None, **request: Any
    ) -> tuple[httpx.Response | RiskrayError, float | None]:
        """The answer; or an error with the seconds to wait before another try, None where another try is useless."""
        timeout = httpx.USE_CLIENT_DEFAULT if timeout_s is None else httpx.Timeout(timeout_s, connect=CONNECT_TIMEOUT_S)
        prepared = self._http.build_request(
            method, self.base_url + path, headers={**self._headers, **(headers or {})}, timeout=timeout, **request
        )
        try:
            response = self._http.send(prepared)
        except httpx.TransportError as error:
            return self._unreachable(error), 0.0
        self._has_answered = True
        if response.is_success or response.status_code == 304:
            return response, None
        return _error_of(response), _retry_after(response) if response.status_code in RETRIED_STATUSES else None

    @contextmanager
    def stream(
        self, path: str, *, params: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None, timeout_s: float = 300.0
    ) -> Iterator[httpx.Response]:
        """An answer that is read piece by piece. Raises Truncated when it breaks off."""
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
            raise Truncated(f"the download of {path} broke off ({type(error).__name__}: {error}); try again") from error

    def _unreachable(self, error: httpx.TransportError) -> Unreachable:
        what = str(error) or type(error).__name__
        kind = Refused if isinstance(error, httpx.ConnectError) else Unreachable
        return kind(f"no answer from {self.base_url} ({what}); start the stack with `riskray up`, or set RISKRAY_API_URL")


def _retry_after(response: httpx.Response) -> float:
    value = response.headers.get("retry-after", "")
    return float(value) if value.isdecimal() else 0.0


def server_sent_events(lines: Iterator[str]) -> Iterator[tuple[str, str]]:
    """Kind and data of each event; comments and retry hints are passed over."""
    kind, data = "", ""
    for line in lines:
        if line.startswith("event: "):
            kind = line.removeprefix("event: ")
        elif line.startswith("data: "):
            data = line.removeprefix("data: ")
        elif not line and data:
            yield kind, data
            kind, data = "", ""
