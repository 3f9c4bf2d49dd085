"""CROSS_CURRENCY_SWAP against QuantLib.

Constant notionals: `ConstNotionalCrossCurrencySwap` of QuantLib's coupons and exchanges. Resetting ones: the sum of QuantLib's coupons at
the forward exchange rate of each period, for any terms, and `MtMCrossCurrencyBasisSwap` where its terms can say the contract.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
import QuantLib as ql

from pricers import Curve, CurveKind, Market, Measure, RowStatus, contracts_of, pricer, value_contracts
from pricers.flows.swap_legs import LEGS, PREFIXES
from pricers.market.fixings import Fixings, FixingSeries
from pricers.market.indices import Index, IndexKind
from tests.oracles import accuracy_bonds
from tests.oracles import quantlib_terms as terms
from tests.oracles.accuracy_report import Comparison
from tests.oracles.accuracy_swaps import REFUSED, Tally, random_leg
from tests.oracles.quantlib_floating import INDICES, FloatingOracle
from tests.oracles.quantlib_swaps import leg_terms, quantlib_coupons, quantlib_exchanges

PRODUCT: Final = "CROSS_CURRENCY_SWAP"
CONTRACTS_PER_DATE: Final = 500
_DATES: Final = ("2025-12-31", "2026-03-16", "2026-08-05", "2027-10-29")
CURRENCIES: Final = ("EUR", "USD")
_TERM: Final = {"EUR": ("TERM-3M", "TERM-6M"), "USD": ("USD-TERM-3M", "USD-TERM-1M")}
_OVERNIGHT: Final = {"EUR": ("OVERNIGHT-TARGET",), "USD": ("USD-OVERNIGHT",)}
FX_CALENDAR: Final = "TARGET+US_FED"
_FX: Final = {
    "EUR-USD": Index("EUR-USD", IndexKind.FX, "EUR", fixing_lag=2, fixing_calendar=FX_CALENDAR, quote_currency="USD"),
    "USD-EUR": Index("USD-EUR", IndexKind.FX, "USD", fixing_lag=1, fixing_calendar=FX_CALENDAR, quote_currency="EUR"),
}
_RATES: Final = {name: INDICES[name] for name in (*_TERM["EUR"], *_OVERNIGHT["EUR"])} | {
    name: replace(INDICES[like], name=name, currency="USD", forecast_curve=name)
    for name, like in (("USD-TERM-3M", "TERM-3M"), ("USD-TERM-1M", "TERM-1M"), ("USD-OVERNIGHT", "OVERNIGHT-US"))
}
_FIXINGS_FROM_DAYS: Final = 3_600
_SPOT: Final = 1.1


def random_market(as_of: int, *, rng: np.random.Generator) -> Market:
    """Two discount curves a currency, a curve and fixings for each index; exchange rates are fixed daily, on some dates today's too."""
    like = accuracy_bonds.random_market(as_of, rng=rng).curves[0]
    names = [(f"{currency}-{number}", currency) for currency in CURRENCIES for number in range(2)]
    names += [(name, index.currency) for name, index in _RATES.items()]
    curves = tuple(
        Curve(name, CurveKind.RATE, currency, ("LINEAR_ZERO", "LOG_LINEAR_DISCOUNT")[number % 2], like.pillar_labels, like.pillar_days,
              like.zero_rates + rng.uniform(-0.01, 0.02))
        for number, (name, currency) in enumerate(names)
    )  # fmt: skip
    until, series = as_of + int(rng.integers(2)), {}
    for name, index in (_RATES | _FX).items():
        calendar = terms.CALENDARS[index.fixing_calendar]
        days = [day for day in range(as_of - _FIXINGS_FROM_DAYS, until) if calendar.isBusinessDay(terms.date_of(day))]
        walk = np.cumsum(rng.normal(0.0, 0.0003, len(days)))
        level = 0.03 if name in _RATES else {"EUR-USD": _SPOT, "USD-EUR": 1.0 / _SPOT}[name]
        series[name] = FixingSeries(np.array(days, np.int32), level + walk)
    return Market(as_of, "EUR", curves, {"EUR": 1.0, "USD": 1.0 / _SPOT}, Fixings(series, _RATES | _FX))


