"""Amortising loans against QuantLib: cash flows, PV, prices, yields and durations of AmortizingFixedRateBond.

QuantLib gets the notionals of every period: those of `sinkingNotionals` if it has them (annuity tables without stub, interest-only
period or balloon), otherwise those of a plain cash-flow table over QuantLib's own accrual periods, including prepayments.
"""

from typing import Any

import numpy as np
import QuantLib as ql

from pricers import ALL_MEASURES, Measure, RowStatus, contracts_of, pricer, value_contracts
from pricers.flows.cashflows import Lowered
from pricers.registry import NO_FIXINGS
from pricers.time.day_count import DAY_COUNTS
from pricers.value.valuation import Valuation
from tests.oracles.accuracy_report import Comparison
from tests.oracles.quantlib_loans import OPTIONAL_MEASURES, LoanOracle, Reference
from tests.oracles.quantlib_terms import date_of, day_of
from tests.oracles.random_markets import random_market

VALUATION_DAYS = tuple(np.array(["2024-02-29", "2025-12-31", "2026-03-27"], "datetime64[D]").astype(int).tolist())
CURRENCIES = ("EUR", "USD")
CALENDARS = (None, "TARGET", "US_GOVT", "UK", "JP", "BR", "TARGET+US_FED")
MONTHLY_OR_LONGER = ("ANNUAL", "SEMIANNUAL", "EVERY_FOUR_MONTHS", "QUARTERLY", "BIMONTHLY", "MONTHLY")
WEEKLY = ("EVERY_FOUR_WEEKS", "BIWEEKLY", "WEEKLY")
CONVENTIONS = ("UNADJUSTED", "FOLLOWING", "MODIFIED_FOLLOWING", "PRECEDING")

PV_TOLERANCE = 1e-10  # of notional
AMOUNT_TOLERANCE = 1e-9  # relative
YIELD_TOLERANCE = 1e-9
EXAMPLES_MAX = 5


def compare(contracts: int, seed: int) -> Comparison:
    """Value `contracts` random loans here and in QuantLib."""
    rng = np.random.default_rng(seed)
    largest = {"pv": 0.0, "amount": 0.0} | {str(measure): 0.0 for measure in OPTIONAL_MEASURES}
    examples: list[dict[str, Any]] = []
    counts: dict[str, int] = {}
    compared: dict[str, int] = {}
    mismatches = 0
    for number, as_of in enumerate(VALUATION_DAYS):
        market = random_market(as_of, currencies=CURRENCIES, seed=seed + number)
        count = contracts // len(VALUATION_DAYS) + (number < contracts % len(VALUATION_DAYS))
        oracle = LoanOracle(market)
        rows = random_loans(count, as_of=as_of, rng=rng)
        for row in rows:
            if row["day_count"] == "ACT/ACT ICMA" and not oracle.counts(row):
                row["day_count"] = "ACT/ACT ISDA"
        spec = pricer("AMORT_LOAN")
        batch = contracts_of(spec.columns, rows)
        valued = value_contracts(spec, batch, market=market, measures=ALL_MEASURES)
        assert spec.lower is not None, "AMORT_LOAN is a cash-flow product"
        lowered = spec.lower(batch, as_of=as_of, fixings=NO_FIXINGS)
        for i, row in enumerate(rows):
            reference = oracle.reference(row)
            faults = _faults(i, row, reference, valued, lowered, largest)
            for key in (row["amortisation"], reference.status.name):
                counts[key] = counts.get(key, 0) + 1
            stub = ("long ICMA stub",) if row["day_count"] == "ACT/ACT ICMA" and oracle.has_long_stub(row) else ()
            for key in ("pv", *map(str, reference.measures), *stub) if reference.status == RowStatus.OK else ():
                compared[key] = compared.get(key, 0) + 1
            mismatches += bool(faults)
            if faults and len(examples) < EXAMPLES_MAX:
                examples.append({"as_of": as_of, **row, "faults": faults})
    ql.Settings.instance().evaluationDate = ql.Date()
    details = {"counts": counts, "compared": compared, "largest_differences": largest, "examples": examples}
    return Comparison(contracts, largest["pv"], mismatches, details)


def _faults(i: int, row: dict[str, Any], reference: Reference, valued: Valuation, lowered: Lowered, largest: dict[str, float]) -> list[str]:
    """What differs, in words; the largest differences so far are updated."""
    if valued.status[i] != reference.status:
        return [f"status {RowStatus(valued.status[i]).name}, expected {reference.status.name}"]
    if reference.status != RowStatus.OK:
        return []
    flows = slice(*lowered.cashflows.flow_offsets[[i, i + 1]])
    if lowered.cashflows.pay_day[flows].tolist() != reference.pay_day:
        return [f"payment days {lowered.cashflows.pay_day[flows].tolist()}, expected {reference.pay_day}"]
    amounts = np.array([lowered.cashflows.amount[flows], lowered.cashflows.principal[flows]])
    expected = np.array([reference.amount, reference.principal])
    notional = abs(row["notional"])
    # Small amounts are differences of balances, so that the tolerance is relative to the size of the row's payments.
    differences = {"amount": float(np.max(np.abs(amounts - expected), initial=0.0) / np.max(np.abs(expected), initial=1e-6 * notional))}
    differences["pv"] = abs(float(valued.values[Measure.PV][i]) - reference.pv) / notional
    for measure, expected_value in reference.measures.items():
        differences[str(measure)] = abs(float(valued.values[measure][i]) - expected_value) / max(1.0, abs(expected_value))
    faults = []
    for name, difference in differences.items():
        largest[name] = max(largest[name], difference)
        tolerance = {"pv": PV_TOLERANCE, "amount": AMOUNT_TOLERANCE}.get(name, YIELD_TOLERANCE)
        if not difference <= tolerance:
            faults.append(f"{name} differs by {difference:.3g}")
    return faults


