"""FIXED_BOND against QuantLib: random contracts over all conventions, cash flow by cash flow and measure by measure."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import QuantLib as ql

from pricers import Contracts, Curve, CurveKind, Market, Measure, RowStatus, Valuation, contracts_of, pricer, value_contracts
from pricers.registry import NO_FIXINGS
from pricers.time.calendars import BUSINESS_DAY_CONVENTIONS
from pricers.time.day_count import DAY_COUNTS
from tests.oracles import quantlib_terms as terms
from tests.oracles.accuracy_report import Comparison

PRODUCT: Final = "FIXED_BOND"
AMOUNT_TOLERANCE: Final = 1e-9  # relative
PV_TOLERANCE: Final = 1e-10  # of notional
MEASURE_TOLERANCE: Final = 1e-9  # of yields, and relative above 1
CONTRACTS_PER_DATE: Final = 2_000
EXAMPLES_MAX: Final = 5

_DATES: Final = ("2023-02-28", "2024-02-29", "2025-12-31", "2026-03-16", "2026-08-05", "2027-10-29", "2028-06-30")
_FREQUENCY_SHARES: Final = {
    "ONCE": 0.08, "ANNUAL": 0.25, "SEMIANNUAL": 0.25, "EVERY_FOUR_MONTHS": 0.05, "QUARTERLY": 0.15, "BIMONTHLY": 0.04, "MONTHLY": 0.12,
    "EVERY_FOUR_WEEKS": 0.02, "BIWEEKLY": 0.02, "WEEKLY": 0.015, "DAILY": 0.005,
}  # fmt: skip
_DAYS_OF_TENOR: Final = {"EVERY_FOUR_WEEKS": 28, "BIWEEKLY": 14, "WEEKLY": 7, "DAILY": 1}
_MONTHS_OF_TENOR: Final = {"ANNUAL": 12, "SEMIANNUAL": 6, "EVERY_FOUR_MONTHS": 4, "QUARTERLY": 3, "BIMONTHLY": 2, "MONTHLY": 1}


def random_market(as_of: int, *, rng: np.random.Generator) -> Market:
    """Two discount curves (one of each interpolation) and one spread curve, longer than any contract."""
    pillars = np.array([30, 91, 182, 365, 730, 1095, 1826, 2557, 3652, 5479, 7305, 10957, 18262], np.int32)
    labels = tuple(f"{day}D" for day in pillars)
    zero = 0.02 + 0.01 * rng.random() + np.cumsum(rng.normal(0.0, 0.001, pillars.size))
    curves = (
        Curve("LINEAR", CurveKind.RATE, "EUR", "LINEAR_ZERO", labels, pillars, zero),
        Curve("LOGLINEAR", CurveKind.RATE, "EUR", "LOG_LINEAR_DISCOUNT", labels, pillars, zero + 0.004),
    )
    spreads = 0.005 + np.cumsum(rng.uniform(0.0, 0.001, pillars.size))
    corporate = Curve("CORPORATE", CurveKind.SPREAD, "", "LINEAR_ZERO", labels, pillars, spreads)
    return Market(as_of, "EUR", (*curves, corporate), {"EUR": 1.0})


def random_contract(as_of: int, *, rng: np.random.Generator) -> dict[str, Any]:
    """Terms of one bond, alive or just matured, seasoned or not yet issued."""
    choose = rng.choice
    frequency = str(choose(list(_FREQUENCY_SHARES), p=list(_FREQUENCY_SHARES.values())))
    is_short = frequency in _DAYS_OF_TENOR
    maturity = as_of + int(rng.integers(-20, 800 if is_short else 11_000))
    issue = min(as_of - int(rng.integers(-60, 400 if is_short else 4_000)), maturity - int(rng.integers(40, 400)))
    if rng.random() < 0.2:
        maturity = _month_end(maturity)
    months = _MONTHS_OF_TENOR.get(frequency, 0)
    contract: dict[str, Any] = {
        "currency": "EUR",
        "notional": float(choose([-1.0, 1.0]) * rng.uniform(1e4, 1e7)),
        "coupon_rate": float(rng.uniform(0.001, 0.12) if rng.random() < 0.8 else 0.0),
        "issue_date": issue,
        "maturity_date": maturity,
        "frequency": frequency,
        "day_count": str(choose(DAY_COUNTS)),
        "roll_rule": "ZERO" if frequency == "ONCE" else str(choose(["BACKWARD", "FORWARD"])),
        "end_of_month": bool(rng.random() < 0.3),
        "calendar": str(choose(list(terms.CALENDARS))),
        "accrual_convention": str(choose(["UNADJUSTED", *BUSINESS_DAY_CONVENTIONS])),
        "payment_convention": str(choose(BUSINESS_DAY_CONVENTIONS)),
        "payment_lag": int(choose([0, 0, 0, 1, 2, 5])),
        "ex_coupon_days": int(choose([0, 0, 1, 3] if is_short else [0, 0, 0, 5, 7, 10])),
        "ex_coupon_calendar": str(choose(["NONE", "UK", "TARGET"])),
        "settlement_lag": int(rng.integers(0, 6)),
        "settlement_calendar": str(choose(list(terms.CALENDARS))),
        "redemption": float(choose([100.0, 100.0, 100.0, 102.5, 97.0])),
        "market_clean_price": float(rng.uniform(60.0, 140.0)) if rng.random() < 0.3 else None,
        "discount_curve": str(choose(["LINEAR", "LOGLINEAR"])),
        "spread_curve": "CORPORATE" if rng.random() < 0.25 else None,
        "credit_spread": float(choose([0.0, 0.0, 0.0075, 0.02])),
    }
    if rng.random() < 0.15:  # interest from before or after the issue date
        contract["interest_start_date"] = min(issue + int(rng.integers(-200, 60)), maturity - 20)
    if months:
        _add_stubs(contract, months=months, rng=rng)
    return contract


def _add_stubs(contract: dict[str, Any], *, months: int, rng: np.random.Generator) -> None:
    """Explicit stubs at either end, short or long, or a stub by its kind."""
    issue, maturity = contract["issue_date"], contract["maturity_date"]
    life = maturity - issue
    if rng.random() < 0.3:
        if rng.random() < 0.6 and life > 70 * months:
            contract["first_coupon_date"] = issue + int(rng.integers(10, min(45 * months, life - 20)))
        if rng.random() < 0.4 and life > 140 * months:
            contract["penultimate_coupon_date"] = maturity - int(rng.integers(10, 45 * months))
    elif rng.random() < 0.3 and life > 160 * months:
        end = "INITIAL" if contract["roll_rule"] == "BACKWARD" else "FINAL"
        contract["stub"] = f"{rng.choice(['SHORT', 'LONG'])}_{end}"
        # QuantLib has no stub conventions, so that it needs the date, which the last business day of a month would move off the grid.
        contract["end_of_month"] = False


def _month_end(day: int) -> int:
    month = np.datetime64(day, "D").astype("datetime64[M]") + 1
    return int(month.astype("datetime64[D]").astype(np.int64)) - 1


def quantlib_schedule(contract: dict[str, Any]) -> Any:
    """QuantLib's schedule of a contract. Raises RuntimeError if QuantLib refuses the contract."""
    first, penultimate = (contract.get(name) for name in ("first_coupon_date", "penultimate_coupon_date"))
    if contract.get("stub", "").startswith("LONG"):
        unadjusted = _rolled(contract, "UNADJUSTED", first=None, penultimate=None)
        dates, regular = list(unadjusted.dates()), list(unadjusted.isRegular())
        if contract["stub"] == "LONG_INITIAL" and not regular[0]:
            first = terms.day_of(dates[2])
        elif contract["stub"] == "LONG_FINAL" and not regular[-1]:
            penultimate = terms.day_of(dates[-3])
    return _rolled(contract, contract["accrual_convention"], first=first, penultimate=penultimate)