def random_swap(as_of: int, *, rng: np.random.Generator) -> dict[str, Any]:
    """Terms of one swap, seasoned or forward-starting, its legs fixed, term or overnight, with constant or resetting notionals."""
    choose = rng.choice
    start = as_of - int(rng.integers(-400, 3_000))
    maturity = max(start + int(rng.integers(60, 5_000)), as_of + int(rng.integers(-20, 400)))
    receive, pay = CURRENCIES if rng.random() < 0.5 else CURRENCIES[::-1]
    resetting = str(choose(["NONE", "RECEIVE", "PAY"]))
    notional = float(choose([-1.0, 1.0]) * rng.uniform(1e4, 1e8))
    contract: dict[str, Any] = {
        "receive_leg_currency": receive,
        "pay_leg_currency": pay,
        "notional": notional,
        "pay_leg_notional": abs(notional) * float(rng.uniform(0.8, 1.2)),
        "start_date": start,
        "maturity_date": maturity,
        "resetting_leg": resetting,
        "receive_leg_discount_curve": f"{receive}-{rng.integers(2)}",
        "pay_leg_discount_curve": f"{pay}-{rng.integers(2)}",
        **{f"{name}_exchange": bool(rng.random() < 0.8) for name in ("initial", "intermediate", "final")},
    }
    kinds = choose(["fixed", "term", "overnight"], 2, p=[0.2, 0.4, 0.4]).tolist()
    size = abs(notional)
    for prefix, kind, currency in zip(PREFIXES, kinds, (receive, pay), strict=True):
        leg = random_leg(contract, kind, notional=size, rng=rng, term_indices=_TERM[currency], overnight_indices=_OVERNIGHT[currency])
        if resetting != "NONE":
            leg.pop("notional_dates", None), leg.pop("notional_amounts", None)
        contract |= {prefix + name: value for name, value in leg.items()}
    lags = [contract[f"{prefix}payment_lag"] for prefix in PREFIXES]
    contract["notional_payment_lag"] = int(rng.integers(0, min(lags) + 1)) if rng.random() < 0.3 else 0
    if resetting != "NONE":
        contract["fx_reset_index"] = str(choose(list(_FX)))
        if rng.random() < 0.3:
            contract["fx_reset_lag"], contract["fx_reset_calendar"] = int(rng.integers(0, 4)), "TARGET+US_FED"
        if rng.random() < 0.25:
            contract["current_fx_fixing"] = float(rng.uniform(0.8, 1.2))
        if rng.random() < 0.4:
            _make_representable(contract, rng=rng)
    return contract


def _make_representable(contract: dict[str, Any], *, rng: np.random.Generator) -> None:
    """Let the terms be those that QuantLib's class of resetting swaps has: two floating legs that exchange all notionals."""
    contract["notional_payment_lag"] = 0
    contract |= {f"{name}_exchange": True for name in ("initial", "intermediate", "final")}
    contract.pop("current_fx_fixing", None)
    for prefix, currency in zip(PREFIXES, (contract["receive_leg_currency"], contract["pay_leg_currency"]), strict=True):
        for name in [
            name for name in contract if name.startswith(prefix) and name[len(prefix) :] not in ("currency", "notional", "discount_curve")
        ]:
            del contract[name]
        index = _RATES[str(rng.choice([*_TERM[currency], *_OVERNIGHT[currency]]))]
        leg = {
            "index": index.name, "spread": float(rng.uniform(-0.002, 0.002)), "frequency": str(rng.choice(["QUARTERLY", "SEMIANNUAL"])),
            "day_count": index.day_count, "roll_rule": str(rng.choice(["BACKWARD", "FORWARD"])), "end_of_month": False,
            "calendar": FX_CALENDAR, "accrual_convention": "MODIFIED_FOLLOWING", "payment_convention": "FOLLOWING",
            "payment_lag": int(rng.choice([0, 2])),
        }  # fmt: skip
        contract |= {prefix + name: value for name, value in leg.items()}
    contract["is_representable"] = True


