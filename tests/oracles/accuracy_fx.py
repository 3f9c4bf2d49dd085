"""FX forwards against QuantLib: PV of `FxForward` with DiscountingFxForwardEngine, delivery dates of market tenors by its calendars."""

from typing import Any

import numpy as np
import QuantLib as ql

from pricers import Measure, RowStatus, contracts_of, pricer, value_contracts
from pricers.market.market import Market
from pricers.registry import NO_FIXINGS
from tests.oracles.accuracy_report import Comparison
from tests.oracles.quantlib_terms import date_of, day_of, term_structure
from tests.oracles.random_markets import random_market

VALUATION_DAYS = tuple(np.array(["2024-02-29", "2025-12-31", "2026-03-27"], "datetime64[D]").astype(int).tolist())
CURRENCIES = {"EUR": ql.EURCurrency(), "USD": ql.USDCurrency(), "GBP": ql.GBPCurrency(), "JPY": ql.JPYCurrency(), "KRW": ql.KRWCurrency()}
CALENDARS = {
    "EUR": ("TARGET", ql.TARGET()),
    "USD": ("US_FED", ql.UnitedStates(ql.UnitedStates.FederalReserve)),
    "GBP": ("UK", ql.UnitedKingdom(ql.UnitedKingdom.Settlement)),
    "JPY": ("JP", ql.Japan()),
    "KRW": ("KR", ql.SouthKorea(ql.SouthKorea.Settlement)),
}
TENORS = {
    "1W": (1, ql.Weeks), "2W": (2, ql.Weeks), "1M": (1, ql.Months), "3M": (3, ql.Months), "18M": (18, ql.Months), "5Y": (60, ql.Months),
}  # fmt: skip
PV_TOLERANCE = 1e-10  # of the larger of the two amounts, in quote currency
EXAMPLES_MAX = 5


def compare(contracts: int, seed: int) -> Comparison:
    """Value `contracts` random forwards here and in QuantLib."""
    rng = np.random.default_rng(seed)
    largest, mismatches = 0.0, 0
    examples: list[dict[str, Any]] = []
    statuses: dict[str, int] = {}
    for number, as_of in enumerate(VALUATION_DAYS):
        count = contracts // len(VALUATION_DAYS) + (number < contracts % len(VALUATION_DAYS))
        market = random_market(as_of, currencies=tuple(CURRENCIES), seed=seed + number)
        rows = random_forwards(count, as_of=as_of, market=market, rng=rng)
        spec = pricer("FX_FWD")
        batch = contracts_of(spec.columns, rows)
        valued = value_contracts(spec, batch, market=market, measures=frozenset({Measure.PV}))
        lowered = spec.lower(batch, as_of=as_of, fixings=NO_FIXINGS) if spec.lower else None
        assert lowered is not None, "FX_FWD is a cash-flow product"
        oracle = _Oracle(market)
        for i, row in enumerate(rows):
            delivery, expected = oracle.delivery_and_pv(row)
            status = RowStatus(valued.status[i])
            statuses[status.name] = statuses.get(status.name, 0) + 1
            flows = slice(*lowered.cashflows.flow_offsets[[2 * i, 2 * i + 2]])
            scale = max(abs(row["notional"]) * oracle.spot(row), _quote_amount(row))
            difference = abs(float(valued.values[Measure.PV][i]) - expected) / scale if status == RowStatus.OK else 0.0
            largest = max(largest, difference)
            expected_status = RowStatus.MATURED if delivery < as_of else RowStatus.OK
            if status != expected_status or difference > PV_TOLERANCE or np.any(lowered.cashflows.pay_day[flows] != delivery):
                mismatches += 1
                if len(examples) < EXAMPLES_MAX:
                    pv = float(valued.values[Measure.PV][i])
                    examples.append({**row, "as_of": as_of, "status": status.name, "pv": pv, "quantlib_pv": expected})
    ql.Settings.instance().evaluationDate = ql.Date()
    return Comparison(contracts, largest, mismatches, {"statuses": statuses, "examples": examples})