def _rolled(contract: dict[str, Any], convention_name: str, *, first: int | None, penultimate: int | None) -> Any:
    convention = terms.CONVENTIONS[convention_name]
    return ql.Schedule(
        terms.date_of(contract.get("interest_start_date", contract["issue_date"])),
        terms.date_of(contract["maturity_date"]),
        terms.FREQUENCIES[contract["frequency"]][0],
        terms.CALENDARS[contract["calendar"]],
        convention,
        convention,
        terms.ROLL_RULES[contract["roll_rule"]],
        contract["end_of_month"],
        ql.Date() if first is None else terms.date_of(first),
        ql.Date() if penultimate is None else terms.date_of(penultimate),
    )


def add_sinking(contract: dict[str, Any], *, rng: np.random.Generator) -> None:
    """Let a quarter of the bonds repay principal on some of their coupon dates.

    Not where a stub may be shorter than the ex-coupon period: principal paid between coupons that trade ex is refused here.
    """
    has_stub = any(name in contract for name in ("first_coupon_date", "penultimate_coupon_date", "stub"))
    if rng.random() > 0.25 or contract["frequency"] == "ONCE" or (has_stub and contract["ex_coupon_days"]):
        return
    try:
        dates = list(quantlib_schedule(contract).dates())[1:-1]
    except RuntimeError:
        return
    count = min(len(dates), int(rng.integers(1, 12)))
    if count:
        chosen = sorted(rng.choice(len(dates), count, replace=False).tolist())
        shares = rng.uniform(0.1, 1.0, count)
        amounts = abs(contract["notional"]) * 0.9 * rng.random() * shares / shares.sum()
        contract["sinking_dates"] = [terms.day_of(dates[k]) for k in chosen]
        contract["sinking_amounts"] = amounts.tolist()


