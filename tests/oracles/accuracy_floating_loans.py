"""FLOATING_LOAN and REVOLVING_CREDIT against QuantLib: coupon legs with a notional for each period, and principal and fees beside them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import numpy as np
import QuantLib as ql

from pricers import Market, Measure, RowStatus, contracts_of, pricer, value_contracts
from tests.oracles import accuracy_bonds, accuracy_loans
from tests.oracles import quantlib_terms as terms
from tests.oracles.accuracy_report import Comparison
from tests.oracles.quantlib_floating import (
    INDICES,
    OVERNIGHT_INDICES,
    TERM_INDICES,
    FloatingOracle,
    floating_coupons,
    forecast_curves,
    random_fixings,
)
from tests.oracles.quantlib_loans import LoanOracle

PV_TOLERANCE: Final = 1e-10  # of notional
CONTRACTS_PER_DATE: Final = 500
EXAMPLES_MAX: Final = 5
_DATES: Final = ("2024-02-29", "2025-12-31", "2026-03-16", "2026-08-05")
_DISCOUNT_CURVES: Final = ("LINEAR", "LOGLINEAR")

Flows = list[Any]


def random_market(as_of: int, *, rng: np.random.Generator) -> Market:
    """Two discount curves, and a curve and fixings for each index."""
    market = accuracy_bonds.random_market(as_of, rng=rng)
    fixings = random_fixings(as_of, rng=rng, from_days=11_500)
    return replace(market, curves=(*market.curves, *forecast_curves(market.curves[0], rng=rng)), fixings=fixings)


def random_loan(as_of: int, *, rng: np.random.Generator) -> dict[str, Any]:
    """Terms of one loan: those of a fixed one with an index in place of the rate."""
    contract = accuracy_loans.random_loans(1, as_of=as_of, rng=rng)[0]
    contract |= {"currency": "EUR", "discount_curve": str(rng.choice(_DISCOUNT_CURVES)), "amortisation_rate": contract.pop("interest_rate")}
    del contract["coupon_amount"]
    contract.pop("market_clean_price", None)
    return contract | _random_rates(contract, rng=rng)


def _random_rates(contract: dict[str, Any], *, rng: np.random.Generator) -> dict[str, Any]:
    choose = rng.choice
    found: dict[str, Any] = {"spread": float(rng.choice([0.0, 0.0175, 0.035])), "gearing": float(rng.choice([1.0, 1.0, 0.7]))}
    if contract["day_count"] == "ACT/ACT ICMA":
        contract["day_count"] = "ACT/360"  # QuantLib measures the stubs of floating and fixed legs differently
    if rng.random() < 0.5:
        return found | {"index": str(choose(TERM_INDICES)), "coupon_estimation": str(choose(["PAR", "INDEXED"]))}
    found |= {
        "index": str(choose(OVERNIGHT_INDICES)),
        "lookback_days": int(choose([0, 2, 5])),
        "observation_shift": bool(rng.random() < 0.3),
    }
    contract["payment_convention"] = "FOLLOWING"  # QuantLib refuses payments before the end of a period
    return found


def random_facility(as_of: int, *, rng: np.random.Generator) -> dict[str, Any]:
    """Terms of one revolving credit facility."""
    start = as_of - int(rng.integers(-60, 1_500))
    maturity = start + int(rng.integers(400, 3_500))
    maturity = max(maturity, as_of + 40)
    commitment = float(10.0 ** rng.uniform(5, 8))
    contract: dict[str, Any] = {
        "currency": "EUR",
        "commitment_amount": commitment * float(rng.choice([-1.0, 1.0])),
        "drawn_balance": commitment * float(rng.choice([0.0, 1.0, *rng.uniform(0.0, 1.0, 4)])),
        "start_date": start,
        "maturity_date": maturity,
        "frequency": str(rng.choice(["QUARTERLY", "SEMIANNUAL", "MONTHLY"])),
        "day_count": str(rng.choice(["ACT/360", "ACT/365F", "30/360 US"])),
        "calendar": str(rng.choice(["TARGET", "UK", "US_GOVT"])),
        "roll_rule": str(rng.choice(["BACKWARD", "FORWARD"])),
        "end_of_month": bool(rng.random() < 0.3),
        "accrual_convention": str(rng.choice(["UNADJUSTED", "FOLLOWING", "MODIFIED_FOLLOWING"])),
        "payment_convention": "FOLLOWING",
        "payment_lag": int(rng.choice([0, 2])),
        "commitment_fee_rate": float(rng.uniform(0.0, 0.01)),
        "facility_fee_rate": float(rng.choice([0.0, 0.002])),
        "upfront_fee": float(rng.choice([0.0, 0.01])),
        "discount_curve": str(rng.choice(_DISCOUNT_CURVES)),
        "credit_spread": float(rng.choice([0.0, 0.02])),
    }
    if rng.random() < 0.6:
        contract["utilisation_thresholds"], contract["utilisation_fee_rates"] = [0.33, 0.66], [0.001, 0.0025]
    # Where a period starts before its unadjusted date, its balance is still that of the unadjusted date.
    if rng.random() < 0.8 and contract["accrual_convention"] in ("UNADJUSTED", "FOLLOWING"):
        days = np.unique(rng.integers(max(as_of, start) + 1, maturity, int(rng.integers(1, 5))))
        contract["utilisation_dates"], contract["utilisation_rates"] = days.tolist(), rng.uniform(0.0, 1.0, days.size).tolist()
    elif rng.random() < 0.5:
        contract["availability_end_date"] = int(rng.integers(start + 200, maturity))
    return contract | _random_rates(contract, rng=rng)


def loan_flows(contract: dict[str, Any], *, oracle: FloatingOracle, loans: LoanOracle, market: Market) -> Flows | RowStatus:
    """QuantLib's flows of a loan, unsigned, or why there are none. Raises RuntimeError if QuantLib refuses it."""
    fixed = {**contract, "interest_rate": contract["amortisation_rate"], "coupon_amount": "BY_DAY_COUNT"}
    table = loans.table(fixed)
    if isinstance(table, RowStatus):
        return table
    schedule, coupons, balances, counter, _ = table
    nominals = [*balances, *[0.0] * (len(coupons) - len(balances))]
    flows = list(_coupons(contract, schedule=schedule, nominals=nominals, counter=counter, oracle=oracle, market=market))
    flows += [
        ql.SimpleCashFlow(before - after, coupon.date())
        for coupon, before, after in zip(coupons, nominals, [*nominals[1:], 0.0], strict=True)
    ]
    start = coupons[0].accrualStartDate()
    if start > terms.date_of(market.as_of):
        flows.append(ql.SimpleCashFlow(-nominals[0], start))
    return flows


