"""Running every kernel once, so that numba's compilation (or the load from its cache) does not fall into somebody's first run."""

from datetime import date

import numpy as np
import structlog

from pricers.explain import explain
from pricers.measures import Measure
from pricers.registry import pricer
from riskray.demo import demo_market
from riskray.engine.aggregate import roll_up
from riskray.engine.exact_sum import ExactSums
from riskray.engine.shard import value_shard
from riskray.grid import snapshots
from riskray.grid.manifest import package_versions
from riskray.market.build import build_market
from riskray.portfolio.contracts import contracts_from_arrow
from riskray.portfolio.generate import generate_portfolio

POSITIONS = 300
"""Enough of every convention, and of the broken rows, to reach every kernel."""
SEED = 1

_log = structlog.get_logger()


def warm_totals() -> None:
    """Run what adds up a run: all that a coordinator needs."""
    sums = ExactSums(1)
    sums.add(np.zeros(1, np.int64), np.ones(1))
    sums.add_sums(np.zeros(1, np.int64), ExactSums.from_bytes(sums.to_bytes()))
    sums.round()
    package_versions()


def warm_kernels() -> None:
    """Value a small generated portfolio of the built-in products under the demo's market, explain a position of each, add it all up."""
    document = demo_market()
    market = build_market(document, base_currency="USD")
    as_of: date = document.as_of
    sums = []
    for product, table in generate_portfolio(POSITIONS, seed=SEED, as_of=as_of).items():
        positions = snapshots.prepare_positions(table, product=product, first_position_no=0, as_of=market.as_of)
        spec = pricer(product)
        result = value_shard(positions, spec=spec, market=market, measures=frozenset(Measure))
        sums.append(result.sums.to_bytes())
        explain(spec, contracts_from_arrow(spec.columns, table.slice(0, 1)), 0, market=market)
    roll_up(sums)
    _log.info("kernels are warm", positions=POSITIONS)