class CrossCurrencyOracle:
    """QuantLib under one market, whose curves are the handles of `rates` and whose exchange rates `set_fx` moves."""

    def __init__(self, market: Market, rates: FloatingOracle | None = None) -> None:
        self.market, self.rates = market, rates or FloatingOracle(market)
        self._spots: dict[tuple[str, str], Any] = {}
        self.today = terms.date_of(market.as_of)
        ql.ExchangeRateManager.instance().clear()

    def set_fx(self, fx_to_base: Mapping[str, float]) -> None:
        """Move the exchange rates that instruments read."""
        for (base, quote), value in self._spots.items():
            value.setValue(fx_to_base[base] / fx_to_base[quote])

    def spot(self, base: str, quote: str) -> float:
        """Units of `quote` for one of `base`."""
        return self.market.fx(base) / self.market.fx(quote)

    def value(self, contract: dict[str, Any]) -> tuple[float, bool]:
        """Value in the receive leg's currency of what is received if `notional` is positive, and whether any flow is ahead."""
        resetting = {"NONE": -1, "RECEIVE": 0, "PAY": 1}[contract["resetting_leg"]]
        legs = [self._leg(contract, number, is_reset=number == resetting) for number in range(LEGS)]
        is_ahead = any(flow.date() > self.today for leg in legs for flow in leg)
        if not is_ahead:
            return 0.0, False
        return float(self._of_legs(contract, legs).NPV()), True

    def swap(self, contract: dict[str, Any]) -> Any:
        """The instrument of a swap with constant notionals; notional positive."""
        return self._of_legs(contract, [self._leg(contract, number, is_reset=False) for number in range(LEGS)])

    def _of_legs(self, contract: dict[str, Any], legs: list[list[Any]]) -> Any:
        pair = [_currency(contract[f"{prefix}currency"]) for prefix in PREFIXES]
        legs = [leg or [ql.SimpleCashFlow(0.0, self.today)] for leg in legs]  # QuantLib refuses a leg that has paid everything
        swap = ql.ConstNotionalCrossCurrencySwap(legs[1], pair[1], legs[0], pair[0])  # pays the first leg
        swap.setPricingEngine(
            ql.DiscountingConstNotionalCrossCurrencySwapEngine(*self._engine_terms(contract), spotFXSettleDate=self.today)
        )  # fmt: skip
        return swap

    def _leg(self, contract: dict[str, Any], number: int, *, is_reset: bool) -> list[Any]:
        """One leg as if it were received. Raises RuntimeError if QuantLib refuses it."""
        leg = leg_terms(contract, PREFIXES[number])
        own = abs(contract["notional"]) if number == 0 else contract["pay_leg_notional"]
        other = contract["pay_leg_notional"] if number == 0 else abs(contract["notional"])
        coupons, nominals = quantlib_coupons(leg, notional=other if is_reset else own, oracle=self.rates, market=self.market)
        dates = list(accuracy_bonds.quantlib_schedule(leg).dates())
        calendar, lag = terms.CALENDARS[leg["calendar"]], contract["notional_payment_lag"]
        convention = terms.CONVENTIONS[leg["payment_convention"]]
        days = [
            calendar.advance(calendar.adjust(day, convention), lag, ql.Days) if lag else calendar.adjust(day, convention) for day in dates
        ]
        kinds = {name: contract[f"{name}_exchange"] for name in ("initial", "intermediate", "final")}
        if not is_reset:
            return coupons + quantlib_exchanges(coupons, nominals, first_day=days[0], days=days[1:], **kinds)
        flows: list[Any] = []
        for k, coupon in enumerate(coupons):
            if max(coupon.date(), days[k + 1]) <= self.today:
                continue
            rate = self._reset_rate(contract, number, dates[k], dates[k + 1])
            is_last = k == len(coupons) - 1
            flows += [ql.SimpleCashFlow(rate * coupon.amount(), coupon.date())] if coupon.date() > self.today else []
            flows += [ql.SimpleCashFlow(-rate * nominals[k], days[k])] if kinds["initial" if k == 0 else "intermediate"] else []
            flows += [ql.SimpleCashFlow(rate * nominals[k], days[k + 1])] if kinds["final" if is_last else "intermediate"] else []
        return flows

    def _reset_rate(self, contract: dict[str, Any], number: int, start: Any, end: Any) -> float:
        """Resetting per constant currency."""
        resets, constant = (contract[f"{PREFIXES[each]}currency"] for each in (number, 1 - number))
        if "current_fx_fixing" in contract and start <= self.today < end:
            return float(contract["current_fx_fixing"])
        fixing_day, value = self._fixing(contract, start)
        if fixing_day <= self.today and np.isfinite(value):
            return value if self.market.fixings.indices[contract["fx_reset_index"]].currency == constant else 1.0 / value
        curves = [self.rates.curves[contract[f"{PREFIXES[each]}discount_curve"]] for each in (number, 1 - number)]
        return self.spot(constant, resets) * float(curves[1].discount(start) / curves[0].discount(start))

    def resetting_swap(self, contract: dict[str, Any]) -> Any:
        """QuantLib's own class, whose value is in the receive leg's currency; notional positive."""
        resetting = 0 if contract["resetting_leg"] == "RECEIVE" else 1
        base = [contract[f"{prefix}currency"] for prefix in PREFIXES].index("EUR")  # EUR is the base of the pair
        arguments: list[Any] = []
        lags = []
        for number in (base, 1 - base):
            leg = leg_terms(contract, PREFIXES[number])
            index, schedule = self.rates.index(leg["index"], leg["index"], self.market), accuracy_bonds.quantlib_schedule(leg)
            size = abs(contract["notional"]) if number == 0 else contract["pay_leg_notional"]
            arguments += [size, _currency(leg["currency"]), schedule, index, leg["spread"], 1.0]
            lags.append(leg["payment_lag"])
            if number == resetting:
                for date in list(schedule.dates())[:-1]:
                    self._add_rate(contract, date)
        kinds = (ql.MtMCrossCurrencyBasisSwap.ReceiveFxBaseCurrency, ql.MtMCrossCurrencyBasisSwap.PayFxBaseCurrency)
        swap = ql.MtMCrossCurrencyBasisSwap(
            kinds[base], *arguments, resetting == base, fxResetFixingDays=self._reset_lag(contract),
            fxResetFixingCalendar=terms.CALENDARS[FX_CALENDAR], fxBasePaymentLag=lags[0], fxQuotePaymentLag=lags[1],
        )  # fmt: skip
        swap.setPricingEngine(ql.DiscountingMtMCrossCurrencyBasisSwapEngine(*self._engine_terms(contract), spotFXSettleDate=self.today))
        return swap

    def _engine_terms(self, contract: dict[str, Any]) -> list[Any]:
        """Currencies and curves of both legs, the price of the pay leg's currency, and that flows of today have no value."""
        receive, pay = (contract[f"{prefix}currency"] for prefix in PREFIXES)
        handles = [self.rates.handles[contract[f"{prefix}discount_curve"]] for prefix in PREFIXES]
        spot = self._spots.setdefault((pay, receive), ql.SimpleQuote(self.spot(pay, receive)))
        return [_currency(receive), handles[0], _currency(pay), handles[1], ql.QuoteHandle(spot), False]

    def _add_rate(self, contract: dict[str, Any], start: Any) -> None:
        name, (fixing_day, value) = contract["fx_reset_index"], self._fixing(contract, start)
        if np.isfinite(value):
            index = self.market.fixings.indices[name]
            rate = ql.ExchangeRate(_currency(index.currency), _currency(index.quote_currency), value)
            ql.ExchangeRateManager.instance().add(rate, fixing_day, fixing_day)

    def _fixing(self, contract: dict[str, Any], start: Any) -> tuple[Any, float]:
        """The day on which the rate of a period that starts on a day is fixed, and what the index has published then, or NaN."""
        lag, calendar = self._reset_lag(contract), terms.CALENDARS[FX_CALENDAR]
        day = calendar.adjust(start, ql.Preceding) if lag == 0 else calendar.advance(start, -lag, ql.Days)
        return day, float(self.market.fixings.values_on(contract["fx_reset_index"], np.array([terms.day_of(day)]))[0])

    def _reset_lag(self, contract: dict[str, Any]) -> int:
        return int(contract.get("fx_reset_lag", self.market.fixings.indices[contract["fx_reset_index"]].fixing_lag))