def facility_flows(contract: dict[str, Any], *, oracle: FloatingOracle, loans: LoanOracle, market: Market) -> Flows | RowStatus:
    """QuantLib's flows of a facility, unsigned. Raises RuntimeError if QuantLib refuses it."""
    start, end = contract["start_date"], contract.get("availability_end_date", contract["maturity_date"])
    commitment, is_ahead = abs(contract["commitment_amount"]), start > market.as_of
    steps = list(zip(contract.get("utilisation_dates", ()), contract.get("utilisation_rates", ()), strict=True))
    tiers = list(zip(contract.get("utilisation_thresholds", ()), contract.get("utilisation_fee_rates", ()), strict=True))

    def shares(schedule: Any) -> list[float]:
        begun = [[share for day, share in steps if day <= terms.day_of(date)] for date in list(schedule.dates())[:-1]]
        return [found[-1] if found else contract["drawn_balance"] / commitment for found in begun]

    whole, available = (_facility_schedule(contract, last) for last in (contract["maturity_date"], end))
    counter = terms.day_counter(contract["day_count"], maturity=contract["maturity_date"], calendar=contract["calendar"], schedule=whole)
    drawn = [share * commitment for share in shares(whole)]
    flows = list(_coupons(contract, schedule=whole, nominals=drawn, counter=counter, oracle=oracle, market=market))
    pays = [coupon.date() for coupon in flows]
    flows += [ql.SimpleCashFlow(before - after, day) for day, before, after in zip(pays, drawn, [*drawn[1:], 0.0], strict=True)]
    used = [share * commitment * max([fee for level, fee in tiers if share > level], default=0.0) for share in shares(whole)]
    idle = [
        contract["commitment_fee_rate"] * (1.0 - share) * commitment + contract["facility_fee_rate"] * commitment
        for share in shares(available)
    ]
    for schedule, fees in ((whole, used), (available, idle)):
        flows += ql.FixedRateLeg(
            schedule, counter, fees, [1.0], terms.CONVENTIONS[contract["payment_convention"]],
            paymentCalendar=terms.CALENDARS[contract["calendar"]], paymentLag=contract["payment_lag"],
        )  # fmt: skip
    if is_ahead:
        begins = terms.date_of(start)
        flows += [ql.SimpleCashFlow(-drawn[0], next(iter(whole.dates()))), ql.SimpleCashFlow(contract["upfront_fee"] * commitment, begins)]
    return flows