def quantlib_bond(contract: dict[str, Any]) -> Any:
    """The bond in QuantLib. Raises RuntimeError if QuantLib refuses it."""
    calendar, notional = terms.CALENDARS[contract["calendar"]], abs(contract["notional"])
    convention, issue = terms.CONVENTIONS[contract["payment_convention"]], terms.date_of(contract["issue_date"])
    schedule = quantlib_schedule(contract)
    if contract["frequency"] == "ONCE" and contract["coupon_rate"] == 0.0:
        maturity = calendar.advance(schedule.dates()[-1], contract["payment_lag"], ql.Days, convention)
        return ql.ZeroCouponBond(contract["settlement_lag"], calendar, notional, maturity, convention, contract["redemption"], issue)
    counter = _day_counter(contract, schedule)
    ex_coupon = [ql.Period(contract["ex_coupon_days"], ql.Days), terms.CALENDARS[contract["ex_coupon_calendar"]], ql.Unadjusted, False]
    ex_coupon = ex_coupon if contract["ex_coupon_days"] else [ql.Period(), ql.NullCalendar(), ql.Unadjusted, False]
    rates = terms.rates_of_periods(contract, contract["coupon_rate"], schedule=schedule, counter=counter)
    if not contract["payment_lag"] and not contract.get("sinking_dates"):
        return ql.FixedRateBond(
            contract["settlement_lag"], notional, schedule, rates, counter, convention, contract["redemption"], issue, calendar, *ex_coupon
        )
    amounts = dict(zip(contract.get("sinking_dates", ()), contract.get("sinking_amounts", ()), strict=True))
    notionals = [notional]
    for date in list(schedule.dates())[1:-1]:
        notionals.append(notionals[-1] - amounts.pop(terms.day_of(date), 0.0))
    redemptions = [100.0] * len(set(notionals)) + [contract["redemption"]]
    return ql.AmortizingFixedRateBond(
        contract["settlement_lag"], notionals, schedule, rates, counter, convention, issue, *ex_coupon, redemptions, contract["payment_lag"]
    )


def _day_counter(contract: dict[str, Any], schedule: Any) -> Any:
    return terms.day_counter(contract["day_count"], maturity=contract["maturity_date"], calendar=contract["calendar"], schedule=schedule)


@dataclass
class _Tally:
    """What the comparison has found so far."""

    contracts: int = 0
    mismatches: int = 0
    largest: dict[str, float] = field(default_factory=dict)
    compared: Counter[str] = field(default_factory=Counter)
    mismatched: Counter[str] = field(default_factory=Counter)
    examples: list[dict[str, Any]] = field(default_factory=list)

    def add(self, contract: dict[str, Any], differences: dict[str, float], *, has_long_icma_stub: bool = False) -> None:
        self.contracts += 1
        self.compared.update(differences.keys())
        self.compared.update([contract["frequency"], contract["day_count"], contract.get("stub", "NONE")])
        self.compared.update(["interest_start_date"] if "interest_start_date" in contract else [])
        self.compared.update(["long ICMA stub"] if has_long_icma_stub else [])
        for name, difference in differences.items():
            self.largest[name] = max(self.largest.get(name, 0.0), difference)
        wrong = {name: difference for name, difference in differences.items() if not difference <= _TOLERANCES[name]}
        if wrong:
            self.mismatches += 1
            self.mismatched.update(wrong.keys())
            if len(self.examples) < EXAMPLES_MAX:
                self.examples.append({"differences": wrong, "contract": contract})


_TOLERANCES: Final = {
    "status": 0.0,
    "dates": 0.0,
    "amounts": AMOUNT_TOLERANCE,
    "pv": PV_TOLERANCE,
    **dict.fromkeys(
        (
            "dirty_price",
            "clean_price",
            "accrued_interest",
            "yield_to_maturity",
            "macaulay_duration",
            "modified_duration",
            "convexity",
            "z_spread",
        ),
        MEASURE_TOLERANCE,
    ),
}


