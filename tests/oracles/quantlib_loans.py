"""The reference for loans: QuantLib's AmortizingFixedRateBond on notionals from a plain cash-flow table."""

from dataclasses import dataclass, field
from typing import Any

import QuantLib as ql

from pricers import Measure, RowStatus
from pricers.market.market import CurveKind, Market
from tests.oracles.quantlib_terms import (
    CALENDARS,
    CONVENTIONS,
    FREQUENCIES,
    ROLL_RULES,
    counts_beyond_coupons,
    counts_icma,
    date_of,
    day_counter,
    day_of,
    quasi_coupon_schedule,
    rates_of_periods,
    term_structure,
    with_spreads,
)

OPTIONAL_MEASURES = (
    Measure.CLEAN_PRICE, Measure.DIRTY_PRICE, Measure.ACCRUED_INTEREST, Measure.YIELD_TO_MATURITY, Measure.MACAULAY_DURATION,
    Measure.MODIFIED_DURATION, Measure.CONVEXITY, Measure.Z_SPREAD, Measure.WEIGHTED_AVERAGE_LIFE,
)  # fmt: skip
PER_YEAR = {"ONCE": 0, "EVERY_FOUR_MONTHS": 3, "EVERY_FOUR_WEEKS": 13, "BIWEEKLY": 26, "WEEKLY": 52} | {
    "ANNUAL": 1, "SEMIANNUAL": 2, "QUARTERLY": 4, "BIMONTHLY": 6, "MONTHLY": 12,
}  # fmt: skip
YIELD_ACCURACY = 1e-14
ROOT_STEPS_MAX = 1000
NOTIONAL_SCALE = 100.0  # QuantLib's yield solver stops on absolute values, so that it needs bonds of this size


@dataclass(frozen=True)
class Reference:
    """What one loan should give; amounts signed as the position is."""

    status: RowStatus
    pay_day: list[int] = field(default_factory=list)
    amount: list[float] = field(default_factory=list)
    principal: list[float] = field(default_factory=list)
    pv: float = 0.0
    measures: dict[Measure, float] = field(default_factory=dict)