def _facility_schedule(contract: dict[str, Any], last: int) -> Any:
    convention, calendar = terms.CONVENTIONS[contract["accrual_convention"]], terms.CALENDARS[contract["calendar"]]
    return ql.Schedule(
        terms.date_of(contract["start_date"]), terms.date_of(last), terms.FREQUENCIES[contract["frequency"]][0], calendar, convention,
        convention, terms.ROLL_RULES[contract["roll_rule"]], contract["end_of_month"],
    )  # fmt: skip


def _coupons(
    contract: dict[str, Any], *, schedule: Any, nominals: list[float], counter: Any, oracle: FloatingOracle, market: Market
) -> Any:
    name = contract["index"]
    index = oracle.index(name, INDICES[name].forecast_curve, market)
    return floating_coupons(
        {**contract, "calendar": contract["calendar"] or "NONE"}, schedule=schedule, nominals=nominals, index=index, counter=counter
    )


def compare(contracts: int, seed: int) -> Comparison:
    """Value random floating loans here and in QuantLib."""
    return _compare("FLOATING_LOAN", random_loan, loan_flows, contracts, seed)


def compare_facilities(contracts: int, seed: int) -> Comparison:
    """Value random revolving credit facilities here and in QuantLib."""
    return _compare("REVOLVING_CREDIT", random_facility, facility_flows, contracts, seed)


def _compare(
    product: str, random_contract: Callable[..., dict[str, Any]], flows_of: Callable[..., Flows | RowStatus], contracts: int, seed: int
) -> Comparison:
    rng = np.random.default_rng(seed)
    counts: dict[str, int] = {}
    largest, mismatches, compared = 0.0, 0, 0
    examples: list[dict[str, Any]] = []
    for batch in range(-(-contracts // CONTRACTS_PER_DATE)):
        as_of = int(np.datetime64(_DATES[batch % len(_DATES)], "D").astype(np.int64))
        market = random_market(as_of, rng=rng)
        rows = [random_contract(as_of, rng=rng) for _ in range(min(CONTRACTS_PER_DATE, contracts - batch * CONTRACTS_PER_DATE))]
        oracle, loans, spec = FloatingOracle(market), LoanOracle(market), pricer(product)
        valuation = value_contracts(spec, contracts_of(spec.columns, rows), market=market)
        for row, contract in enumerate(rows):
            status, pv = RowStatus(int(valuation.status[row])), float(valuation.values[Measure.PV][row])
            expected_status, expected = _expected(contract, flows_of, oracle=oracle, loans=loans, market=market, notional=spec.notional)
            if expected_status is None:
                counts["refused by QuantLib"] = counts.get("refused by QuantLib", 0) + 1
                continue
            for key in (expected_status.name, contract["index"], contract.get("amortisation", "")):
                counts[key] = counts.get(key, 0) + 1
            difference = abs(pv - expected) / abs(contract[spec.notional]) if status == expected_status == RowStatus.OK else 0.0
            largest, compared = max(largest, difference), compared + 1
            if status != expected_status or not difference <= PV_TOLERANCE:
                mismatches += 1
                if len(examples) < EXAMPLES_MAX:
                    examples.append({"as_of": as_of, **contract, "fault": f"{status.name} {expected_status.name} {difference:.3g}"})
    ql.IndexManager.instance().clearHistories()
    ql.Settings.instance().evaluationDate = ql.Date()
    return Comparison(compared, largest, mismatches, {"counts": counts, "examples": examples})


def _expected(
    contract: dict[str, Any],
    flows_of: Callable[..., Flows | RowStatus],
    *,
    oracle: FloatingOracle,
    loans: LoanOracle,
    market: Market,
    notional: str,
) -> tuple[RowStatus | None, float]:
    """Status and PV; no status where QuantLib refuses the terms."""
    as_of = terms.date_of(market.as_of)
    try:
        flows = flows_of(contract, oracle=oracle, loans=loans, market=market)
        if isinstance(flows, RowStatus):
            return flows, 0.0
        structure = terms.with_spreads(
            oracle.curves[contract["discount_curve"]], spread_curve=None, credit_spread=contract["credit_spread"], as_of=market.as_of
        )
        pv = ql.CashFlows.npv(flows, ql.YieldTermStructureHandle(structure), False, as_of, as_of)
    except RuntimeError:
        return None, 0.0
    return RowStatus.OK, float(np.sign(contract[notional])) * pv
