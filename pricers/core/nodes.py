"""One market at the nodes of a compiled batch: everything about a (curves, day) that any measure of any flow needs.

A node is one row of a table, 64 bytes wide, so that a flow reads one cache line for all its measures.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, no_type_check

import numpy as np
from jaxtyping import Float, Int32, UInt8

from pricers.core.compiled import Compiled
from pricers.kernels.jit import kernel
from pricers.market.curves import DAYS_PER_YEAR, gained, next_segment, segment_gains
from pricers.market.market import Market
from pricers.measures import BASIS_POINT
from pricers.status import RowStatus

FACTOR: Final = 0
"""Discount factor × spread factor."""
PARALLEL: Final = 1
"""Change of the factor for +1 bp on every zero rate, and just as well for +1 bp on every spread."""
TOMORROW: Final = 2
"""The factor a day later: the same curves, one day less to go."""
KEY_RATE_LEFT: Final = 3
"""Change of the factor for +1 bp on pillar LEFT of the discount curve."""
KEY_RATE_RIGHT: Final = 4
"""The same for pillar LEFT + 1."""
LEFT: Final = 5
EXPONENT: Final = 6
"""-ln(factor)."""
DISCOUNT_FACTOR: Final = 7
"""Of the discount curve alone."""
WIDTH: Final = 8


@dataclass(frozen=True)
class Binding:
    """Where a batch finds its market data."""

    discount_curve: Int32[np.ndarray, " group"]
    """Position in `Market.discount_curves`, -1 where the market has none of that name."""
    spread_curve: Int32[np.ndarray, " group"]
    """Position in `Market.spread_curves`, -1 for none."""
    status: UInt8[np.ndarray, " group"]
    """RowStatus: what the group lacks, or OK."""
    fx: Float[np.ndarray, " group"]
    """Price of the group's currency in base currency, NaN where the market has none."""
    native_fx: Float[np.ndarray, " row"]
    """The same for the currency of the row's PV."""


def bind(compiled: Compiled, *, market: Market) -> Binding:
    """Look the batch's curve and currency names up in a market, each distinct name once.

    Raises:
        ValueError: the batch was compiled for another date than the market's.
    """
    if compiled.as_of != market.as_of:
        raise ValueError(
            f"the contracts were compiled for day {compiled.as_of} and the market is of day {market.as_of}: compile them again"
        )
    discount = _lookup(compiled.leg_discount_curve.names, market.discount_curve_index)[compiled.group_discount_curve]
    spread = _lookup(compiled.leg_spread_curve.names, market.spread_curve_index)[compiled.group_spread_curve]
    fx = _rates(compiled.leg_currency.names, market)[compiled.group_currency]
    status = np.full(discount.size, RowStatus.OK, np.uint8)
    currencies = (*compiled.leg_currency.names, None)
    for group, curve in enumerate(discount.tolist()):
        if curve >= 0 and market.discount_curves[curve].currency != currencies[compiled.group_currency[group]]:
            status[group] = RowStatus.CURVE_CURRENCY_MISMATCH
    status[np.isnan(fx)] = RowStatus.MISSING_FX
    status[(spread < 0) & (compiled.group_spread_curve >= 0)] = RowStatus.MISSING_SPREAD_CURVE
    status[discount < 0] = RowStatus.MISSING_CURVE
    native_fx = _rates(compiled.native_currency.names, market)[compiled.native_currency.codes]
    return Binding(discount_curve=discount, spread_curve=spread, status=status, fx=fx, native_fx=native_fx)


def _lookup(names: tuple[str, ...], index: Mapping[str, int]) -> np.ndarray:
    """Position of each name, -1 where there is none; one more -1 at the end, where code -1 (null) looks."""
    return np.array([*(index.get(name, -1) for name in names), -1], np.int32)


def _rates(names: tuple[str, ...], market: Market) -> np.ndarray:
    """Price of each currency in base currency; NaN where there is none and, at the end, for null."""
    prices = [1.0 if name == market.base_currency else market.fx_to_base.get(name, np.nan) for name in names]
    return np.array([*prices, np.nan], np.float64)


def node_table(compiled: Compiled, *, binding: Binding, market: Market) -> Float[np.ndarray, "node 8"]:
    """Evaluate the market at every node; nodes of groups without their curves are NaN."""
    table = np.empty((compiled.node_day.size, WIDTH))
    _fill_nodes(
        compiled.node_offsets,
        compiled.node_day,
        binding.discount_curve,
        binding.spread_curve,
        binding.status == RowStatus.MISSING_SPREAD_CURVE,
        market.discount_tables,
        market.spread_tables,
        table,
    )
    return table


@kernel
@no_type_check
def _fill_nodes(node_offsets, node_day, discount_curve, spread_curve, spread_missing, discount_tables, spread_tables, table):
    for group in range(node_offsets.size - 1):
        curve, spread = discount_curve[group], spread_curve[group]
        if curve < 0 or spread_missing[group]:
            for node in range(node_offsets[group], node_offsets[group + 1]):
                table[node, :] = np.nan
                table[node, LEFT] = 0.0  # an index must stay one
            continue
        segment = discount_tables.offsets[curve]
        spread_segment = spread_tables.offsets[max(spread, 0)]
        for node in range(node_offsets[group], node_offsets[group + 1]):
            day = node_day[node]  # in order within a group
            discounting_before, segment = _rate_time_in_order(day - 1, segment, curve, discount_tables)
            segment = next_segment(day, segment, curve, discount_tables)
            left, gain_left, gain_right = segment_gains(day, segment, curve, discount_tables)
            discounting = gained(left, gain_left, gain_right, curve, discount_tables)
            exponent = discounting
            tomorrow = discounting_before
            if spread >= 0:
                spread_before, spread_segment = _rate_time_in_order(day - 1, spread_segment, spread, spread_tables)
                spreading, spread_segment = _rate_time_in_order(day, spread_segment, spread, spread_tables)
                exponent += spreading
                tomorrow += spread_before
            if day == 0:
                tomorrow = 0.0
            factor = np.exp(-exponent)
            table[node, FACTOR] = factor
            table[node, PARALLEL] = factor * np.expm1(-BASIS_POINT * (day / DAYS_PER_YEAR))
            table[node, TOMORROW] = np.exp(-tomorrow)
            table[node, KEY_RATE_LEFT] = factor * np.expm1(-BASIS_POINT * gain_left)
            table[node, KEY_RATE_RIGHT] = factor * np.expm1(-BASIS_POINT * gain_right)
            table[node, LEFT] = left
            table[node, EXPONENT] = exponent
            table[node, DISCOUNT_FACTOR] = np.exp(-discounting)


@kernel
@no_type_check
def _rate_time_in_order(day, segment, curve, tables):
    """Zero rate × time, and the segment, of a day that is not before the one of the given segment."""
    segment = next_segment(day, segment, curve, tables)
    left, gain_left, gain_right = segment_gains(day, segment, curve, tables)
    return gained(left, gain_left, gain_right, curve, tables), segment
