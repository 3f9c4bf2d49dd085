"""Swaps of named conventions against QuantLib's VanillaSwap and OvernightIndexedSwap, on the indices that ship."""

from typing import Any

import numpy as np
import QuantLib as ql

from pricers import Curve, CurveKind, Market, Measure, RowStatus, contracts_of, pricer, value_contracts
from pricers.market.conventions import SWAP_CONVENTIONS, SwapConvention, SwapKind
from pricers.market.indices import STANDARD_INDICES, IndexKind
from tests.oracles import quantlib_terms as terms
from tests.oracles.quantlib_curves import calendar_of, index_of

_PILLARS = np.array([91, 365, 1826, 3652, 10957], np.int32)
_NOTIONAL = 1e7
_RATE = 0.027


def differences_of_conventions(as_of: str) -> dict[str, float]:
    """Largest difference of a convention's swaps of one and of seven years, as a fraction of notional. They start spot."""
    day = int(np.datetime64(as_of, "D").astype(np.int64))
    ql.Settings.instance().evaluationDate = terms.date_of(day)
    conventions = [convention for convention in SWAP_CONVENTIONS.values() if convention.kind is SwapKind.FIXED_FLOAT]
    names = {index.name: index.currency for index in STANDARD_INDICES.values() if index.kind in (IndexKind.TERM, IndexKind.OVERNIGHT)}
    rates = 0.02 + 0.002 * np.arange(_PILLARS.size)
    curves = tuple(
        Curve(name, CurveKind.RATE, currency, "LOG_LINEAR_DISCOUNT", tuple(map(str, _PILLARS)), _PILLARS, rates + 0.0007 * number)
        for number, (name, currency) in enumerate(names.items())
    )
    currencies = {convention.legs[0].currency for convention in conventions}
    market = Market(day, "EUR", curves, dict.fromkeys({*currencies, "EUR"}, 1.0))
    handles = {curve.name: ql.YieldTermStructureHandle(terms.term_structure(curve, as_of=day)) for curve in curves}
    swaps = [(convention, years) for convention in conventions for years in (1, 7)]
    rows, expected = [], []
    for number, (convention, years) in enumerate(swaps):
        start = calendar_of(convention.spot_calendar).advance(terms.date_of(day), convention.spot_lag, ql.Days)
        maturity = start + ql.Period(years, ql.Years)
        discount = next(index.name for index in STANDARD_INDICES.values()
                        if index.kind is IndexKind.OVERNIGHT and index.currency == convention.legs[0].currency)  # fmt: skip
        sign = 1.0 - 2.0 * (number % 2)
        rows.append({
            "currency": convention.legs[0].currency, "notional": sign * _NOTIONAL, "convention": convention.name, "fixed_rate": _RATE,
            "start_date": terms.day_of(start), "maturity_date": terms.day_of(maturity), "discount_curve": discount,
        })  # fmt: skip
        expected.append(_value(convention, start, maturity, sign, handles, discount))
    valuation = value_contracts("INTEREST_RATE_SWAP", contracts_of(pricer("INTEREST_RATE_SWAP").columns, rows), market=market)
    ql.Settings.instance().evaluationDate = ql.Date()
    assert valuation.status.tolist() == [RowStatus.OK] * len(rows)
    found: dict[str, float] = {}
    for (convention, _), pv, theirs in zip(swaps, valuation.values[Measure.PV].tolist(), expected, strict=True):
        found[convention.name] = max(found.get(convention.name, 0.0), abs(pv - theirs) / _NOTIONAL)
    return found


def _value(convention: SwapConvention, start: Any, maturity: Any, sign: float, handles: dict[str, Any], discount: str) -> float:
    floating = convention.legs[1]
    assert floating.index is not None
    schedules = [
        ql.Schedule(
            start, maturity, terms.FREQUENCIES[leg.frequency][0], calendar_of(leg.calendar), terms.CONVENTIONS[leg.accrual_convention],
            terms.CONVENTIONS[leg.accrual_convention], ql.DateGeneration.Backward, leg.end_of_month,
        )
        for leg in convention.legs
    ]  # fmt: skip
    index = index_of(floating.index, handles[floating.index])
    kind = ql.Swap.Receiver if sign > 0.0 else ql.Swap.Payer
    counters = [terms.day_counter(leg.day_count, maturity=0, calendar="", schedule=None) for leg in convention.legs]
    if STANDARD_INDICES[floating.index].kind is IndexKind.OVERNIGHT:
        swap = ql.OvernightIndexedSwap(
            kind, _NOTIONAL, schedules[0], _RATE, counters[0], index, 0.0, floating.payment_lag,
            terms.CONVENTIONS[floating.payment_convention], calendar_of(floating.calendar),
        )  # fmt: skip
    else:
        swap = ql.VanillaSwap(
            kind, _NOTIONAL, schedules[0], _RATE, counters[0], schedules[1], index, 0.0, counters[1],
            paymentConvention=terms.CONVENTIONS[floating.payment_convention],
        )  # fmt: skip
    swap.setPricingEngine(ql.DiscountingSwapEngine(handles[discount], False))
    return float(swap.NPV())