class LoanOracle:
    """QuantLib under one market."""

    def __init__(self, market: Market) -> None:
        self._as_of = market.as_of
        self._today = date_of(market.as_of)
        ql.Settings.instance().evaluationDate = self._today
        self._curves = {curve.name: term_structure(curve, as_of=market.as_of) for curve in market.of_kind(CurveKind.RATE)}

    def reference(self, row: dict[str, Any]) -> Reference:
        """Status, flows after the valuation date and measures of one contract of `random_loans`."""
        table = self.table(row)
        return Reference(table) if isinstance(table, RowStatus) else self._measured(row, *table)

    def counts(self, row: dict[str, Any]) -> bool:
        """Whether QuantLib's ACT/ACT ICMA can count all periods of the contract."""
        dates = _dates(row)
        return dates is None or counts_icma(dates[0])

    def has_long_stub(self, row: dict[str, Any]) -> bool:
        """Whether the contract has a stub longer than a regular period."""
        dates = _dates(row)
        return dates is not None and quasi_coupon_schedule(dates[0]) is not None

    def bond(self, row: dict[str, Any]) -> ql.Bond | None:
        """The loan as a bond of the present balances; None if it has no value."""
        table = self.table(row)
        if isinstance(table, RowStatus):
            return None
        schedule, coupons, balances, counter, _ = table
        return _bond(row, schedule, [*balances, *[0.0] * (len(coupons) - len(balances))], counter)

    def table(self, row: dict[str, Any]) -> RowStatus | tuple[ql.Schedule, list[Any], list[float], ql.DayCounter, int]:
        """Schedule, coupons, balance at the start of each, day counter and number of the first future coupon; or why there is none."""
        dates = _dates(row)
        if dates is None:
            return RowStatus.INVALID_SCHEDULE
        schedule, unadjusted = dates
        counter = day_counter(row["day_count"], maturity=row["maturity_date"], calendar=row["calendar"] or "NONE", schedule=schedule)
        probe = _bond(row, schedule, [100.0] * (len(schedule) - 1), counter)
        coupons = [coupon for coupon in map(ql.as_coupon, probe.cashflows()) if coupon is not None]
        if coupons[-1].date() <= self._today:
            return RowStatus.MATURED
        scales = rates_of_periods(row, 1.0, schedule=schedule, counter=counter)
        years = [
            coupon.accrualPeriod() * scale
            for coupon, scale in zip(coupons, scales * (len(coupons) if len(scales) == 1 else 1), strict=True)
        ]
        scheduled = _scheduled_balances(row, schedule, unadjusted, years)
        if scheduled is None:
            return RowStatus.INVALID_SCHEDULE
        survival = _survival(row, schedule, unadjusted)
        balances = [balance * kept for balance, kept in zip(scheduled, survival, strict=True)]
        first = next(k for k, coupon in enumerate(coupons) if coupon.date() > self._today)
        if "drawn_balance" in row:
            if balances[first] <= 0.0:
                return RowStatus.INVALID_PRINCIPAL
            factor = row["drawn_balance"] / balances[first]
        elif max(balances[first:]) <= 0.0:
            return RowStatus.MATURED
        else:
            factor = 1.0
        # QuantLib repays an unchanged notional of zero on no date: the table ends with the last balance.
        while balances and balances[-1] <= 0.0:
            balances.pop()
        return schedule, coupons, [factor * balance for balance in balances], counter, first

    def _measured(
        self, row: dict[str, Any], schedule: ql.Schedule, coupons: list[Any], balances: list[float], counter: ql.DayCounter, first: int
    ) -> Reference:
        sign = 1.0 if row["notional"] > 0.0 else -1.0
        padded = [*balances, *[0.0] * (len(coupons) - len(balances))]
        bond = _bond(row, schedule, padded, counter)
        unit = _bond(row, schedule, [NOTIONAL_SCALE * balance / max(balances) for balance in padded], counter)
        flows = [coupon for coupon in map(ql.as_coupon, bond.cashflows()) if coupon is not None][first : len(balances)]
        pay_day = [day_of(flow.date()) for flow in flows]
        principal = [
            sign * (before - after) for before, after in zip(padded[first : len(balances)], [*padded, 0.0][first + 1 :], strict=False)
        ]
        amount = [sign * flow.amount() + repaid for flow, repaid in zip(flows, principal, strict=True)]
        curve = with_spreads(self._curves[row["discount_curve"]], spread_curve=None, credit_spread=row["credit_spread"], as_of=self._as_of)
        pv = sign * ql.CashFlows.npv(bond.cashflows(), ql.YieldTermStructureHandle(curve), False, self._today, self._today)
        start = coupons[0].accrualStartDate()
        if start > self._today:
            paid_out = -sign * padded[0]
            pay_day, amount, principal = [day_of(start), *pay_day], [paid_out, *amount], [paid_out, *principal]
            pv += paid_out * curve.discount(start)
        measures = self._price_measures(row, bond, unit, schedule, counter, curve) if bond.notional(bond.settlementDate()) > 0.0 else {}
        repaid = [(max(sign * paid, 0.0), day) for paid, day in zip(principal, pay_day, strict=True)]
        if sum(paid for paid, _ in repaid) > 0.0:
            weighted = sum(paid * (day - self._as_of) / 365.0 for paid, day in repaid)
            measures[Measure.WEIGHTED_AVERAGE_LIFE] = weighted / sum(paid for paid, _ in repaid)
        return Reference(RowStatus.OK, pay_day, amount, principal, pv, measures)

    def _price_measures(
        self,
        row: dict[str, Any],
        bond: ql.Bond,
        unit: ql.Bond,
        schedule: ql.Schedule,
        counter: ql.DayCounter,
        curve: ql.YieldTermStructure,
    ) -> dict[Measure, float]:
        settlement = bond.settlementDate()
        clean_model = ql.BondFunctions.cleanPrice(bond, curve, settlement)
        accrued = bond.accruedAmount(settlement)
        clean = row.get("market_clean_price", clean_model)
        price = ql.BondPrice(clean, ql.BondPrice.Clean)
        measures = {Measure.CLEAN_PRICE: clean_model, Measure.DIRTY_PRICE: clean_model + accrued, Measure.ACCRUED_INTEREST: accrued}
        if unit.notional(settlement) < 1e-3 * NOTIONAL_SCALE:
            return measures  # QuantLib's solvers stop early on a small remaining balance
        if counts_beyond_coupons(row["day_count"], schedule, bond):
            return measures
        functions, frequency = ql.BondFunctions, FREQUENCIES[row["frequency"]][1]
        try:
            found = functions.bondYield(unit, price, counter, ql.Compounded, frequency, settlement, YIELD_ACCURACY, ROOT_STEPS_MAX, 0.05)
        except RuntimeError:
            return measures  # no yield, or a stub that QuantLib's ACT/ACT does not count
        rate = ql.InterestRate(found, counter, ql.Compounded, frequency)
        zero = (self._curves[row["discount_curve"]], ql.Actual365Fixed(), ql.Continuous, ql.NoFrequency)
        return measures | {
            Measure.YIELD_TO_MATURITY: found,
            Measure.MACAULAY_DURATION: functions.duration(unit, rate, ql.Duration.Macaulay, settlement),
            Measure.MODIFIED_DURATION: functions.duration(unit, rate, ql.Duration.Modified, settlement),
            Measure.CONVEXITY: functions.convexity(unit, rate, settlement),
            Measure.Z_SPREAD: functions.zSpread(unit, price, *zero, settlement, YIELD_ACCURACY, ROOT_STEPS_MAX, 0.0),
        }


def _calendar(row: dict[str, Any]) -> ql.Calendar:
    return CALENDARS[row["calendar"] or "NONE"]