def random_loans(count: int, *, as_of: int, rng: np.random.Generator) -> list[dict[str, Any]]:
    """Contract rows over all amortisations, conventions, stubs and ages, not yet started and matured ones among them."""
    return [_random_loan(as_of, rng) for _ in range(count)]


def _random_loan(as_of: int, rng: np.random.Generator) -> dict[str, Any]:
    frequency = str(rng.choice([*MONTHLY_OR_LONGER * 4, *WEEKLY, "ONCE"]))
    whole_months = frequency in MONTHLY_OR_LONGER
    years = float(rng.uniform(1.0, 30.0 if whole_months else 3.0))
    start = as_of - int(rng.uniform(-0.06, 1.02) * years * 365.0)
    maturity = _whole_term(start, years, rng) if rng.random() < 0.5 else start + int(years * 365.25)
    currency = str(rng.choice(CURRENCIES))
    amortisation = str(rng.choice(["LEVEL_PAYMENT", "ANNUITY_TABLE", "LINEAR", "BULLET", "CUSTOM"]))
    day_counts = [name for name in DAY_COUNTS if name != "ACT/ACT ICMA" or whole_months]
    row: dict[str, Any] = {
        "currency": currency,
        "notional": float(rng.choice([-1.0, 1.0]) * 10.0 ** rng.uniform(4, 8)),
        "interest_rate": float(rng.choice([0.0, *rng.uniform(0.001, 0.15, 9)])),
        "start_date": start,
        "maturity_date": maturity,
        "amortisation": amortisation,
        "frequency": frequency,
        "day_count": str(rng.choice(day_counts)),
        "coupon_amount": "BY_DAY_COUNT",
        "calendar": CALENDARS[rng.integers(len(CALENDARS))],
        "roll_rule": "BACKWARD" if rng.random() < 0.7 else "FORWARD",
        "end_of_month": bool(rng.random() < 0.3),
        "accrual_convention": "UNADJUSTED" if rng.random() < 0.6 or not whole_months else str(rng.choice(CONVENTIONS)),
        "payment_convention": str(rng.choice(CONVENTIONS)),
        "payment_lag": int(rng.choice([0, 0, 1, 2, 5])),
        "settlement_lag": int(rng.choice([0, 0, 2, 3])),
        "credit_spread": float(rng.choice([0.0, rng.uniform(0.0, 0.05)])),
        "discount_curve": f"{currency}-{rng.choice(['LINEAR', 'FLAT-FORWARD'])}",
    }
    if row["day_count"] == "BUS/252":
        row["calendar"] = row["calendar"] or "BR"  # riskray refuses the row without a calendar
    if rng.random() < 0.4 and start <= as_of:
        row["drawn_balance"] = abs(row["notional"]) * float(rng.uniform(0.2, 1.0))
    if rng.random() < 0.5:
        row["market_clean_price"] = float(rng.uniform(70.0, 120.0))
    if whole_months:
        _add_month_terms(row, rng)
    if amortisation == "CUSTOM":
        _add_principal(row, rng)
    return row


def _whole_term(start: int, years: float, rng: np.random.Generator) -> int:
    """Maturity a whole number of months after the start."""
    begin = date_of(start)
    months = int(years * 12) if rng.random() < 0.5 else int(years) * 12
    return day_of(begin + ql.Period(max(months, 12), ql.Months))


def _add_month_terms(row: dict[str, Any], rng: np.random.Generator) -> None:
    """Stubs, interest-only period, balloon and prepayment."""
    start, maturity, notional = row["start_date"], row["maturity_date"], abs(row["notional"])
    if rng.random() < 0.2:
        row["first_payment_date"] = start + int(rng.integers(10, 200))
    if rng.random() < 0.1:
        row["penultimate_payment_date"] = maturity - int(rng.integers(10, 100))
    if row["amortisation"] in ("LEVEL_PAYMENT", "ANNUITY_TABLE", "LINEAR"):
        if rng.random() < 0.3:
            row["interest_only_end_date"] = start + int(rng.uniform(0.0, 0.5) * (maturity - start))
        if rng.random() < 0.3:
            row["balloon_amount"] = notional * float(rng.uniform(0.0, 0.8))
    if rng.random() < 0.4:
        row["prepayment_rate"] = float(rng.choice([0.02, 0.06, 0.25]))


def _add_principal(row: dict[str, Any], rng: np.random.Generator) -> None:
    """A few repayments, and now and then a draw-down, on any days of the contract's life."""
    life = row["maturity_date"] - row["start_date"]
    days = np.unique(rng.integers(1, life, int(rng.integers(1, 9))))
    shares = rng.dirichlet(np.ones(days.size + 1))[:-1]
    if rng.random() < 0.3:
        shares[0] = -shares[0]
    row["principal_dates"] = (row["start_date"] + days).tolist()
    row["principal_amounts"] = (abs(row["notional"]) * shares).tolist()
