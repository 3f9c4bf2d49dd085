"""Valuation of compiled cash flows under one market: all measures of all rows in one pass over the flows.

A flow is worth weight × factor, the factor being its node's (see `core/nodes.py`). Each leg's flows are added in order of payment and by
themselves, so a row's numbers do not depend, to the last bit, on the batch that the row came in.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import no_type_check

import numpy as np
from jaxtyping import Float, Int16, Int64, UInt8

from pricers.contract.columns import Text
from pricers.core.compiled import Compiled
from pricers.core.nodes import FACTOR, KEY_RATE_LEFT, KEY_RATE_RIGHT, LEFT, PARALLEL, TOMORROW, Binding, bind, node_table
from pricers.kernels.jit import kernel
from pricers.market.curves import DAYS_PER_YEAR
from pricers.market.market import Market
from pricers.measures import FX_SHIFT, SCALAR_MEASURES, Measure
from pricers.status import RowStatus
from pricers.value.yields import YIELD_MEASURES, yield_measures

ALL_MEASURES: frozenset[Measure] = frozenset(Measure)
_OK = int(RowStatus.OK)
_NOT_FINITE = int(RowStatus.NOT_FINITE)


@dataclass(frozen=True)
class Valuation:
    """Measures of a batch under one market. `isnan(pv) == (status != OK)` holds for every row."""

    status: UInt8[np.ndarray, " row"]
    """RowStatus."""
    messages: Mapping[int, str]
    """Row -> what the pricer itself said, for the few rows that have more to say than their status."""
    values: Mapping[Measure, Float[np.ndarray, " row"]]
    """The requested scalar measures, PV and PV_BASE always; NaN where a measure does not apply to the product or the row failed."""
    leg_offsets: Int64[np.ndarray, " row_plus_one"]
    """Row i has legs leg_offsets[i]:leg_offsets[i + 1]; failed rows have none."""
    leg_currency: Text
    """[leg]."""
    leg_curve: Int16[np.ndarray, " leg"]
    """Position of the leg's discount curve in `Market.discount_curves`; -1 where the pricer did not say."""
    leg_fx_delta: Float[np.ndarray, " leg"]
    """Base-currency PV change for +1 % in the leg's currency; 0 for the base currency."""
    key_rate_offsets: Int64[np.ndarray, " leg_plus_one"]
    key_rate_dv01: Float[np.ndarray, " bucket"]
    """Base currency; for each leg, one number for each pillar of its discount curve. Empty unless KEY_RATE_DV01 was asked for."""


@dataclass(frozen=True)
class _LegValues:
    """Sums over the flows of each leg, in the leg's currency; NaN where the leg could not be bound."""

    pv: np.ndarray
    parallel: np.ndarray
    tomorrow: np.ndarray
    key_rate_offsets: np.ndarray
    key_rate: np.ndarray
    """In base currency already."""


def value_cashflows(compiled: Compiled, *, market: Market, measures: frozenset[Measure] = ALL_MEASURES) -> Valuation:
    """Value a compiled batch.

    Args:
        compiled: from `compile_contracts`, for the market's date.
        market: curves and exchange rates.
        measures: what to compute; PV and PV_BASE come always.
    Returns:
        One result a row. Rows whose market data are missing, or whose value is not finite, have a status and NaN.
    Raises:
        ValueError: the batch was compiled for another date.
    """
    binding = bind(compiled, market=market)
    table = node_table(compiled, binding=binding, market=market)
    status = row_status(compiled, binding)
    legs = _value_legs(compiled, binding=binding, table=table, market=market, key_rates=Measure.KEY_RATE_DV01 in measures)
    values, leg_fx_delta = _row_values(compiled, binding=binding, legs=legs, status=status, market=market)
    messages: dict[int, str] = {}
    if compiled.price_terms is not None and measures & YIELD_MEASURES:
        prices, messages = yield_measures(compiled, table=table, status=status)
        values.update(prices)
    if compiled.weighted_average_life is not None:
        values[Measure.WEIGHTED_AVERAGE_LIFE] = np.where(status == _OK, compiled.weighted_average_life, np.nan)
    missing = np.full(compiled.row_count, np.nan)
    wanted = (measures & frozenset(SCALAR_MEASURES)) | {Measure.PV, Measure.PV_BASE}
    leg_curve = binding.discount_curve.astype(np.int16)[compiled.leg_group]
    return _without_failed_legs(
        Valuation(
            status=status,
            messages=messages,
            values={measure: values.get(measure, missing) for measure in SCALAR_MEASURES if measure in wanted},
            leg_offsets=compiled.leg_offsets,
            leg_currency=compiled.leg_currency,
            leg_curve=leg_curve,
            leg_fx_delta=leg_fx_delta,
            key_rate_offsets=legs.key_rate_offsets,
            key_rate_dv01=legs.key_rate,
        )
    )