def _dates(row: dict[str, Any]) -> tuple[ql.Schedule, list[ql.Date]] | None:
    """QuantLib's schedule and its dates before business-day adjustment, None where QuantLib refuses the terms."""

    def schedule(convention: int) -> ql.Schedule:
        rule = "ZERO" if row["frequency"] == "ONCE" else row["roll_rule"]
        stubs = (date_of(row[name]) if name in row else ql.Date() for name in ("first_payment_date", "penultimate_payment_date"))
        start, maturity = date_of(row["start_date"]), date_of(row["maturity_date"])
        tenor = FREQUENCIES[row["frequency"]][0]
        return ql.Schedule(start, maturity, tenor, _calendar(row), convention, convention, ROLL_RULES[rule], row["end_of_month"], *stubs)

    try:
        adjusted, unadjusted = schedule(CONVENTIONS[row["accrual_convention"]]), schedule(ql.Unadjusted)
    except RuntimeError:
        return None
    if len(adjusted) == len(unadjusted):
        return adjusted, list(unadjusted)
    # Business days have merged two dates: QuantLib keeps the one that it rolls to first.
    calendar, convention = _calendar(row), CONVENTIONS[row["accrual_convention"]]
    kept = -1 if row["roll_rule"] == "BACKWARD" else 0
    inner = [[day for day in unadjusted if calendar.adjust(day, convention) == moved][kept] for moved in list(adjusted)[1:-1]]
    return adjusted, [unadjusted[0], *inner, unadjusted[len(unadjusted) - 1]]


def _bond(row: dict[str, Any], schedule: ql.Schedule, balances: list[float], counter: ql.DayCounter) -> ql.Bond:
    rates = rates_of_periods(row, row["interest_rate"], schedule=schedule, counter=counter)
    return ql.AmortizingFixedRateBond(
        row["settlement_lag"], balances, schedule, rates, counter, CONVENTIONS[row["payment_convention"]], schedule[0],
        ql.Period(), ql.NullCalendar(), ql.Unadjusted, False, [100.0], row["payment_lag"],
    )  # fmt: skip


def _scheduled_balances(row: dict[str, Any], schedule: ql.Schedule, unadjusted: list[ql.Date], years: list[float]) -> list[float] | None:
    """Balance at the start of every period without prepayment, unsigned."""
    notional, periods = abs(row["notional"]), len(years)
    if row["amortisation"] == "BULLET":
        return [notional] * periods
    if row["amortisation"] == "CUSTOM":
        ends = [max(day, schedule[k]) for k, day in enumerate(unadjusted)]
        balances = [notional] * periods
        for day, amount in zip(row["principal_dates"], row["principal_amounts"], strict=True):
            paid_in = next(k for k in range(1, periods + 1) if date_of(day) <= ends[k])
            for k in range(paid_in, periods):
                balances[k] -= amount
        return balances
    interest_only_end = date_of(row["interest_only_end_date"]) if "interest_only_end_date" in row else date_of(row["start_date"])
    first = sum(1 for day in unadjusted[1:] if day <= interest_only_end)
    if first == periods:
        return None
    balloon = row.get("balloon_amount", 0.0)
    if row["amortisation"] == "LINEAR":
        return [notional - (notional - balloon) * max(k - first, 0) / (periods - first) for k in range(periods)]
    rate, per_year = row["interest_rate"], PER_YEAR[row["frequency"]]
    if row["amortisation"] == "ANNUITY_TABLE" and per_year > 0:
        if first == 0 and balloon == 0.0 and 12 % per_year == 0:
            length = ql.Period(periods * 12 // per_year, ql.Months)
            return list(ql.sinkingNotionals(length, FREQUENCIES[row["frequency"]][1], rate, notional))[:periods]
        years = [1.0 / per_year] * periods
    return _rolled_balances(notional, balloon, rate, years, first)


def _rolled_balances(notional: float, balloon: float, rate: float, years: list[float], first: int) -> list[float]:
    """A level payment found from the two rolls it is linear in: with payment 0 and with payment 1."""

    def roll(balance: float, payment: float) -> list[float]:
        balances = [balance]
        for k in range(first, len(years)):
            balances.append(balances[-1] * (1.0 + rate * years[k]) - payment)
        return balances

    unpaid, per_unit = roll(notional, 0.0)[-1], roll(0.0, 1.0)[-1]
    payment = (balloon - unpaid) / per_unit
    return [notional] * first + roll(notional, payment)[:-1]


def _survival(row: dict[str, Any], schedule: ql.Schedule, unadjusted: list[ql.Date]) -> list[float]:
    """Share of the scheduled balance left by prepayments at the start of every period."""
    cpr, per_year = row.get("prepayment_rate", 0.0), PER_YEAR[row["frequency"]]
    survival = [1.0]
    for k in range(1, len(unadjusted) - 1):
        length = 1.0 / per_year if schedule.isRegular(k) else (unadjusted[k] - unadjusted[k - 1]) / 365.0
        single_month_mortality = 1.0 - (1.0 - cpr) ** length
        survival.append(survival[-1] - single_month_mortality * survival[-1])
    return survival
