"""Runs every kernel once, so that numba's compilation (or the load from its cache) does not slow a user's first run."""

from datetime import date

import numpy as np
import pyarrow as pa
import structlog

from pricers.market.factors import factors_of
from pricers.market.market import Market, Scenarios
from pricers.measures import Measure
from pricers.registry import pricer
from pricers.value.cash_flow_report import explain
from pricers.value.netting import LadderGrid
from pricers.value.pnl_attribution import explain_pnl
from riskray.engine.exact_sum import ExactSums
from riskray.engine.result_schema import ROLLUP_SCHEMA, SENSITIVITY_SCHEMA
from riskray.engine.shard import ShardPositions, ShardResult, value_shard
from riskray.engine.sums import roll_up, shard_sums
from riskray.engine.vectors import merge_netted, net_positions, position_pnl, value_family
from riskray.market.build import build_market
from riskray.portfolio.contracts import contracts_from_arrow
from riskray.portfolio.generate import GENERATED_PRODUCTS, SHARES, generate_portfolio
from riskray.runs import loading as snapshots
from riskray.runs.code_version import package_versions
from riskray.snapshots.demo import demo_market
from riskray.store.binary_copy import encode_rows

POSITIONS = 300
"""Enough positions to include every convention and every kind of broken row, and so reach every kernel."""
OF_EACH_OTHER = 20
"""Positions of a product that is not in the demo's mix."""
SEED = 1
SCENARIOS = 4
BASIS_POINT = 1e-4
FX_MOVED = ("EUR", "GBP")

_log = structlog.get_logger()


def warm_totals() -> None:
    """Run the kernels that add up a run, which are all that a coordinator needs."""
    sums = ExactSums(1)
    sums.add(np.zeros(1, np.int64), np.ones(1))
    sums.add_sums(np.zeros(1, np.int64), ExactSums.from_bytes(sums.to_bytes()))
    sums.round()
    for schema in (ROLLUP_SCHEMA, SENSITIVITY_SCHEMA):
        encode_rows(pa.RecordBatch.from_pylist([], schema=schema))
    package_versions()


def warm_kernels() -> None:
    """Value a small generated portfolio of the built-in products under the demo's market and under scenarios, explain it and add it up."""
    document = demo_market()
    market = build_market(document, base_currency="USD")
    grid = LadderGrid(market=market, scenarios=_every_factor_moved(market))
    as_of: date = document.as_of
    factors = factors_of(market)
    sums = []
    others = sorted(set(GENERATED_PRODUCTS) - set(SHARES))
    tables = generate_portfolio(POSITIONS, seed=SEED, as_of=as_of)
    tables |= generate_portfolio(OF_EACH_OTHER * len(others), seed=SEED, as_of=as_of, shares=dict.fromkeys(others, 1.0 / len(others)))
    for product, table in tables.items():
        positions = snapshots.prepare_positions(table, product=product, first_position_no=0, market=market)
        spec = pricer(product)
        result = value_shard(positions, spec=spec, market=market, measures=frozenset(Measure))
        sums.append(shard_sums(positions, result, factors=factors).to_bytes())
        encode_rows(result.results)
        encode_rows(result.failures)
        contracts = contracts_from_arrow(spec.columns, table)
        explain(spec, contracts, 0, market=market)
        _warm_scenarios(positions, result, grid)
        if positions.compiled is not None and spec.lower is not None:
            known = spec.lower(contracts, as_of=market.as_of, fixings=market.fixings)
            explain_pnl(positions.compiled, positions.compiled, known_t1=known, market_t0=market, market_t1=market)
    roll_up(sums, factors=factors)
    _log.info("kernels are warm", positions=POSITIONS)


def _warm_scenarios(positions: ShardPositions, result: ShardResult, grid: LadderGrid) -> None:
    """Compute P&L of the positions and of their groups."""
    failed = np.asarray(result.failures.column("position_no"), np.int64)
    netted = net_positions(positions, failed=failed, grid=grid, policy="drop_position")
    for family in merge_netted([netted]).families:
        value_family(family, grid=grid)
    priced, pv_base = np.asarray(result.results.column("position_no"), np.int64), np.asarray(result.results.column("pv_base"))
    position_pnl(positions, priced=priced, pv_base=pv_base, grid=grid, policy="drop_position")


def _every_factor_moved(market: Market) -> Scenarios:
    """A few scenarios in which every factor of the market moves."""
    shifts = {curve.name: np.full((curve.pillar_days.size, SCENARIOS), BASIS_POINT) for curve in market.curves}
    return Scenarios(
        count=SCENARIOS, shifts=shifts, credit_spread_shift=np.full(SCENARIOS, BASIS_POINT),
        fx_factors={currency: np.full(SCENARIOS, 1.0 + BASIS_POINT) for currency in FX_MOVED},
        price_factors={name: np.full(SCENARIOS, 1.0 + BASIS_POINT) for name in market.prices},
    )  # fmt: skip
