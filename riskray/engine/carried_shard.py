"""A shard of which only some rows were valued anew: the other rows and the sums of an earlier run, put together with the new ones. No I/O.

Sums are exact, so taking the old values of the new rows out of the old sums and adding their new ones gives the bits of valuing all rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pricers.contract.columns import Text
from pricers.market.market import Market
from pricers.measures import SCALAR_MEASURES, Measure
from pricers.status import RowStatus
from riskray.engine.carry import MarketDifference, renumber_curves
from riskray.engine.plan import PositionRange
from riskray.engine.result_schema import FAILURE_SCHEMA, RESULT_SCHEMA
from riskray.engine.shard import ShardPositions, ShardResult, sums_of
from riskray.engine.stored_legs import StoredLegs
from riskray.engine.sums import LadderSums, ShardSums, merge


@dataclass(frozen=True)
class EarlierShard:
    """What an earlier run left of the same positions."""

    numbers: PositionRange
    results: pa.RecordBatch
    """RESULT_SCHEMA, in order of position_no."""
    sums: ShardSums
    market: Market


def carry_all(earlier: EarlierShard, *, market: Market) -> ShardResult:
    """The earlier shard under `market`, which has nothing that its positions depend on changed."""
    difference = MarketDifference(frozenset(), frozenset())
    sums = ShardSums(earlier.sums.groups, earlier.sums.fx, _renumbered(earlier.sums.ladders, earlier.market, market, difference))
    return ShardResult(
        _renumbered_rows(earlier.results, earlier.market, market), pa.RecordBatch.from_pylist([], schema=FAILURE_SCHEMA), sums, {}
    )


def carry_others(
    earlier: EarlierShard,
    *,
    rows: np.ndarray,
    positions: ShardPositions,
    valued: ShardResult,
    market: Market,
    difference: MarketDifference,
    measures: frozenset[Measure],
) -> ShardResult | None:
    """The shard with `rows` as `valued` has them and the others as they were.

    Args:
        earlier: the shard as it was, under its own market.
        rows: increasing numbers in the shard of the positions valued anew: at least all that failed and that depend on the difference.
        positions: these positions, compiled, numbered from 0.
        valued: their result, numbered from 0.
        market: of `valued`.
        difference: between the earlier market and this one.
        measures: of both runs.
    Returns:
        None where a position that had a value has none any more: what it alone gave to the sums cannot be told from a zero.
    """
    status, values, legs = _earlier_valuation(earlier, rows, positions, measures)
    new_numbers = np.asarray(valued.results.column("position_no"))
    had_value = status == int(RowStatus.OK)
    if not np.isin(np.flatnonzero(had_value), new_numbers).all():
        return None
    old_sums = sums_of(positions, values, legs, had_value, market=earlier.market, measures=measures)
    left = merge([earlier.sums, old_sums.negated()])
    left = ShardSums(left.groups, left.fx, _renumbered(left.ladders, earlier.market, market, difference))

    numbers = np.asarray(earlier.results.column("position_no")) - earlier.numbers.first
    kept = earlier.results.filter(pa.array(~np.isin(numbers, rows)))
    place = pa.array((rows[new_numbers] + earlier.numbers.first).astype(np.int32))
    new = pa.RecordBatch.from_arrays([place, *valued.results.columns[1:]], schema=RESULT_SCHEMA)
    results = pa.concat_batches([_renumbered_rows(kept, earlier.market, market), new])
    failed = np.asarray(valued.failures.column("position_no"))
    failures = pa.RecordBatch.from_arrays(
        [pa.array((rows[failed] + earlier.numbers.first).astype(np.int32)), *valued.failures.columns[1:]], schema=valued.failures.schema
    )
    return ShardResult(results.take(pa.array(np.argsort(np.asarray(results.column("position_no"))))), failures,
                       merge([left, valued.sums]), valued.seconds)  # fmt: skip


def _earlier_valuation(
    earlier: EarlierShard, rows: np.ndarray, positions: ShardPositions, measures: frozenset[Measure]
) -> tuple[np.ndarray, dict[Measure, np.ndarray], StoredLegs]:
    """Status, measures and legs of these rows; `positions` only tell the currencies of their legs."""
    assert positions.compiled is not None
    numbers = np.asarray(earlier.results.column("position_no")) - earlier.numbers.first
    stored = np.flatnonzero(np.isin(numbers, rows))
    row_of = np.searchsorted(rows, numbers[stored])
    status = np.full(rows.size, int(RowStatus.NOT_FINITE), np.uint8)
    status[row_of] = int(RowStatus.OK)
    values: dict[Measure, np.ndarray] = {}
    taken = earlier.results.take(pa.array(stored))
    for measure in SCALAR_MEASURES:
        if measure in {*measures, Measure.PV, Measure.PV_BASE}:
            values[measure] = np.full(rows.size, np.nan)
            values[measure][row_of] = taken.column(measure.value).fill_null(np.nan)
    legs = np.zeros(rows.size, np.int64)
    legs[row_of] = np.diff(positions.compiled.leg_offsets)[row_of]
    is_leg = np.repeat(status == int(RowStatus.OK), np.diff(positions.compiled.leg_offsets))
    currency = positions.compiled.leg_currency
    leg_count = int(legs.sum())
    curve = _flat(taken, "leg_curve_nos", np.full(leg_count, -1, np.int16))
    pillars = np.array([each.pillar_days.size for each in earlier.market.curves] + [0], np.int64)
    key_rate = _flat(taken, Measure.KEY_RATE_DV01.value, np.empty(0))
    leg_pillars = pillars[curve] if Measure.KEY_RATE_DV01 in measures else np.zeros(leg_count, np.int64)
    return (
        status,
        values,
        StoredLegs(
            leg_offsets=np.concatenate([np.zeros(1, np.int64), np.cumsum(legs)]),
            leg_currency=Text(currency.codes[is_leg], currency.names),
            leg_curve=curve,
            leg_fx_delta=_flat(taken, "leg_fx_delta", np.zeros(leg_count)),
            key_rate_offsets=np.concatenate([np.zeros(1, np.int64), np.cumsum(leg_pillars)]),
            key_rate_dv01=key_rate,
        ),
    )


def _flat(rows: pa.RecordBatch, name: str, absent: np.ndarray) -> np.ndarray:
    """The elements of a column of lists; `absent` where the run has not asked for it."""
    column = rows.column(name)
    return absent if column.null_count == len(column) else np.asarray(column.flatten())


def _names(market: Market) -> list[str]:
    return [curve.name for curve in market.curves]


def _renumbered_rows(rows: pa.RecordBatch, before: Market, after: Market) -> pa.RecordBatch:
    index = RESULT_SCHEMA.get_field_index("leg_curve_nos")
    if _names(before) == _names(after) or rows.column(index).null_count == rows.num_rows:
        return rows
    legs = renumber_curves(rows.column(index), before=_names(before), after=_names(after))
    return rows.set_column(index, RESULT_SCHEMA.field(index), legs)


def _renumbered(ladders: LadderSums, before: Market, after: Market, difference: MarketDifference) -> LadderSums:
    """Keys by the new market's numbers, without those of curves that differ: what depended on them has been taken out."""
    number_of: Mapping[str, int] = after.curve_index
    names = _names(before)
    kept = [place for place, (_, _, curve) in enumerate(ladders.keys) if names[curve] not in difference.curves]
    if len(kept) == len(ladders.keys) and names == _names(after):
        return ladders
    first = np.concatenate([np.zeros(1, np.int64), np.cumsum(ladders.pillar_counts)])
    buckets = np.concatenate([np.empty(0, np.int64), *(np.arange(first[place], first[place + 1]) for place in kept)])
    keys = [(book, product, number_of[names[curve]]) for book, product, curve in (ladders.keys[place] for place in kept)]
    return LadderSums(keys, ladders.pillar_counts[kept], ladders.sums.taken(buckets))
