"""Valuation of compiled cash flows under one market: all measures of all rows in one pass over the flows.

A flow is worth weight × factor, the factor being its node's (see `core/nodes.py`). Each leg's flows are added in order of payment and by
themselves, so a row's numbers do not depend, to the last bit, on the batch that the row came in.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, no_type_check

import numpy as np
from jaxtyping import Float, Int16, Int64, UInt8

from pricers.core.binding import Binding, bind_market
from pricers.core.compiled import Compiled
from pricers.core.nodes import CREDIT, FACTOR, LEFT, NARROW, PARALLEL, PILLAR, RIGHT, SECOND, TOMORROW, NodeTable, node_table
from pricers.kernels.jit import kernel
from pricers.kernels.prefetch import prefetch
from pricers.kernels.vector_math import exp
from pricers.market.curves import DAYS_PER_YEAR
from pricers.market.market import CurveKind, Market
from pricers.measures import FX_SHIFT, PRICE_SHIFT, SCALAR_MEASURES, Measure
from pricers.status import RowStatus
from pricers.value.further_measures import further_measures
from pricers.value.row_layout import RowLayout, row_layout
from pricers.value.yields import YIELD_MEASURES, yield_measures

ALL_MEASURES: frozenset[Measure] = frozenset(Measure)
_OK = int(RowStatus.OK)
_NOT_FINITE = int(RowStatus.NOT_FINITE)
_LADDERS: Final = frozenset(CurveKind)
_LEGS_AHEAD: Final = 3
_LINE: Final = 8  # numbers in a cache line


@dataclass(frozen=True)
class Valuation:
    """Measures of a batch under one market. `isnan(pv) == (status != OK)` holds for every row.

    Sensitivities are in base currency, by factor (see `factors.factors_of`): the row's factors in increasing number, each once, and of each
    its buckets in order. Curves have a number for each pillar, present value after +1 bp on the pillar less before; a foreign currency has
    one, present value after +1 % on its price less before.
    """

    status: UInt8[np.ndarray, " row"]
    """RowStatus."""
    messages: Mapping[int, str]
    """Row -> what the pricer itself said, for the few rows that have more to say than their status."""
    values: Mapping[Measure, Float[np.ndarray, " row"]]
    """The requested scalar measures, PV and PV_BASE always; NaN where a measure does not apply to the product or the row failed."""
    factor_offsets: Int64[np.ndarray, " row_plus_one"]
    """Row i has entries factor_offsets[i]:factor_offsets[i + 1]; failed rows have none."""
    factor_nos: Int16[np.ndarray, " entry"]
    """Numbers of factors: curves where KEY_RATE_DV01 was asked for, foreign currencies where FX_DELTA was."""
    bucket_offsets: Int64[np.ndarray, " entry_plus_one"]
    """Entry e has sensitivities[bucket_offsets[e]:bucket_offsets[e + 1]]."""
    sensitivities: Float[np.ndarray, " bucket"]


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
    binding = bind_market(compiled, market=market)
    table = node_table(compiled, binding=binding, market=market)
    status = row_status(compiled, binding)
    has_ladders = Measure.KEY_RATE_DV01 in measures
    layout = row_layout(
        compiled,
        binding=binding,
        market=market,
        is_ok=status == _OK,
        kinds=_LADDERS if has_ladders else frozenset(),
        currencies=Measure.FX_DELTA in measures,
        prices=has_ladders,
    )
    sensitivities = np.zeros(layout.bucket_count)
    legs = _value_legs(compiled, binding=binding, table=table, market=market, layout=layout, has_ladders=has_ladders, out=sensitivities)
    values = _row_values(compiled, binding=binding, legs=legs, status=status, market=market, layout=layout, out=sensitivities)
    messages = dict(compiled.messages)
    if compiled.price_terms is not None and measures & YIELD_MEASURES:
        prices, of_solver = yield_measures(compiled, table=table, status=status)
        values.update({measure: numbers for measure, numbers in prices.items() if measure in compiled.measures})
        messages |= of_solver
    if compiled.weighted_average_life is not None:
        values[Measure.WEIGHTED_AVERAGE_LIFE] = np.where(status == _OK, compiled.weighted_average_life, np.nan)
    values |= further_measures(compiled, binding=binding, market=market, leg_values=legs[:, 0], status=status, wanted=measures)
    missing = np.full(compiled.row_count, np.nan)
    wanted = (measures & frozenset(SCALAR_MEASURES)) | {Measure.PV, Measure.PV_BASE}
    return _without_failed(
        Valuation(
            status=status,
            messages=messages,
            values={measure: values.get(measure, missing) for measure in SCALAR_MEASURES if measure in wanted},
            factor_offsets=layout.factor_offsets,
            factor_nos=layout.factor_nos,
            bucket_offsets=layout.bucket_offsets,
            sensitivities=sensitivities,
        )
    )


def row_status(compiled: Compiled, binding: Binding) -> UInt8[np.ndarray, " row"]:
    """The contract's own status, else what the row's first troubled leg lacks, else OK."""
    status = compiled.status.copy()
    status[(status == _OK) & np.isnan(binding.native_fx)] = RowStatus.MISSING_FX
    if np.any(binding.status != _OK):
        _first_leg_trouble(compiled.leg_offsets, binding.status[compiled.leg_set], status)
    return status


@kernel
@no_type_check
def _first_leg_trouble(leg_offsets, leg_status, status):
    for row in range(status.size):
        for leg in range(leg_offsets[row], leg_offsets[row + 1]):
            if status[row] == _OK:
                status[row] = leg_status[leg]


def _value_legs(
    compiled: Compiled, *, binding: Binding, table: NodeTable, market: Market, layout: RowLayout, has_ladders: bool, out: np.ndarray
) -> Float[np.ndarray, "leg 4"]:
    """Sums over the flows of each leg in its currency, NaN where the leg could not be bound: its value, what +1 bp on rates and on credit
    change it by, and its value tomorrow."""
    order = compiled.sets.leg_order
    sets = compiled.leg_set[order]
    legs = np.empty((sets.size, 4))
    own = compiled.sets.own_sign.astype(np.float64)[sets] * compiled.leg_credit_spread[order]
    arguments = (order, compiled.flow_offsets, compiled.flow_node, compiled.weight, table.values)
    if not has_ladders:
        _sum_flows(*arguments, own, legs)
        return legs
    rows = compiled.stored_rows
    has_row = np.diff(layout.factor_offsets)[rows] > 0
    is_plain = bool(np.all(compiled.nodes.points_in_row == 1))
    _sum_flows_and_ladders(
        is_plain, *arguments, own, table.bucket_offsets, table.bucket_pillar, table.bucket_change, binding.fx[sets],
        np.where(has_row, layout.row_start[rows], -1), compiled.rows.leg_place[order], layout.place_offsets, layout.place_curve,
        layout.place_start, market.tables.offsets, np.zeros(int(market.tables.offsets[-1]) + 1),
        legs, out,
    )  # fmt: skip
    return legs


@kernel
@no_type_check
def _sum_flows(order, flow_offsets, flow_node, weight, table, own, legs):
    for i in range(order.size):
        value = up = wider = later = 0.0
        for flow in range(flow_offsets[i], flow_offsets[i + 1]):
            node, x = flow_node[flow], weight[flow]
            value += x * table[node, FACTOR]
            up += x * table[node, PARALLEL]
            wider += x * table[node, CREDIT]
            later += x * table[node, TOMORROW]
        _write_leg(legs, order[i], value, up, wider, later, own[i])


@kernel
@no_type_check
def _write_leg(legs, leg, value, up, wider, later, own):
    # The weights hold exp(-spread × time); a day later there is a day less of it.
    later = later * exp(own / DAYS_PER_YEAR) if own != 0.0 else later
    legs[leg, 0], legs[leg, 1], legs[leg, 2], legs[leg, 3] = value, up, wider, later


@kernel
@no_type_check
def _add_plain(first_flow, end, flow_node, weight, table, ladder):
    """Sums of a leg's flows, and its ladder, where every node has one point on a curve."""
    value = up = wider = later = 0.0
    for flow in range(first_flow, end):
        node, x = flow_node[flow], weight[flow]
        value += x * table[node, FACTOR]
        up += x * table[node, PARALLEL]
        wider += x * table[node, CREDIT]
        later += x * table[node, TOMORROW]
        pillar = int(table[node, PILLAR])
        ladder[pillar] += x * table[node, LEFT]
        ladder[pillar + 1] += x * table[node, RIGHT]
    return value, up, wider, later


