"""All errors that riskray raises deliberately, each with a stable code.

    RiskrayError
    ├── InvalidRequest         the caller's input is invalid; `problems` lists every invalid value
    │   ├── UnsupportedFormat  a request or response format is not supported
    │   └── MalformedJson      a body is not valid JSON
    ├── NotFound               the requested object does not exist
    ├── Conflict               the object already exists, or its state forbids the request
    ├── PreflightFailed        the market lacks what the portfolio needs
    ├── Overloaded             too many concurrent requests; retry later
    ├── Unauthorized           the request has no valid credentials
    ├── StoreError             the database reported an error
    │   ├── StoreUnavailable   cannot be reached, or another session holds a needed lock; retry
    │   └── StoreNotMigrated   can be reached, but its schema is not that of this version
    ├── LeaseLost              another coordinator has taken the run
    ├── ShardFailed            a shard could not be completed
    └── StackError             the local stack could not be started or found

Codes appear in HTTP bodies, SQL columns and logs. Fields are passed positionally to `Exception.__init__`, and `__str__` builds the text,
because Ray sends errors between processes with pickle.
"""

from typing import Any, ClassVar


class RiskrayError(Exception):
    """Base class of riskray's errors. Fields: detail."""

    code: ClassVar[str] = "riskray_error"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail

    def __str__(self) -> str:
        return self.detail


class InvalidRequest(RiskrayError):
    """The caller's input is invalid. `problems`: dictionaries with `loc` (path to the value), `msg`, `code`."""

    code: ClassVar[str] = "invalid_request"

    def __init__(self, detail: str, problems: list[dict[str, Any]] | None = None) -> None:
        super().__init__(detail)
        self.problems = problems or []
        self.args = (detail, self.problems)


class InvalidArgument(InvalidRequest):
    """The client or a command found the caller's input invalid before sending it."""

    code: ClassVar[str] = "invalid_argument"


class UnsupportedFormat(InvalidRequest):
    """A request or response format is not supported."""

    code: ClassVar[str] = "unsupported_format"


class MalformedJson(InvalidRequest):
    """A body or file is not valid JSON; the detail says where and why."""

    code: ClassVar[str] = "malformed_json"


# How to list the objects of each kind; paths are those of the HTTP API.
_HOW_TO_LIST = {
    "run": "`riskray run list` or GET /api/v1/runs lists all runs",
    "market": "`riskray market list` or GET /api/v1/market-data/snapshots lists all markets",
    "portfolio": "`riskray portfolio list` or GET /api/v1/portfolios lists all portfolios",
    "scenario set": "`riskray scenario list` or GET /api/v1/scenarios/sets lists all scenario sets",
    "market history": "`riskray history list` or GET /api/v1/scenarios/histories lists all market histories",
    "fixing table": "`riskray fixings list` or GET /api/v1/market-data/fixings lists all fixing tables",
    "hierarchy": "`riskray hierarchy list` or GET /api/v1/scenarios/hierarchies lists all hierarchies",
    "node": "`riskray hierarchy show` or GET /api/v1/scenarios/hierarchies/NAME lists the nodes of a hierarchy",
    "product": "GET /api/v1/portfolios/products lists all products",
    "position": "GET /api/v1/results/RUN_ID/positions and /failures list the positions of a run; `riskray run export` writes them",
}


class NotFound(RiskrayError):
    """The requested object does not exist. Fields: kind, key, and `within`, the object that was searched."""

    code: ClassVar[str] = "not_found"

    def __init__(self, kind: str, key: str, within: str = "") -> None:
        where = f" in {within}" if within else ""
        remedy = f"; {_HOW_TO_LIST[kind]}" if kind in _HOW_TO_LIST else ""
        super().__init__(f"no {kind} {key!r}{where}{remedy}")
        self.kind, self.key, self.within = kind, key, within
        self.args = (kind, key, within)


class Conflict(RiskrayError):
    """The object already exists, or its state forbids the request."""

    code: ClassVar[str] = "conflict"


class PreflightFailed(InvalidRequest):
    """The market lacks data that the portfolio needs; `problems` lists each gap with the positions and notional that it affects."""

    code: ClassVar[str] = "preflight_failed"


class Overloaded(RiskrayError):
    """Too many concurrent requests; retry later."""

    code: ClassVar[str] = "overloaded"


class Unauthorized(RiskrayError):
    """The request has no valid credentials."""

    code: ClassVar[str] = "unauthorized"


class StoreError(RiskrayError):
    """The database reported an error."""

    code: ClassVar[str] = "store_error"


class StoreUnavailable(StoreError):
    """The database cannot be reached, or another session holds a needed lock for too long; retry."""

    code: ClassVar[str] = "store_unavailable"


class StoreNotMigrated(StoreError):
    """The database can be reached, but its schema is not that of this version."""

    code: ClassVar[str] = "store_not_migrated"


class LeaseLost(RiskrayError):
    """Another coordinator has taken the run; further writes of this one have no effect."""

    code: ClassVar[str] = "lease_lost"


class ShardFailed(RiskrayError):
    """A shard could not be completed."""

    code: ClassVar[str] = "shard_failed"


class StackError(RiskrayError):
    """The local stack could not be started or found."""

    code: ClassVar[str] = "stack_error"
