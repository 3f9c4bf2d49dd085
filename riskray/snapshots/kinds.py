"""The kinds of snapshot, one declaration each: the name of the kind, its table, its HTTP routes, and the models that describe it.

A snapshot is immutable, is identified by the hash of its content, and is found by id or name. A new kind needs a declaration here, its
content in `riskray.snapshots.content`, a table, and a reader; the store, HTTP, the SDK and the command line derive from these how to store,
find, list and delete it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, Generic, Literal, LiteralString, TypeVar

from riskray.errors import InvalidRequest
from riskray.models.common import Model
from riskray.models.hierarchy import Dimension, HierarchyDetail, StoredHierarchy
from riskray.models.scenario import MarketHistory, MarketHistoryDetail, ScenarioSet, ScenarioSetDetail
from riskray.models.snapshot import FixingTable, FixingTableDetail, MarketDetail, MarketSnapshot, PortfolioDetail, PortfolioSnapshot

Record = TypeVar("Record")
Summary = TypeVar("Summary", bound=Model)
Detail = TypeVar("Detail", bound=Model)


@dataclass(frozen=True)
class SnapshotKind(Generic[Record, Summary, Detail]):
    """One kind of snapshot.

    Attributes:
        kind, plural: its name in the table `snapshot_name` and in messages, such as "market", and the plural of the name.
        prefix: prefix of its ids, such as "mkt".
        table: table of its snapshots, with the columns `key`_no, `key`_id, content_hash, name, version, created_at and those of `record`.
        key: stem of the columns that identify it, also in the table `run` where runs use it.
        record: dataclass of a snapshot and its name; its fields are columns.
        service, route: the HTTP service that serves it, and the path within the service; "" is the root of the service.
        summary: model of an upload in a list; its fields are the record's, the hash in hex.
        detail: model of one snapshot.
        used_by: what refers to it, "run" or "market", None for nothing; a snapshot to which one refers cannot be deleted.
        after_deletion: a sentence on further effects of a deletion, "" for none.
        document, payload: columns with its content as JSON text and as bytes; None if it has no such content.
        delete_rows: name of the query that deletes the rows of a snapshot that no foreign key deletes; its parameter is snapshot_no.
    """

    kind: str
    plural: str
    prefix: str
    table: LiteralString
    key: LiteralString
    record: Callable[..., Record]
    service: str
    route: str
    summary: type[Summary]
    detail: type[Detail]
    used_by: Literal["run", "market"] | None = None
    after_deletion: str = ""
    document: LiteralString | None = None
    payload: LiteralString | None = None
    delete_rows: str | None = None

    @property
    def path(self) -> str:
        """URL path at which the HTTP API lists its snapshots."""
        return f"/api/v1/{self.service}{self.route}"

    @property
    def deletion(self) -> str:
        """A sentence that describes a deletion."""
        unused = f" that no {self.used_by} uses" if self.used_by else ""
        return f"Delete a {self.kind}{unused}, with its names; given one of several names, delete only that name."

    def snapshot_id(self, content_hash: bytes) -> str:
        """The id of a content; `content_hash`: 32 bytes of SHA-256."""
        return f"{self.prefix}-{content_hash.hex()[:16]}"

    def id_of(self, described: Any) -> str:
        """The id in a record of this kind or in a model that describes one."""
        return str(getattr(described, f"{self.key}_id"))

    def fields(self, record: Record) -> dict[str, Any]:
        """The fields of `summary`."""
        return {name: getattr(record, name) for name in self.summary.model_fields} | {"content_hash": record.content_hash.hex()}  # type: ignore[attr-defined]

    def describe(self, record: Record) -> Summary:
        """A stored snapshot as the API lists it."""
        return self.summary(**self.fields(record))

    def checked_name(self, name: str) -> str:
        """The name under which to store an upload. Raises InvalidRequest if it is missing or cannot be part of an address."""
        name = name.strip()
        if not name:
            raise InvalidRequest(f"the {self.kind} needs a name: add ?name=... to the address")
        if "/" in name or name in (".", ".."):
            slash = f"the name {name!r} cannot be part of an address; remove the slash"
            message = slash if "/" in name else f"{name!r} is not a valid name"
            raise InvalidRequest(message, [{"loc": ["name"], "msg": message, "code": "invalid_name"}])
        return name


# `created_at` of a record is that of the upload under its name.


@dataclass(frozen=True)
class MarketRecord:
    """A stored market without its document, under one of its names."""

    market_no: int
    market_id: str
    name: str
    version: int
    as_of: date
    content_hash: bytes
    fixings_id: str | None
    created_at: datetime


@dataclass(frozen=True)
class PortfolioRecord:
    """A stored portfolio without its positions, under one of its names."""

    portfolio_no: int
    portfolio_id: str
    name: str
    version: int
    content_hash: bytes
    position_count: int
    rejected_count: int
    created_at: datetime


@dataclass(frozen=True)
class ScenarioSetRecord:
    """A stored scenario set without its moves, under one of its names."""

    scenario_set_no: int
    scenario_set_id: str
    name: str
    version: int
    content_hash: bytes
    kind: str
    market_id: str | None
    scenario_count: int
    factor_count: int
    created_at: datetime


@dataclass(frozen=True)
class HistoryRecord:
    """A stored market history without its levels, under one of its names."""

    history_no: int
    history_id: str
    name: str
    version: int
    content_hash: bytes
    factors: list[str]
    first_date: date
    last_date: date
    row_count: int
    created_at: datetime


@dataclass(frozen=True)
class HierarchyRecord:
    """A stored hierarchy without its tree, under one of its names."""

    hierarchy_no: int
    hierarchy_id: str
    name: str
    version: int
    content_hash: bytes
    dimension: Dimension
    created_at: datetime


@dataclass(frozen=True)
class FixingsRecord:
    """A stored table of fixings without its rows, under one of its names."""

    fixings_no: int
    fixings_id: str
    name: str
    version: int
    content_hash: bytes
    indices: list[str]
    first_date: date
    last_date: date
    row_count: int
    created_at: datetime


MARKETS: Final = SnapshotKind(
    "market", "markets", prefix="mkt", table="market_snapshot", key="market", record=MarketRecord, service="market-data",
    route="/snapshots", summary=MarketSnapshot, detail=MarketDetail, used_by="run", document="document",
)  # fmt: skip
PORTFOLIOS: Final = SnapshotKind(
    "portfolio", "portfolios", prefix="pf", table="portfolio_snapshot", key="portfolio", record=PortfolioRecord, service="portfolios",
    route="", summary=PortfolioSnapshot, detail=PortfolioDetail, used_by="run", delete_rows="delete_positions",
)  # fmt: skip
SCENARIO_SETS: Final = SnapshotKind(
    "scenario set", "scenario sets", prefix="scen", table="scenario_set", key="scenario_set", record=ScenarioSetRecord, service="scenarios",
    route="/sets", summary=ScenarioSet, detail=ScenarioSetDetail, used_by="run", document="definition", payload="payload",
)  # fmt: skip
HISTORIES: Final = SnapshotKind(
    "market history", "market histories", prefix="hist", table="market_history", key="history", record=HistoryRecord, service="scenarios",
    route="/histories", summary=MarketHistory, detail=MarketHistoryDetail, payload="payload",
    after_deletion="Scenario sets created from it are kept: they contain their moves.",
)  # fmt: skip
HIERARCHIES: Final = SnapshotKind(
    "hierarchy", "hierarchies", prefix="hier", table="hierarchy", key="hierarchy", record=HierarchyRecord, service="scenarios",
    route="/hierarchies", summary=StoredHierarchy, detail=HierarchyDetail, document="document",
)  # fmt: skip
FIXINGS: Final = SnapshotKind(
    "fixing table", "fixing tables", prefix="fix", table="fixings_snapshot", key="fixings", record=FixingsRecord, service="market-data",
    route="/fixings", summary=FixingTable, detail=FixingTableDetail, used_by="market", payload="payload",
)  # fmt: skip

KINDS: Final[tuple[SnapshotKind[Any, Any, Any], ...]] = (MARKETS, PORTFOLIOS, SCENARIO_SETS, HISTORIES, HIERARCHIES, FIXINGS)
"""All kinds."""