@kernel
@no_type_check
def _add_any(first_flow, end, flow_node, weight, table, bucket_offsets, bucket_pillar, bucket_change, ladder):
    """The same for nodes of any number of points."""
    value = up = wider = later = 0.0
    is_wide = table.shape[1] > NARROW
    for flow in range(first_flow, end):
        node, x = flow_node[flow], weight[flow]
        value += x * table[node, FACTOR]
        up += x * table[node, PARALLEL]
        wider += x * table[node, CREDIT]
        later += x * table[node, TOMORROW]
        if table[node, PILLAR] >= 0.0:
            pillar = int(table[node, PILLAR])
            ladder[pillar] += x * table[node, LEFT]
            ladder[pillar + 1] += x * table[node, RIGHT]
            if is_wide and table[node, PILLAR + SECOND] >= 0.0:
                pillar = int(table[node, PILLAR + SECOND])
                ladder[pillar] += x * table[node, LEFT + SECOND]
                ladder[pillar + 1] += x * table[node, RIGHT + SECOND]
        else:
            for bucket in range(bucket_offsets[node], bucket_offsets[node + 1]):
                ladder[bucket_pillar[bucket]] += x * bucket_change[bucket]
    return value, up, wider, later


@kernel
@no_type_check
def _sum_flows_and_ladders(
    is_plain, order, flow_offsets, flow_node, weight, table, own, bucket_offsets, bucket_pillar, bucket_change, fx, row_start, leg_place,
    place_offsets, place_curve, place_start, first_pillar, ladder, legs, out,
):  # fmt: skip
    """Legs are in the order of storage, but for those of `legs`. `ladder` has a place for each pillar of the market and one more; it is
    zero between legs."""
    for i in range(order.size):
        ahead = row_start[min(i + _LEGS_AHEAD, order.size - 1)]
        if ahead >= 0:  # rows lie anywhere, and a store that waits for its line keeps later flows waiting
            prefetch(out, ahead)
            prefetch(out, min(ahead + _LINE, out.size - 1))
        first_flow, end = flow_offsets[i], flow_offsets[i + 1]
        if is_plain:
            value, up, wider, later = _add_plain(first_flow, end, flow_node, weight, table, ladder)
        else:
            value, up, wider, later = _add_any(
                first_flow, end, flow_node, weight, table, bucket_offsets, bucket_pillar, bucket_change, ladder
            )
        _write_leg(legs, order[i], value, up, wider, later, own[i])
        if row_start[i] < 0 or not np.isfinite(value):  # the row fails, and its ladder can hold what is no number anywhere
            ladder[:] = 0.0
            continue
        place, rate = leg_place[i], fx[i]
        for entry in range(place_offsets[place], place_offsets[place + 1]):
            at = row_start[i] + place_start[entry]
            first, last = first_pillar[place_curve[entry]], first_pillar[place_curve[entry] + 1]
            for pillar in range(first, last):
                out[at + pillar - first] += ladder[pillar] * rate
                ladder[pillar] = 0.0