def random_forwards(count: int, *, as_of: int, market: Market, rng: np.random.Generator) -> list[dict[str, Any]]:
    """Contract rows: dates given or by tenor, rate, amount or both, either direction, delivered and delivering today among them."""
    rows = []
    for _ in range(count):
        base, quote = rng.choice(list(CURRENCIES), 2, replace=False).tolist()
        notional = float(rng.choice([-1.0, 1.0]) * 10.0 ** rng.uniform(3, 9))
        rate = market.fx_to_base[base] / market.fx_to_base[quote] * float(rng.uniform(0.8, 1.2))
        row: dict[str, Any] = {
            "base_currency": base,
            "quote_currency": quote,
            "notional": notional,
            "calendar": "+".join(CALENDARS[currency][0] for currency in (base, quote)),
            "base_discount_curve": f"{base}-{rng.choice(['LINEAR', 'FLAT-FORWARD'])}",
            "quote_discount_curve": f"{quote}-{rng.choice(['LINEAR', 'FLAT-FORWARD'])}",
        }
        terms = rng.integers(3)
        if terms != 1:
            row["contract_rate"] = rate
        if terms != 0:
            row["quote_amount"] = abs(notional) * rate
        if rng.random() < 0.5:
            row["trade_date"] = as_of - int(rng.integers(0, 40))
            row["tenor"] = str(rng.choice(list(TENORS)))
            row["spot_lag"] = int(rng.integers(0, 3))
        else:
            row["delivery_date"] = as_of + int(rng.choice([0, 1, -1, *rng.integers(-30, 3650, 20)]))
            if rng.random() < 0.3:  # not yet fixed, so that its value is that of the deliverable forward
                row |= {"settlement_type": "NON_DELIVERABLE", "fixing_date": row["delivery_date"]}
        rows.append(row)
    return rows


def _quote_amount(row: dict[str, Any]) -> float:
    return float(row.get("quote_amount", abs(row["notional"]) * row.get("contract_rate", 0.0)))


class _Oracle:
    """QuantLib's engines under one market; the spot rate is today's, so forwards settle without lag."""

    def __init__(self, market: Market) -> None:
        self._market = market
        ql.Settings.instance().evaluationDate = date_of(market.as_of)
        self._curves = {curve.name: ql.YieldTermStructureHandle(term_structure(curve, as_of=market.as_of)) for curve in market.curves}

    def spot(self, row: dict[str, Any]) -> float:
        return self._market.fx_to_base[row["base_currency"]] / self._market.fx_to_base[row["quote_currency"]]

    def delivery_and_pv(self, row: dict[str, Any]) -> tuple[int, float]:
        """Delivery day and PV in quote currency; flows on or before the valuation date are worth nothing."""
        delivery = self._delivery(row)
        day = day_of(delivery)
        if day <= self._market.as_of:
            return day, 0.0
        base, quote = CURRENCIES[row["base_currency"]], CURRENCIES[row["quote_currency"]]
        forward = ql.FxForward(abs(row["notional"]), base, _quote_amount(row), quote, delivery, row["notional"] < 0.0, 0, ql.NullCalendar())
        curves = self._curves[row["base_discount_curve"]], self._curves[row["quote_discount_curve"]]
        forward.setPricingEngine(ql.DiscountingFxForwardEngine(*curves, ql.QuoteHandle(ql.SimpleQuote(self.spot(row)))))
        return day, forward.NPV() * self.spot(row)

    def _delivery(self, row: dict[str, Any]) -> ql.Date:
        if "delivery_date" in row:
            return date_of(row["delivery_date"])
        currencies = (row["base_currency"], row["quote_currency"])
        calendar = _joint(*currencies)
        counted_on = _joint(*(currency for currency in currencies if currency != "USD"))
        clear = counted_on.advance(date_of(row["trade_date"]), row["spot_lag"], ql.Days)
        spot = _joint(*currencies, "USD").adjust(clear, ql.Following)
        length, unit = TENORS[row["tenor"]]
        return calendar.advance(spot, length, unit, ql.ModifiedFollowing if unit == ql.Months else ql.Following, unit == ql.Months)


def _joint(*currencies: str) -> ql.Calendar:
    """Holidays of all; crosses settle by way of the dollar, whose holidays before the spot date do not count."""
    return ql.JointCalendar([CALENDARS[currency][1] for currency in currencies], ql.JoinHolidays)
