"""Messages between the coordinator, the pricer actors and the services: small, picklable values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pyarrow as pa

from pricers.market.factors import Factor


@dataclass(frozen=True)
class ShardReport:
    """An actor's report on one shard; the results are in Postgres."""

    shard_no: int
    committed: bool
    """False: the shard was already committed, and this attempt wrote nothing."""
    ok_count: int
    failed_count: int
    seconds: Mapping[str, float]
    """Seconds by phase: read, lower, value, gather, write."""


class ArrowTables(dict[str, pa.Table]):
    """Tables by name, sent as Arrow streams: for a few rows of many columns this is ten times as fast as pickling each column."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _tables_from_streams, ({name: _stream_of(table) for name, table in self.items()},)


def _stream_of(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def _tables_from_streams(streams: Mapping[str, bytes]) -> ArrowTables:
    return ArrowTables({name: pa.ipc.open_stream(stream).read_all() for name, stream in streams.items()})


@dataclass(frozen=True)
class PricedPositions:
    """Positions priced on request; nothing is stored."""

    results: pa.Table
    """position_id, product and RESULT_SCHEMA, one row per priced position; position_no counts the request's rows, product by product."""
    failures: pa.Table
    """position_id, product and FAILURE_SCHEMA, one row per failed position."""
    market_id: str
    as_of: date
    factors: Mapping[int, Factor]
    """Those that the results name, by number."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _priced_positions, (
            ArrowTables(results=self.results, failures=self.failures),
            self.market_id,
            self.as_of,
            dict(self.factors),
        )


def _priced_positions(tables: ArrowTables, market_id: str, as_of: date, factors: Mapping[int, Factor]) -> PricedPositions:
    return PricedPositions(**tables, market_id=market_id, as_of=as_of, factors=factors)


@dataclass(frozen=True)
class PricerStatus:
    """One pricer actor, observed from outside while it may be busy. The fields below `state` are empty if it did not respond."""

    name: str
    state: str
    """READY, BUSY, UNREACHABLE (starting, restarting or hanging) or ABSENT."""
    pid: int | None = None
    node_id: str | None = None
    work: tuple[int, int, int] | None = None
    """(run_no, epoch, shard_no) of the shard in progress."""
    busy_s: float = 0.0
    shards_done: int = 0
    cache_bytes: int = 0
    resident_bytes: int = 0


@dataclass(frozen=True)
class CoordinatorStatus:
    """The coordinator of this cluster."""

    pid: int
    owner: str
    """New for every start of the process; equals `run.owner` of the runs that it holds."""
    runs: tuple[str, ...]
    """Ids of the runs that it drives."""
    shards_waiting: int
    shards_in_flight: int


@dataclass(frozen=True)
class GridStatus:
    """The whole grid; `coordinator` is None while there is none or it does not respond."""

    coordinator: CoordinatorStatus | None
    pricers: list[PricerStatus] = field(default_factory=list)
