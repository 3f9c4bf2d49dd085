"""Carrying results from an earlier run: what a run may carry from, and what of a shard has to be valued anew.

A position is carried where it had a value and nothing that it names differs between the two markets; the same code is then bound to give it
the same bits. What follows for sums is in `riskray.engine.carried_shard`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

import riskray
from pricers.market.market import Market
from pricers.measures import Measure
from pricers.registry import PricerSpec
from riskray.config import Settings
from riskray.engine.carried_shard import EarlierShard, carry_all, carry_others
from riskray.engine.carry import MarketDifference, depends_on, market_difference
from riskray.engine.result_schema import RESULT_SCHEMA
from riskray.engine.shard import ShardResult, value_shard
from riskray.engine.sums import ShardSums
from riskray.errors import Conflict, InvalidRequest
from riskray.models.run import Run, RunRequest, RunState
from riskray.portfolio.contracts import contracts_from_arrow
from riskray.runs.loading import find_pricer, prepare_positions
from riskray.runs.manifest import package_versions
from riskray.snapshots.kinds import MarketRecord, PortfolioRecord
from riskray.store.database import Database
from riskray.store.ledger import ClaimedRun, Shard, earlier_results, earlier_shard, failed_position_nos


@dataclass(frozen=True)
class PartlyCarried:
    """A shard, and which of its rows come from the earlier run."""

    result: ShardResult
    position_nos: np.ndarray
    """int64[carried], increasing."""

    def ranges(self) -> list[tuple[int, int]]:
        """The same as ranges [first, end)."""
        numbers = self.position_nos
        breaks = np.flatnonzero(np.diff(numbers) > 1) + 1
        return [(int(part[0]), int(part[-1]) + 1) for part in np.split(numbers, breaks) if part.size]


def require_same_question(base: Run, request: RunRequest, *, market: MarketRecord, portfolio: PortfolioRecord, settings: Settings) -> None:
    """Refuse to carry results that the new run would not have come to by itself.

    Raises Conflict when the base run has no results or was made by other code, InvalidRequest when it asked for something else.
    """
    if base.state not in (RunState.SUCCEEDED, RunState.PARTIAL):
        raise Conflict(f"run {base.run_id} is {base.state.value}; results are carried from a run that is SUCCEEDED or PARTIAL: "
                       "wait for its end, or submit without carry_from")  # fmt: skip
    asked: dict[str, tuple[Any, Any]] = {
        "portfolio": (base.portfolio_id, portfolio.portfolio_id),
        "base_currency": (base.base_currency, request.base_currency),
        "measures": (sorted(base.measures), sorted(set(request.measures))),
        "market": (f"of {base.as_of}", f"of {market.as_of}"),
    }
    different = {name: pair for name, pair in asked.items() if pair[0] != pair[1]}
    if different:
        problems = [
            {"loc": [name], "msg": f"{name} is {now}, but run {base.run_id} has {was}", "code": "not_comparable"}
            for name, (was, now) in different.items()
        ]
        raise InvalidRequest(f"{problems[0]['msg']}; results cannot be carried: submit without carry_from", problems)
    manifest = base.manifest or {}
    was = (manifest.get("versions"), manifest.get("settings", {}).get("pricer_modules"))
    now = ({"riskray": riskray.__version__, **package_versions()}, settings.pricer_modules)
    if was != now:
        raise Conflict(f"run {base.run_id} was made by other code ({was[0]}, pricers {was[1]}) than runs now ({now[0]}, pricers {now[1]}); "
                       "submit without carry_from")  # fmt: skip


def carry_shard(
    database: Database,
    run: ClaimedRun,
    shard: Shard,
    *,
    market: Market,
    measures: frozenset[Measure],
    market_of: Callable[[str], Market],
    table_of: Callable[[], pa.Table],
) -> PartlyCarried | None:
    """The shard with all rows of the earlier run that nothing touches; None where all of it has to be valued.

    Args:
        database, run, shard: whose, with `run.carried_from_run_no`.
        market, measures: of the run.
        market_of: a stored market by id.
        table_of: the shard's contracts; asked for only where they are needed.
    """
    found = earlier_shard(database, run_no=run.carried_from_run_no or 0, numbers=shard.numbers)
    spec = find_pricer(shard.product)
    if found is None or spec is None:
        return None
    before = market if found.market_id == run.market_id else market_of(found.market_id)
    difference = market_difference(before, market)
    touched = np.zeros(shard.numbers.count, np.bool_)
    if found.failed_count:
        failed = failed_position_nos(database, run_no=found.run_no, numbers=shard.numbers)
        touched[np.array(failed, np.int64) - shard.numbers.first] = True
    table = None
    if not difference.is_empty:
        table = table_of()
        touched |= depends_on(difference, spec=spec, contracts=contracts_from_arrow(spec.columns, table))
    # A plain function does not say which currencies its legs had, so their sums cannot be taken out.
    if touched.all() or (touched.any() and spec.lower is None):
        return None
    rows = earlier_results(database, found, numbers=shard.numbers)
    results = pa.RecordBatch.from_arrays([column.combine_chunks() for column in rows.cast(RESULT_SCHEMA).columns], schema=RESULT_SCHEMA)
    earlier = EarlierShard(shard.numbers, results, ShardSums.from_bytes(found.exact_sums), before)
    numbers = np.flatnonzero(touched)
    if not numbers.size:
        return PartlyCarried(carry_all(earlier, market=market), np.asarray(results.column("position_no"), np.int64))
    return _with_new_rows(
        earlier, numbers, table if table is not None else table_of(), spec, market=market, difference=difference, measures=measures
    )


def _with_new_rows(
    earlier: EarlierShard,
    rows: np.ndarray,
    table: pa.Table,
    spec: PricerSpec,
    *,
    market: Market,
    difference: MarketDifference,
    measures: frozenset[Measure],
) -> PartlyCarried | None:
    positions = prepare_positions(table.take(pa.array(rows)), product=spec.product, first_position_no=0, as_of=market.as_of)
    valued = value_shard(positions, spec=spec, market=market, measures=measures)
    result = carry_others(earlier, rows=rows, positions=positions, valued=valued, market=market, difference=difference, measures=measures)
    if result is None:
        return None
    is_new = np.zeros(earlier.numbers.count, np.bool_)
    is_new[rows] = True
    return PartlyCarried(result, np.flatnonzero(~is_new) + earlier.numbers.first)
