"""Every error riskray raises on purpose, each with a stable code.

    RiskrayError
    ├── InvalidRequest         the caller's input is wrong; `problems` names every place
    │   ├── UnsupportedFormat  a body or answer format that is not offered
    │   └── MalformedJson      a body that is no JSON at all
    ├── NotFound               no such thing
    ├── Conflict               the thing exists, or its state forbids the request
    ├── PreflightFailed        the market lacks what the portfolio needs
    ├── Overloaded             try again later
    ├── Unauthorized           no valid credentials
    ├── StoreError             the database
    │   ├── StoreUnavailable   cannot be reached, or others hold what is needed: try again
    │   └── StoreNotMigrated   reached, but its schema is not this version's
    ├── LeaseLost              another coordinator has taken the run
    ├── ShardFailed            a shard could not be completed
    └── StackError             the local stack could not be started or found

Codes appear in HTTP bodies, SQL columns and logs. Fields go positionally to `Exception.__init__` and the text is built in `__str__`,
because Ray ships errors between processes by pickle.
"""

from typing import Any, ClassVar


class RiskrayError(Exception):
    """Something went wrong. Fields: detail."""

    code: ClassVar[str] = "riskray_error"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail

    def __str__(self) -> str:
        return self.detail


class InvalidRequest(RiskrayError):
    """The caller's input is wrong. `problems`: dictionaries with `loc` (path to the value), `msg`, `code`."""

    code: ClassVar[str] = "invalid_request"

    def __init__(self, detail: str, problems: list[dict[str, Any]] | None = None) -> None:
        super().__init__(detail)
        self.problems = problems or []
        self.args = (detail, self.problems)


class InvalidArgument(InvalidRequest):
    """The caller's input is wrong, and was not sent: what a client or a command found by itself."""

    code: ClassVar[str] = "invalid_argument"


class UnsupportedFormat(InvalidRequest):
    """A body or answer format that is not offered."""

    code: ClassVar[str] = "unsupported_format"


class MalformedJson(InvalidRequest):
    """A body or file that is not JSON at all; the detail says where and why."""

    code: ClassVar[str] = "malformed_json"


# How to see which ones there are, by kind of thing; paths are those of the HTTP API.
_HOW_TO_LIST = {
    "run": "`riskray run list` or GET /api/v1/runs lists those there are",
    "market": "`riskray market list` or GET /api/v1/market-data/snapshots lists those there are",
    "portfolio": "`riskray portfolio list` or GET /api/v1/portfolios lists those there are",
    "scenario set": "`riskray scenario list` or GET /api/v1/scenarios/sets lists those there are",
    "market history": "`riskray history list` or GET /api/v1/scenarios/histories lists those there are",
    "hierarchy": "`riskray hierarchy list` or GET /api/v1/scenarios/hierarchies lists those there are",
    "node": "`riskray hierarchy show` or GET /api/v1/scenarios/hierarchies/NAME shows the nodes",
    "product": "GET /api/v1/portfolios/products lists those there are",
    "position": "GET /api/v1/results/RUN_ID/positions and /failures list a run's, `riskray run export` writes them to a file",
}


class NotFound(RiskrayError):
    """No such thing. Fields: kind, key, and `within`, what it was looked for in."""

    code: ClassVar[str] = "not_found"

    def __init__(self, kind: str, key: str, within: str = "") -> None:
        where = f" in {within}" if within else ""
        remedy = f"; {_HOW_TO_LIST[kind]}" if kind in _HOW_TO_LIST else ""
        super().__init__(f"no {kind} {key!r}{where}{remedy}")
        self.kind, self.key, self.within = kind, key, within
        self.args = (kind, key, within)


class Conflict(RiskrayError):
    """The thing exists, or its state forbids the request."""

    code: ClassVar[str] = "conflict"


class PreflightFailed(InvalidRequest):
    """The market lacks what the portfolio needs; `problems` lists each gap with the positions and notional it touches."""

    code: ClassVar[str] = "preflight_failed"


class Overloaded(RiskrayError):
    """Too much at once; try again later."""

    code: ClassVar[str] = "overloaded"


class Unauthorized(RiskrayError):
    """No valid credentials."""

    code: ClassVar[str] = "unauthorized"


class StoreError(RiskrayError):
    """The database refused or failed."""

    code: ClassVar[str] = "store_error"


class StoreUnavailable(StoreError):
    """The database cannot be reached, or others hold what is needed for too long: try again."""

    code: ClassVar[str] = "store_unavailable"


class StoreNotMigrated(StoreError):
    """The database is reachable but its schema is not this version's."""

    code: ClassVar[str] = "store_not_migrated"


class LeaseLost(RiskrayError):
    """Another coordinator has taken the run; whatever this one still does has no effect."""

    code: ClassVar[str] = "lease_lost"


class ShardFailed(RiskrayError):
    """A shard could not be completed."""

    code: ClassVar[str] = "shard_failed"


class StackError(RiskrayError):
    """The local stack could not be started or found."""

    code: ClassVar[str] = "stack_error"
