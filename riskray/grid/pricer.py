"""The pricer actor: values shards and commits them, prices positions on request, and reloads from Postgres whatever it lacks.

One thread does all the pricing (QuantLib is not thread-safe); a second one returns `status` meanwhile. The class is plain: `pool` makes
it an actor.
"""

import faulthandler
import math
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import ray
import structlog

from pricers.market.factors import Factor, factors_of
from pricers.market.market import Market
from pricers.measures import Measure
from pricers.status import RowStatus
from pricers.time.dates import to_date
from pricers.value.cash_flow_report import explain
from riskray import metrics
from riskray.config import Settings
from riskray.engine.plan import PositionRange
from riskray.engine.result_schema import FAILURE_SCHEMA, RESULT_SCHEMA
from riskray.engine.shard import ShardPositions, ShardResult, failed_shard, value_shard
from riskray.engine.sums import shard_sums
from riskray.engine.vectors import (
    MERGE_PARTITIONS,
    merge_failures,
    merge_families,
    merge_netted,
    net_positions,
    position_pnl,
    split_families,
    value_family,
)
from riskray.errors import Conflict, NotFound, RiskrayError
from riskray.extensions import load_pricers
from riskray.grid import telemetry
from riskray.grid.cache import positions_nbytes
from riskray.grid.messages import ArrowTables, PricedPositions, PricerStatus, ShardReport
from riskray.grid.vector_nets import VectorNets, failure_tables, vector_cells
from riskray.grid.warmup import warm_kernels
from riskray.logs import configure_logs
from riskray.lru_cache import LruCache
from riskray.models.result import ExplainedFlow, ExplainedTerm, Explanation
from riskray.portfolio.contracts import contracts_from_arrow
from riskray.runs import loading
from riskray.runs.isolation import lower_bisecting, value_bisecting
from riskray.runs.pnl import PnlPart, explain_part
from riskray.runs.reuse import PartlyReused, reuse_rows
from riskray.snapshots.kinds import MARKETS
from riskray.store import ledger, snapshots
from riskray.store.database import Database
from riskray.store.health import database_health
from riskray.store.ledger import ClaimedRun, Shard, ShardCommit, ShardContent
from riskray.store.markets import load_market
from riskray.store.portfolios import find_position
from riskray.store.runs import run_keys
from riskray.store.vectors import GroupVectors, PositionVectors
from riskray.tracing import describe_span, span

POSITIONS_BYTES_MAX = 1024**3
"""Compiled positions one actor keeps; a million bonds, spread over two actors, take about half of it each."""
MARKETS_MAX = 32
"""Markets one actor keeps; each is some 100 KB."""
DATABASE_CONNECTIONS = 2
"""One for the shard, one spare while a broken one is replaced."""

CONTROL = "control"
"""Ray concurrency group of the methods that respond while a shard is being valued."""

_log = structlog.get_logger()