def row_status(compiled: Compiled, binding: Binding) -> UInt8[np.ndarray, " row"]:
    """The contract's own status, else what the row's first troubled leg lacks, else OK."""
    status = compiled.status.copy()
    status[(status == _OK) & np.isnan(binding.native_fx)] = RowStatus.MISSING_FX
    if np.any(binding.status != _OK):
        _first_leg_trouble(compiled.leg_offsets, binding.status[compiled.leg_group], status)
    return status


@kernel
@no_type_check
def _first_leg_trouble(leg_offsets, leg_status, status):
    for row in range(status.size):
        for leg in range(leg_offsets[row], leg_offsets[row + 1]):
            if status[row] == _OK:
                status[row] = leg_status[leg]


def _value_legs(compiled: Compiled, *, binding: Binding, table: np.ndarray, market: Market, key_rates: bool) -> _LegValues:
    leg_count = compiled.leg_group.size
    pillars = np.diff(market.discount_tables.offsets) if key_rates else np.zeros(len(market.discount_curves), np.int64)
    leg_pillars = np.append(pillars, 0)[binding.discount_curve[compiled.leg_group]]
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(leg_pillars, dtype=np.int64)])
    pv, parallel, tomorrow = np.empty(leg_count), np.empty(leg_count), np.empty(leg_count)
    key_rate = np.empty(offsets[-1])
    ladder = np.zeros(int(pillars.max(initial=0)) + 2)
    arguments = (compiled.flow_offsets, compiled.flow_node, compiled.weight, table, compiled.leg_credit_spread)
    if key_rates:
        _sum_flows_and_key_rates(*arguments, binding.fx[compiled.leg_group], offsets, ladder, pv, parallel, tomorrow, key_rate)
    else:
        _sum_flows(*arguments, pv, parallel, tomorrow)
    return _LegValues(pv, parallel, tomorrow, offsets, key_rate)


@kernel
@no_type_check
def _sum_flows(flow_offsets, flow_node, weight, table, credit_spread, pv, parallel, tomorrow):
    for leg in range(pv.size):
        value = up = later = 0.0
        for flow in range(flow_offsets[leg], flow_offsets[leg + 1]):
            node, x = flow_node[flow], weight[flow]
            value += x * table[node, FACTOR]
            up += x * table[node, PARALLEL]
            later += x * table[node, TOMORROW]
        pv[leg], parallel[leg] = value, up
        # The weights hold exp(-spread × time); a day later there is a day less of it.
        tomorrow[leg] = later * np.exp(credit_spread[leg] / DAYS_PER_YEAR) if credit_spread[leg] != 0.0 else later