def _row_values(
    compiled: Compiled, *, binding: Binding, legs: np.ndarray, status: np.ndarray, market: Market, layout: RowLayout, out: np.ndarray
) -> dict[Measure, np.ndarray]:
    names = (Measure.PV, Measure.PV_BASE, Measure.DV01, Measure.CS01, Measure.THETA_1D, Measure.FX_DELTA)
    values = {measure: np.empty(compiled.row_count) for measure in names}
    currencies = [market.currency_of(unit) for unit in compiled.leg_currency.names]
    is_foreign = np.array([*(currency != market.base_currency for currency in currencies), False])[compiled.leg_currency.codes]
    _sum_legs(
        compiled.leg_offsets, legs, binding.fx[compiled.leg_set], is_foreign,
        binding.native_fx, layout.row_start, layout.place_currency[compiled.rows.leg_place], status,
        *(values[measure] for measure in names), out,
    )  # fmt: skip
    if np.any(layout.price_start >= 0):
        _add_price_sensitivities(compiled, legs[:, 0] * binding.fx[compiled.leg_set], status, layout, out)
    if Measure.CS01 not in compiled.measures:
        del values[Measure.CS01]
    return values


def _add_price_sensitivities(
    compiled: Compiled, leg_base: Float[np.ndarray, " leg"], status: np.ndarray, layout: RowLayout, out: np.ndarray
) -> None:
    """What a move of each price changes the legs by that count its security, or one of which it is the benchmark."""
    row, place = compiled.row_of_leg, compiled.rows.leg_place
    for start, beta in zip(layout.price_start.T, layout.price_beta.T, strict=True):
        legs = np.flatnonzero((start[place] >= 0) & (status[row] == _OK))
        np.add.at(out, layout.row_start[row[legs]] + start[place[legs]], PRICE_SHIFT * beta[place[legs]] * leg_base[legs])