class Pricer:
    """One worker of the grid. Methods other than `status` run one at a time."""

    def __init__(self, settings: Settings, name: str, *, leaves_after_idle_s: float | None = None) -> None:
        """Opens nothing yet. Raises StackError when a module of `settings.pricer_modules` cannot be imported.

        `leaves_after_idle_s`: without work for so long, the actor ends for good; None: it stays.
        """
        configure_logs(settings, component="pricer")
        faulthandler.enable()
        pa.set_cpu_count(1)  # an actor has one CPU; more threads would only take it from its neighbours
        self._name = name
        self._database = Database(settings, application_name=f"riskray {name}", pool_size=DATABASE_CONNECTIONS)
        self._positions: LruCache[ShardPositions] = LruCache(budget=POSITIONS_BYTES_MAX, size_of=positions_nbytes)
        self._markets: LruCache[Market] = LruCache(budget=MARKETS_MAX)
        self._market_ids: set[str] = set()
        self._lookups = [telemetry.CacheLookups("positions", self._positions), telemetry.CacheLookups("markets", self._markets)]
        self._vectors = VectorNets(self._database)
        self._work: tuple[int, int, int] | None = None
        self._work_started = 0.0
        self._shards_done = 0
        self._idle_since = time.monotonic()
        load_pricers(settings)
        telemetry.keep_showing(lambda: telemetry.show(metrics.CACHE_BYTES, self._positions.size))
        if leaves_after_idle_s is not None:
            threading.Thread(target=self._leave_when_idle, args=(leaves_after_idle_s,), name="idle", daemon=True).start()

    # ------------------------------------------------------------------------------------------------------------ runs

    def execute(self, run: ClaimedRun, shard: Shard) -> ShardReport:
        """Value a shard and commit it under the run's epoch.

        Raises LeaseLost (another coordinator has the run; nothing was written), StoreUnavailable, and whatever the pricer raises.
        """
        self._work, self._work_started = (run.run_no, run.epoch, shard.shard_no), time.monotonic()
        try:
            with self._busy(), self._observed(run, shard):
                return self._execute(run, shard)
        finally:
            self._work = None

    def _execute(self, run: ClaimedRun, shard: Shard) -> ShardReport:
        started = time.perf_counter()
        market = self._market(run.market_id, run.base_currency)
        seconds = {"read": time.perf_counter() - started, "lower": 0.0}
        measures = frozenset(Measure(name) for name in run.measures)
        table_of = cache(partial(self._table, run, shard))
        reused = self._reused(run, shard, market, measures, table_of, seconds)
        if reused is not None:
            positions, result = _described(table_of(), shard), reused.result
        else:
            try:
                positions = self._load(run, shard, market, seconds)
                result = _value(positions, market, measures)
            except (RiskrayError, MemoryError):
                raise
            except Exception:  # whatever a pricer may raise
                _log.exception("the pricer raised on a batch; its rows are valued in parts", product=shard.product)
                positions = _described(table_of(), shard)
                result = _value_in_parts(table_of(), shard.product, shard.numbers.first, market, measures)
        seconds |= result.seconds
        vectors = None if run.vectors == "none" else self._net_shard(run, shard, result, market, seconds)
        ranges = [] if reused is None else reused.ranges()
        return self._commit(run, shard, positions, result, seconds, factors=factors_of(market), vectors=vectors, reused=ranges)

    def _reused(
        self,
        run: ClaimedRun,
        shard: Shard,
        market: Market,
        measures: frozenset[Measure],
        table_of: Callable[[], pa.Table],
        seconds: dict[str, float],
    ) -> PartlyReused | None:
        if run.reused_from_run_no is None:
            return None
        return reuse_rows(
            self._database, shard.numbers, product=shard.product, from_run_no=run.reused_from_run_no, market=market,
            market_of=lambda market_id: self._market(market_id, run.base_currency), table_of=table_of,
            parts_of=lambda: self._parts(run, shard, np.empty(0, np.int64), market, seconds),
            value=lambda table: _value_table(table, shard.product, 0, market, measures),
        )  # fmt: skip

    def fail_row(self, run: ClaimedRun, shard: Shard, status_name: str, message: str) -> ShardReport:
        """Commit a shard of one position, which ended its worker or did not finish, as failed."""
        seconds: dict[str, float] = {"read": 0.0, "lower": 0.0}
        with self._busy(), self._observed(run, shard):
            positions = _described(self._table(run, shard), shard)
            result = failed_shard(positions, status=RowStatus[status_name], message=message)
            return self._commit(run, shard, positions, result, seconds)

    def _commit(
        self,
        run: ClaimedRun,
        shard: Shard,
        positions: ShardPositions,
        result: ShardResult,
        seconds: dict[str, float],
        *,
        factors: tuple[Factor, ...] = (),
        vectors: PositionVectors | None = None,
        reused: Sequence[tuple[int, int]] = (),
    ) -> ShardReport:
        started = time.perf_counter()
        sums = shard_sums(positions, result, factors=factors).to_bytes()
        seconds["gather"] = seconds.get("gather", 0.0) + time.perf_counter() - started
        started = time.perf_counter()
        content = ShardContent(result.results, result.failures, exact_sums=sums, seconds=seconds, vectors=vectors, reused=reused)
        committed = ShardCommit(
            self._database, run_no=run.run_no, storage_no=run.storage_no, epoch=run.epoch, shard_no=shard.shard_no, content=content
        ).commit()
        seconds["write"] = time.perf_counter() - started
        self._shards_done += 1
        _log.debug("shard done", committed=committed, ok=result.ok_count, failed=result.failed_count, **seconds)
        describe_span(committed=committed, ok=result.ok_count, failed=result.failed_count, **seconds)
        telemetry.count_shard(
            shard.product, committed=committed, ok_count=result.ok_count, failed_count=result.failed_count, seconds=seconds
        )
        return ShardReport(shard.shard_no, committed, result.ok_count, result.failed_count, seconds)

    def _market(self, market_id: str, base_currency: str) -> Market:
        load = partial(load_market, self._database, market_id=market_id, base_currency=base_currency)
        return self._markets.get_or_load((market_id, base_currency), load)

    def _find_market(self, market: str) -> str:
        """Id of a market, by id or name.

        An id means the same content for ever, so the database is asked once; a name may mean another one by now.
        """
        if market in self._market_ids:
            return market
        market_id = snapshots.get(self._database, MARKETS, market).market_id
        self._market_ids.add(market_id)
        return market_id

    def _table(self, run: ClaimedRun, shard: Shard) -> pa.Table:
        return loading.load_table(self._database, portfolio_no=run.portfolio_no, numbers=shard.numbers)

    def _load(self, run: ClaimedRun, shard: Shard, market: Market, seconds: dict[str, float]) -> ShardPositions:
        def load() -> ShardPositions:
            positions, spent = loading.load_positions(
                self._database, portfolio_no=run.portfolio_no, product=shard.product, numbers=shard.numbers, market=market
            )
            for phase, spent_s in spent.items():
                seconds[phase] += spent_s
            return positions

        return self._positions.get_or_load((run.portfolio_id, shard.numbers, run.as_of, market.fixings.content_hash), load)

    # --------------------------------------------------------------------------------------------------------- vectors

    def _net_shard(
        self, run: ClaimedRun, shard: Shard, result: ShardResult, market: Market, seconds: dict[str, float]
    ) -> PositionVectors | None:
        """Net the shard's flows and keep them; the vectors of its positions where the run wants them."""
        started = time.perf_counter()
        failed = np.asarray(result.failures.column("position_no"), np.int64)
        parts = self._parts(run, shard, failed, market, seconds)
        grid = self._vectors.grid(run, market)
        netted = [net_positions(part, failed=_inside(failed, part), grid=grid, policy=run.failure_policy) for part in parts]
        self._vectors.add(run.run_id, shard.shard_no, merge_netted(netted))
        seconds["net"] = time.perf_counter() - started
        if run.vectors != "position":
            return None
        started = time.perf_counter()
        priced, pv_base = np.asarray(result.results.column("position_no"), np.int64), np.asarray(result.results.column("pv_base"))
        pnl = []
        for part in parts:
            rows = slice(*np.searchsorted(priced, [part.numbers.first, part.numbers.end]))
            pnl.append(position_pnl(part, priced=priced[rows], pv_base=pv_base[rows], grid=grid, policy=run.failure_policy))
        seconds["scenarios"] = time.perf_counter() - started
        return PositionVectors(shard.numbers.first, pnl[0] if len(pnl) == 1 else np.concatenate(pnl))

    def _parts(self, run: ClaimedRun, shard: Shard, failed: np.ndarray, market: Market, seconds: dict[str, float]) -> list[ShardPositions]:
        """The shard's positions, as a rule in one part. Nothing of a position that may have ended its worker is looked at again."""
        if failed.size == shard.numbers.count:
            return [_described(self._table(run, shard), shard)]
        try:
            return [self._load(run, shard, market, seconds)]
        except (RiskrayError, MemoryError):
            raise
        except Exception:  # whatever a pricer may raise
            return lower_bisecting(self._table(run, shard), product=shard.product, first_position_no=shard.numbers.first, market=market)

    def net(self, run: ClaimedRun, shards: Sequence[Shard]) -> tuple[Any, ...]:
        """The netted flows of committed shards: one NettedFamily for each of MERGE_PARTITIONS, then ScenarioFailures."""
        with self._busy():
            parts, held = self._vectors.parts(run.run_id, among=(shard.shard_no for shard in shards))
            market = self._market(run.market_id, run.base_currency)
            grid = self._vectors.grid(run, market)
            for shard in shards:
                if shard.shard_no in held:
                    continue
                numbers = ledger.failed_position_nos(self._database, run_no=run.run_no, numbers=shard.numbers)
                failed = np.array(sorted(numbers), np.int64)
                for part in self._parts(run, shard, failed, market, {"read": 0.0, "lower": 0.0}):
                    parts.append(net_positions(part, failed=_inside(failed, part), grid=grid, policy=run.failure_policy))
            merged = merge_netted(parts)
            return (*split_families(merged), merged.failures)

    def write_vectors(self, run: ClaimedRun, piece: int, part_count: int, *parts: Any) -> int:
        """Merge the parts of one of MERGE_PARTITIONS, value them and write its vectors; and the scenario failures after the parts, if any.

        Returns the number of positions, those dropped included. Raises LeaseLost.
        """
        with self._busy():
            family = merge_families(parts[:part_count])
            values = value_family(family, grid=self._vectors.grid(run, self._market(run.market_id, run.base_currency)))
            failures = merge_failures(parts[part_count:]) if parts[part_count:] else None
            ledger.write_run_vectors(
                self._database, run_no=run.run_no, epoch=run.epoch,
                vectors=GroupVectors(vector_cells(MERGE_PARTITIONS[piece][0], family), values.pv_base, values.pnl),
                failures=None if failures is None else failure_tables(failures),
            )  # fmt: skip
            return int(family.ok_counts.sum() + family.dropped_counts.sum())

    @ray.method(concurrency_group=CONTROL)
    def netted_shards(self, run_id: str) -> frozenset[int]:
        """Shards of a run whose netted flows are kept here; responds while a shard is being valued."""
        self._idle_since = max(self._idle_since, time.monotonic())
        return self._vectors.shard_nos(run_id)

    # --------------------------------------------------------------------------------------------------------- on request

    def price(self, tables: Mapping[str, pa.Table], market: str, base_currency: str, measures: frozenset[Measure]) -> PricedPositions:
        """Price positions, given as one checked table a product, under a stored market (id or name). Nothing is stored.

        Raises NotFound for the market, InvalidRequest for the base currency.
        """
        market_id = self._find_market(market)
        view = self._market(market_id, base_currency)
        results, failures = [RESULT_SCHEMA_NAMED.empty_table()], [FAILURE_SCHEMA_NAMED.empty_table()]
        first = 0
        for product, table in tables.items():
            result = _value_table(table, product, first, view, measures)
            results.append(_named(result.results, table, product, first, RESULT_SCHEMA_NAMED))
            failures.append(_named(result.failures, table, product, first, FAILURE_SCHEMA_NAMED))
            first += table.num_rows
        priced = pa.concat_tables(results)
        return PricedPositions(priced, pa.concat_tables(failures), market_id, to_date(view.as_of), _factors_in(priced, view))

    def explain(self, run_id: str, position_id: str) -> Explanation:
        """The value of one position under a run's market, flow by flow.

        Raises NotFound, and Conflict for a position that has no value or is no sum of cash flows.
        """

        keys = run_keys(self._database, run_id=run_id)
        found = find_position(self._database, portfolio_no=keys["portfolio_no"], position_id=position_id, within=f"run {run_id}")
        table = loading.load_table(self._database, portfolio_no=keys["portfolio_no"], numbers=PositionRange(found["position_no"], 1))
        spec = loading.find_pricer(found["product"])
        if spec is None:
            raise NotFound("product", found["product"])
        if spec.lower is None:
            raise Conflict(f"position {position_id!r}: product {spec.product} is not a sum of cash flows, so there are none to show")
        market = self._market(keys["market_id"], keys["base_currency"])
        explained = explain(spec, contracts_from_arrow(spec.columns, table), 0, market=market)
        status = RowStatus(explained.status)
        if status is not RowStatus.OK:
            raise Conflict(f"position {position_id!r} has no value: {status.message} ({status.name}); {status.remedy}")
        return Explanation(
            run_id=run_id, position_id=position_id, product=spec.product, base_currency=keys["base_currency"], pv_base=explained.pv_base,
            flows=[
                ExplainedFlow(**{name: getattr(flow, name) for name in ExplainedFlow.model_fields}
                              | {"terms": [ExplainedTerm(**vars(term)) for term in flow.terms]})
                for flow in explained.flows
            ],
        )  # fmt: skip

    def explain_pnl(self, part: PnlPart) -> ArrowTables:
        """Why the values of positions changed between two runs; see `riskray.runs.pnl`."""
        with self._busy():
            return ArrowTables(explain_part(self._database, part, load_market=self._market))

    # ------------------------------------------------------------------------------------------------------------- control

    def warm(self) -> None:
        """Compile (or load from the cache) every kernel and open the database, so that the first run is as fast as the next.

        Raises StoreUnavailable.
        """
        with self._busy():
            warm_kernels()
            database_health(self._database)

    @ray.method(concurrency_group=CONTROL)
    def status(self, *, reserve: bool = False) -> PricerStatus:
        """What the actor is doing; responds while a shard is being valued unless that holds the interpreter's lock.

        `reserve`: work is about to come, so an idle actor shall not leave now.
        """
        if reserve:
            self._idle_since = max(self._idle_since, time.monotonic())
        work, started = self._work, self._work_started
        return PricerStatus(
            name=self._name,
            state="READY" if work is None else "BUSY",
            pid=os.getpid(),
            node_id=ray.get_runtime_context().get_node_id() if ray.is_initialized() else None,
            work=work,
            busy_s=0.0 if work is None else time.monotonic() - started,
            shards_done=self._shards_done,
            cache_bytes=self._positions.size,
            resident_bytes=psutil.Process().memory_info().rss,
        )

    def __repr__(self) -> str:
        """The actor's name in Ray's dashboard and logs."""
        return self._name

    @contextmanager
    def _observed(self, run: ClaimedRun, shard: Shard) -> Iterator[None]:
        """Log lines, a span and the metrics of one shard."""
        core_s = time.process_time()
        with (
            structlog.contextvars.bound_contextvars(run_id=run.run_id, shard_no=shard.shard_no, epoch=run.epoch),
            span(
                "shard", parent=run.traceparent, run_id=run.run_id, shard_no=shard.shard_no, product=shard.product, rows=shard.numbers.count
            ),
        ):
            yield
        telemetry.count(metrics.CORE_SECONDS, time.process_time() - core_s, product=shard.product)
        for lookups in self._lookups:
            lookups.record()

    @contextmanager
    def _busy(self) -> Iterator[None]:
        self._idle_since = math.inf
        try:
            yield
        finally:
            self._idle_since = time.monotonic()

    def _leave_when_idle(self, idle_s: float) -> None:
        """Runs in a thread of its own."""
        while (idle := time.monotonic() - self._idle_since) < idle_s:
            time.sleep(min(idle_s, idle_s - idle))
        _log.info("no work for a while; leaving", pricer=self._name, idle_s=idle_s)
        ray.kill(ray.get_runtime_context().current_actor, no_restart=True)