@kernel
@no_type_check
def _sum_flows_and_key_rates(
    flow_offsets, flow_node, weight, table, credit_spread, fx, key_rate_offsets, ladder, pv, parallel, tomorrow, key_rate
):
    for leg in range(pv.size):
        value = up = later = 0.0
        first = key_rate_offsets[leg]
        pillars = key_rate_offsets[leg + 1] - first
        for flow in range(flow_offsets[leg], flow_offsets[leg + 1]):
            node, x = flow_node[flow], weight[flow]
            value += x * table[node, FACTOR]
            up += x * table[node, PARALLEL]
            later += x * table[node, TOMORROW]
            left = int(table[node, LEFT]) if pillars > 0 else 0
            ladder[left] += x * table[node, KEY_RATE_LEFT]
            ladder[left + 1] += x * table[node, KEY_RATE_RIGHT]
        pv[leg], parallel[leg] = value, up
        tomorrow[leg] = later * np.exp(credit_spread[leg] / DAYS_PER_YEAR) if credit_spread[leg] != 0.0 else later
        for pillar in range(pillars):
            key_rate[first + pillar] = ladder[pillar] * fx[leg]
        ladder[: max(pillars, 1) + 1] = 0.0


def _row_values(
    compiled: Compiled, *, binding: Binding, legs: _LegValues, status: np.ndarray, market: Market
) -> tuple[dict[Measure, np.ndarray], np.ndarray]:
    rows = compiled.row_count
    names = (Measure.PV, Measure.PV_BASE, Measure.DV01, Measure.THETA_1D, Measure.FX_DELTA)
    values = {measure: np.empty(rows) for measure in names}
    leg_fx_delta = np.empty(legs.pv.size)
    is_foreign = np.array([*(name != market.base_currency for name in compiled.leg_currency.names), False])[compiled.leg_currency.codes]
    _sum_legs(
        compiled.leg_offsets, legs.pv, legs.parallel, legs.tomorrow, binding.fx[compiled.leg_group], is_foreign, binding.native_fx, status,
        *(values[measure] for measure in names), leg_fx_delta,
    )  # fmt: skip
    if compiled.has_credit_spread:
        # A zero spread enters exactly where a zero rate does, so 1 bp of either changes the value by the same amount.
        values[Measure.CS01] = values[Measure.DV01].copy()
    return values, leg_fx_delta


@kernel
@no_type_check
def _sum_legs(
    leg_offsets, leg_pv, leg_parallel, leg_tomorrow, fx, is_foreign, native_fx, status, pv, pv_base, dv01, theta, fx_delta, leg_fx_delta
):
    for row in range(status.size):
        native = base = up = later = foreign = 0.0
        for leg in range(leg_offsets[row], leg_offsets[row + 1]):
            leg_base = leg_pv[leg] * fx[leg]
            native += leg_pv[leg] * (fx[leg] / native_fx[row])
            base += leg_base
            up += leg_parallel[leg] * fx[leg]
            later += (leg_tomorrow[leg] - leg_pv[leg]) * fx[leg]
            leg_fx_delta[leg] = FX_SHIFT * leg_base if is_foreign[leg] else 0.0
            foreign += leg_fx_delta[leg]
        if status[row] == _OK and not (np.isfinite(native) and np.isfinite(base) and np.isfinite(up) and np.isfinite(later)):
            status[row] = _NOT_FINITE
        if status[row] != _OK:
            native = base = up = later = foreign = np.nan
        pv[row], pv_base[row], dv01[row], theta[row], fx_delta[row] = native, base, up, later, foreign


def _without_failed_legs(valuation: Valuation) -> Valuation:
    """Drop the legs of rows that failed."""
    failed = valuation.status != _OK
    if not failed.any():
        return valuation
    legs_of_row = np.diff(valuation.leg_offsets)
    keep_leg = np.repeat(~failed, legs_of_row)
    buckets_of_leg = np.diff(valuation.key_rate_offsets)
    return Valuation(
        status=valuation.status,
        messages=valuation.messages,
        values=valuation.values,
        leg_offsets=_offsets(np.where(failed, 0, legs_of_row)),
        leg_currency=Text(valuation.leg_currency.codes[keep_leg], valuation.leg_currency.names),
        leg_curve=valuation.leg_curve[keep_leg],
        leg_fx_delta=valuation.leg_fx_delta[keep_leg],
        key_rate_offsets=_offsets(buckets_of_leg[keep_leg]),
        key_rate_dv01=valuation.key_rate_dv01[np.repeat(keep_leg, buckets_of_leg)],
    )


def _offsets(counts: np.ndarray) -> np.ndarray:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])