def _currency(name: str) -> Any:
    return getattr(ql, f"{name}Currency")()


def compare(contracts: int, *, seed: int) -> Comparison:
    """Value random swaps here and in QuantLib and tell where they differ."""
    rng, tally = np.random.default_rng(seed), Tally()
    for batch in range(-(-contracts // CONTRACTS_PER_DATE)):
        as_of = int(np.datetime64(_DATES[batch % len(_DATES)], "D").astype(np.int64))
        market = random_market(as_of, rng=rng)
        rows = [random_swap(as_of, rng=rng) for _ in range(min(CONTRACTS_PER_DATE, contracts - batch * CONTRACTS_PER_DATE))]
        _compare_batch(rows, market=market, tally=tally)
    ql.IndexManager.instance().clearHistories()
    ql.ExchangeRateManager.instance().clear()
    ql.Settings.instance().evaluationDate = ql.Date()
    return tally.comparison()


def _compare_batch(rows: list[dict[str, Any]], *, market: Market, tally: Tally) -> None:
    oracle = CrossCurrencyOracle(market)
    contracts = [{name: value for name, value in row.items() if name != "is_representable"} for row in rows]
    valuation = value_contracts(PRODUCT, contracts_of(pricer(PRODUCT).columns, contracts), market=market)
    for row, contract in enumerate(rows):
        status, sign = RowStatus(int(valuation.status[row])), float(np.sign(contract["notional"]))
        try:
            expected, is_ahead = oracle.value(contract)
            values = (
                [expected, float(oracle.resetting_swap(contract).NPV())] if is_ahead and contract.get("is_representable") else [expected]
            )
        except RuntimeError as error:
            tally.failures.update([str(error)])
            if not any(part in str(error).lower() for part in REFUSED):
                tally.add(contract, status, None, 0.0)
            continue
        scale = max(
            abs(contract["notional"]), contract["pay_leg_notional"] * oracle.spot(*(contract[f"{p}currency"] for p in PREFIXES[::-1]))
        )
        pv = float(valuation.values[Measure.PV][row])
        difference = max(abs(pv - sign * value) for value in values) / scale if is_ahead and status is RowStatus.OK else 0.0
        tally.add(contract, status, RowStatus.OK if is_ahead else RowStatus.MATURED, difference)