@kernel
@no_type_check
def _sum_legs(
    leg_offsets, legs, fx, is_foreign, native_fx, row_start, leg_currency_bucket, status,
    pv, pv_base, dv01, cs01, theta, fx_delta, out,
):  # fmt: skip
    for row in range(status.size):
        native = base = up = wider = later = foreign = 0.0
        for leg in range(leg_offsets[row], leg_offsets[row + 1]):
            leg_base = legs[leg, 0] * fx[leg]
            native += legs[leg, 0] * (fx[leg] / native_fx[row])
            base += leg_base
            up += legs[leg, 1] * fx[leg]
            wider += legs[leg, 2] * fx[leg]
            later += (legs[leg, 3] - legs[leg, 0]) * fx[leg]
            if is_foreign[leg]:
                foreign += FX_SHIFT * leg_base
                if leg_currency_bucket[leg] >= 0 and status[row] == _OK:
                    out[row_start[row] + leg_currency_bucket[leg]] += FX_SHIFT * leg_base
        if status[row] == _OK and not (
            np.isfinite(native) and np.isfinite(base) and np.isfinite(up) and np.isfinite(wider) and np.isfinite(later)
        ):
            status[row] = _NOT_FINITE
        if status[row] != _OK:
            native = base = up = wider = later = foreign = np.nan
        pv[row], pv_base[row], dv01[row], cs01[row], theta[row], fx_delta[row] = native, base, up, wider, later, foreign


def _without_failed(valuation: Valuation) -> Valuation:
    """Drop the sensitivities of rows that turned out to have no finite value."""
    counts = np.diff(valuation.factor_offsets)
    failed = (valuation.status != _OK) & (counts > 0)
    if not failed.any():
        return valuation
    keep = np.repeat(~failed, counts)
    sizes = np.diff(valuation.bucket_offsets)
    return replace(
        valuation,
        factor_offsets=_offsets(np.where(failed, 0, counts)),
        factor_nos=valuation.factor_nos[keep],
        bucket_offsets=_offsets(sizes[keep]),
        sensitivities=valuation.sensitivities[np.repeat(keep, sizes)],
    )


def _offsets(counts: np.ndarray) -> np.ndarray:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])