RESULT_SCHEMA_NAMED = pa.schema([pa.field("position_id", pa.string()), pa.field("product", pa.string()), *RESULT_SCHEMA])
FAILURE_SCHEMA_NAMED = pa.schema([pa.field("position_id", pa.string()), pa.field("product", pa.string()), *FAILURE_SCHEMA])


def _described(table: pa.Table, shard: Shard) -> ShardPositions:
    """Book and currency of the shard's positions, without their terms."""
    return loading.describe_positions(table, product=shard.product, first_position_no=shard.numbers.first)


def _value(positions: ShardPositions, market: Market, measures: frozenset[Measure]) -> ShardResult:
    spec = loading.find_pricer(positions.product)
    if spec is None:
        return failed_shard(positions, status=RowStatus.UNSUPPORTED_PRODUCT)
    return value_shard(positions, spec=spec, market=market, measures=measures)


def _inside(numbers: np.ndarray, part: ShardPositions) -> np.ndarray:
    """Those of some sorted position numbers that lie in a part of the shard."""
    inside: np.ndarray = numbers[slice(*np.searchsorted(numbers, [part.numbers.first, part.numbers.end]))]
    return inside


def _factors_in(results: pa.Table, market: Market) -> dict[int, Factor]:
    """The factors that result rows name, by number."""
    factors = factors_of(market)
    numbers = {number for row in results.column("factor_nos").to_pylist() for number in row or ()}
    return {number: factors[number] for number in sorted(numbers)}


def _value_table(table: pa.Table, product: str, first: int, market: Market, measures: frozenset[Measure]) -> ShardResult:
    try:
        return _value_part(table, first, product=product, market=market, measures=measures)
    except (RiskrayError, MemoryError):
        raise
    except Exception:  # whatever a pricer may raise
        return _value_in_parts(table, product, first, market, measures)


def _value_in_parts(table: pa.Table, product: str, first: int, market: Market, measures: frozenset[Measure]) -> ShardResult:
    part = partial(_value_part, product=product, market=market, measures=measures)
    return value_bisecting(table, product=product, first_position_no=first, value_part=part)


def _value_part(table: pa.Table, first: int, *, product: str, market: Market, measures: frozenset[Measure]) -> ShardResult:
    return _value(loading.prepare_positions(table, product=product, first_position_no=first, market=market), market, measures)


def _named(rows: pa.RecordBatch, table: pa.Table, product: str, first: int, schema: pa.Schema) -> pa.Table:
    numbers = np.asarray(rows.column("position_no")) - first
    identities = [table.column("position_id").combine_chunks().take(pa.array(numbers)), pa.array([product] * rows.num_rows, pa.string())]
    return pa.Table.from_arrays([*identities, *rows.columns], schema=schema)