def compare(contracts: int, *, seed: int, coupon_amount: str = "BY_DAY_COUNT") -> Comparison:
    """Value random bonds here and in QuantLib and tell where they differ; BY_FREQUENCY in flows, value and accrued interest only."""
    rng = np.random.default_rng(seed)
    tally = _Tally()
    batches = -(-contracts // CONTRACTS_PER_DATE)
    for batch in range(batches):
        as_of = int(np.datetime64(_DATES[batch % len(_DATES)], "D").astype(np.int64))
        market = random_market(as_of, rng=rng)
        rows = [random_contract(as_of, rng=rng) for _ in range(min(CONTRACTS_PER_DATE, contracts - batch * CONTRACTS_PER_DATE))]
        for row in rows:
            row["coupon_amount"] = coupon_amount
            if coupon_amount == "BY_FREQUENCY" and row["frequency"] == "DAILY":
                row["frequency"] = "WEEKLY"  # QuantLib's coupon from the 30th to the 31st is 0 at any rate
            add_sinking(row, rng=rng)
            _let_quantlib_count(row)
        _compare_batch(rows, market=market, tally=tally)
    ql.Settings.instance().evaluationDate = ql.Date()
    details = {
        "compared": dict(tally.compared),
        "largest_differences": tally.largest,
        "mismatched": dict(tally.mismatched),
        "examples": tally.examples,
    }
    return Comparison(tally.contracts, tally.largest.get("pv", 0.0), tally.mismatches, details)


def _let_quantlib_count(contract: dict[str, Any]) -> None:
    """Another day count where ACT/ACT ICMA is beyond QuantLib."""
    if contract["day_count"] != "ACT/ACT ICMA":
        return
    try:
        is_counted = terms.counts_icma(quantlib_schedule(contract))
    except RuntimeError:
        return  # refused by both
    if not is_counted:
        contract["day_count"] = "ACT/ACT ISDA"


def _compare_batch(rows: list[dict[str, Any]], *, market: Market, tally: _Tally) -> None:
    ql.Settings.instance().evaluationDate = terms.date_of(market.as_of)
    spec = pricer(PRODUCT)
    batch = contracts_of(spec.columns, rows)
    valuation = value_contracts(spec, batch, market=market)
    structures = _Structures(market)
    flows = _flows_by_row(batch, as_of=market.as_of)
    for row, contract in enumerate(rows):
        try:
            bond = quantlib_bond(contract)
        except RuntimeError:
            tally.add(contract, {"status": float(valuation.status[row] in (RowStatus.OK, RowStatus.MATURED))})
            continue
        differences = _differences(contract, bond, row=row, valuation=valuation, flows=flows[row], structures=structures)
        is_icma = contract["day_count"] == "ACT/ACT ICMA"
        has_long_icma_stub = is_icma and terms.quasi_coupon_schedule(quantlib_schedule(contract)) is not None
        tally.add(contract, differences, has_long_icma_stub=has_long_icma_stub)


def _flows_by_row(batch: Contracts, *, as_of: int) -> list[dict[int, float]]:
    lower = pricer(PRODUCT).lower
    assert lower is not None
    lowered = lower(batch, as_of=as_of, fixings=NO_FIXINGS).cashflows
    result = []
    for row in range(batch.row_count):
        own = slice(lowered.flow_offsets[row], lowered.flow_offsets[row + 1])
        result.append(_by_date(zip(lowered.pay_day[own].tolist(), lowered.amount[own].tolist(), strict=True)))
    return result


def _by_date(flows: Any) -> dict[int, float]:
    """Amount by payment day, without days on which nothing is paid."""
    total: dict[int, float] = {}
    for day, amount in flows:
        total[day] = total.get(day, 0.0) + amount
    return {day: amount for day, amount in total.items() if amount != 0.0}


def _received(bond: Any, date: Any) -> list[Any]:
    """QuantLib's flows that an owner on the date receives: later, and not trading ex-coupon."""
    later = [flow for flow in bond.cashflows() if flow.date() > date]
    coupons = [ql.as_coupon(flow) for flow in later]
    is_ex = [coupon is not None and coupon.exCouponDate() != ql.Date() and coupon.exCouponDate() <= date for coupon in coupons]
    return [flow for flow, ex in zip(later, is_ex, strict=True) if not ex]


class _Structures:
    """QuantLib's curves of a market, each combination built once."""

    def __init__(self, market: Market) -> None:
        self.as_of = market.as_of
        self.curves = {curve.name: terms.term_structure(curve, as_of=market.as_of) for curve in market.of_kind(CurveKind.RATE)}
        self.spread_curves = {curve.name: curve for curve in market.of_kind(CurveKind.SPREAD)}
        self.combined: dict[tuple[str, str | None, float], Any] = {}

    def of(self, contract: dict[str, Any]) -> Any:
        key = (contract["discount_curve"], contract["spread_curve"], contract["credit_spread"])
        if key not in self.combined:
            spread_curve = None if key[1] is None else self.spread_curves[key[1]]
            self.combined[key] = terms.with_spreads(self.curves[key[0]], spread_curve=spread_curve, credit_spread=key[2], as_of=self.as_of)
        return self.combined[key]


def _differences(
    contract: dict[str, Any], bond: Any, *, row: int, valuation: Valuation, flows: dict[int, float], structures: _Structures
) -> dict[str, float]:
    as_of, sign = terms.date_of(structures.as_of), np.sign(contract["notional"])
    remaining = _received(bond, as_of)
    expected = _by_date((terms.day_of(flow.date()), sign * flow.amount()) for flow in remaining)
    is_priced = bool(valuation.status[row] == RowStatus.OK)
    if not any(flow.date() > as_of for flow in bond.cashflows()):
        return {"status": float(valuation.status[row] != RowStatus.MATURED)}
    if not is_priced:
        return {"status": 1.0}
    if sorted(expected) != sorted(flows):
        return {"dates": 1.0}
    structure = structures.of(contract)
    bond.setPricingEngine(ql.DiscountingBondEngine(ql.YieldTermStructureHandle(structure)))
    notional = abs(contract["notional"])
    result = {
        "status": 0.0,
        "dates": 0.0,
        "amounts": max((abs(flows[day] - amount) / abs(amount) for day, amount in expected.items()), default=0.0),
        "pv": abs(sign * bond.NPV() - valuation.values[Measure.PV][row]) / notional,
    }
    settlement = terms.CALENDARS[contract["settlement_calendar"]].advance(as_of, contract["settlement_lag"], ql.Days)
    settlement = max(settlement, terms.date_of(contract["issue_date"]))
    if _received(bond, settlement) and bond.notional(settlement) != 0.0:
        if contract["coupon_amount"] == "BY_FREQUENCY":  # QuantLib's coupons count days, in accrued interest as here, in yields not
            counted = quantlib_bond({**contract, "coupon_amount": "BY_DAY_COUNT"})
            accrued = ql.BondFunctions.accruedAmount(counted, settlement)
            return result | {"accrued_interest": abs(valuation.values[Measure.ACCRUED_INTEREST][row] - accrued) / max(1.0, abs(accrued))}
        curve = structures.curves[contract["discount_curve"]]
        oracle = _settlement_measures(contract, bond, settlement=settlement, structure=structure, curve=curve)
        for measure, number in oracle.items():
            result[measure.value] = abs(valuation.values[measure][row] - number) / max(1.0, abs(number))
    return result


def _settlement_measures(contract: dict[str, Any], bond: Any, *, settlement: Any, structure: Any, curve: Any) -> dict[Measure, float]:
    """QuantLib's prices, yield and durations on a settlement date; without a yield if QuantLib finds none."""
    functions, frequency = ql.BondFunctions, terms.FREQUENCIES[contract["frequency"]][1]
    schedule = quantlib_schedule(contract)
    accrued = functions.accruedAmount(bond, settlement)
    clean = functions.cleanPrice(bond, structure, settlement)
    result = {
        Measure.ACCRUED_INTEREST: accrued,
        Measure.CLEAN_PRICE: clean,
        Measure.DIRTY_PRICE: clean + accrued,
    }
    if terms.counts_beyond_coupons(contract["day_count"], schedule, bond):
        return result
    counter, quoted = _day_counter(contract, schedule), contract["market_clean_price"]
    price = ql.BondPrice(clean if quoted is None else quoted, ql.BondPrice.Clean)
    try:
        rate = functions.bondYield(bond, price, counter, ql.Compounded, frequency, settlement, 1e-14, 200, 0.05)
    except RuntimeError:
        return result
    arguments = (bond, rate, counter, ql.Compounded, frequency)
    result[Measure.YIELD_TO_MATURITY] = rate
    result[Measure.MACAULAY_DURATION] = functions.duration(*arguments, ql.Duration.Macaulay, settlement)
    result[Measure.MODIFIED_DURATION] = functions.duration(*arguments, ql.Duration.Modified, settlement)
    result[Measure.CONVEXITY] = functions.convexity(*arguments, settlement)
    spread = (ql.Actual365Fixed(), ql.Continuous, ql.NoFrequency, settlement, 1e-13, 200, 0.0)
    try:
        result[Measure.Z_SPREAD] = functions.zSpread(bond, price, curve, *spread)
    except RuntimeError:
        return result
    return result
