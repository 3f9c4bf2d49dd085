import datetime
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pricers import (
    Curve,
    CurveKind,
    Market,
    Measure,
    RowStatus,
    Scenarios,
    SpecialKind,
    compile_contracts,
    contracts_of,
    explain,
    factors_of,
    present_values,
    pricer,
    value_contracts,
)
from pricers.products.credit.default_swap import lower
from pricers.registry import NO_FIXINGS
from pricers.time.dates import to_date, to_day
from pricers.value.netting import LadderGrid, net_flows, value_ladders
from tests.unit.pricers.examples import AS_OF, LABELS, MARKET, PILLARS

SPEC = pricer("CREDIT_DEFAULT_SWAP")
ACME = Curve("ACME", CurveKind.HAZARD, "", "LOG_LINEAR_DISCOUNT", LABELS, PILLARS, np.array([0.01, 0.012, 0.015, 0.02, 0.022, 0.025]))
LINEAR = replace(ACME, name="LINEAR", interpolation="LINEAR_ZERO")
CREDIT_MARKET = replace(MARKET, curves=(*MARKET.curves, ACME, LINEAR))
SWAP: dict[str, Any] = {
    "currency": "USD", "notional": 10_000_000.0, "coupon_rate": 0.01, "maturity_date": "2031-06-20", "trade_date": "2025-11-03",
    "discount_curve": "USD", "credit_curve": "ACME",
}  # fmt: skip
NEW = {**SWAP, "trade_date": "2026-03-16", "upfront_rate": 0.03}
BP = 1e-4
BAD = [
    ({"notional": 0.0}, RowStatus.INVALID_AMOUNT),
    ({"notional": float("nan")}, RowStatus.INVALID_AMOUNT),
    ({"coupon_rate": float("inf")}, RowStatus.INVALID_AMOUNT),
    ({"coupon_rate": -0.01}, RowStatus.INVALID_AMOUNT),
    ({"recovery_rate": 1.0}, RowStatus.INVALID_AMOUNT),
    ({"recovery_rate": 40.0}, RowStatus.INVALID_AMOUNT),
    ({"index_factor": 1.5}, RowStatus.INVALID_AMOUNT),
    ({"upfront_rate": 0.01, "upfront_amount": 100.0}, RowStatus.INVALID_AMOUNT),
    ({"upfront_rate": 0.01, "trade_date": None, "start_date": "2025-09-22"}, RowStatus.INVALID_DATES),
    ({"trade_date": None}, RowStatus.INVALID_DATES),
    ({"trade_date": "2031-06-20"}, RowStatus.INVALID_DATES),
    ({"start_date": "2031-06-20"}, RowStatus.INVALID_DATES),
    ({"step_in_date": "2025-11-02"}, RowStatus.INVALID_DATES),
    ({"protection_start": "2031-06-21"}, RowStatus.INVALID_DATES),
    ({"upfront_payment_date": "2025-11-02"}, RowStatus.INVALID_DATES),
    ({"first_coupon_date": "2025-01-01"}, RowStatus.INVALID_DATES),
    ({"maturity_date": "2199-06-20"}, RowStatus.DATE_OUT_OF_RANGE),
    ({"calendar": "MARS"}, RowStatus.INVALID_SCHEDULE),
    ({"maturity_date": "2026-03-13", "trade_date": "2025-01-03"}, RowStatus.MATURED),
    ({"discount_curve": "NOWHERE"}, RowStatus.MISSING_CURVE),
    ({"credit_curve": "NOWHERE"}, RowStatus.MISSING_CURVE),
    ({"credit_curve": "CORPORATE"}, RowStatus.MISSING_CURVE),
    ({"discount_curve": "EUR"}, RowStatus.CURVE_CURRENCY_MISMATCH),
    ({"currency": "EUR"}, RowStatus.CURVE_CURRENCY_MISMATCH),
    ({"currency": "EUR", "discount_curve": "EUR"}, RowStatus.CURVE_INTERPOLATION),
    ({"credit_curve": "LINEAR"}, RowStatus.CURVE_INTERPOLATION),
    ({"currency": "CHF"}, RowStatus.MISSING_FX),
]


def day(text: str) -> int:
    return to_day(datetime.date.fromisoformat(text))


def swaps(*rows: dict[str, Any]):
    return contracts_of(SPEC.columns, list(rows))


def value(*rows: dict[str, Any], market: Market = CREDIT_MARKET):
    return value_contracts(SPEC, swaps(*rows), market=market)


def flows_of(row: dict[str, Any], *, as_of: int = AS_OF) -> list[tuple[str, int, Any]]:
    """(date, contract leg, amount) of each flow."""
    flows = lower(swaps(row), as_of=as_of, fixings=NO_FIXINGS).cashflows
    assert flows.contract_leg is not None
    columns = (flows.pay_day.tolist(), flows.contract_leg.tolist(), flows.amount.tolist())
    return [(str(to_date(day)), leg, amount) for day, leg, amount in zip(*columns, strict=True)]


def test_premiums_fall_on_roll_dates_and_the_last_period_includes_maturity():
    found = [flow for flow in flows_of(SWAP) if flow[1] == 0]
    assert [date for date, _, _ in found[:3]] == ["2026-03-20", "2026-06-22", "2026-09-21"]  # two of them moved from Saturday and Sunday
    assert found[0][2] == pytest.approx(-1e7 * 0.01 * 88 / 360)  # from 22 December
    assert found[-2][0] == "2031-06-20"
    assert found[-2][2] == pytest.approx(-1e7 * 0.01 * 93 / 360)
    assert found[-1] == ("2031-06-20", 0, pytest.approx(-1e7 * 0.01 * 365 / 360))  # accrued on default
    assert [flow for flow in flows_of(SWAP) if flow[1] == 1] == [("2031-06-20", 1, pytest.approx(6e6))]


def test_upfront_payment_and_accrued_premium_fall_three_business_days_after_the_trade():
    up_front = [flow for flow in flows_of(NEW) if flow[1] == 2]
    assert up_front == [("2026-03-19", 2, pytest.approx(-300_000.0)), ("2026-03-19", 2, pytest.approx(1e7 * 0.01 * 85 / 360))]
    sold = {**NEW, "notional": -1e7, "upfront_rate": None, "upfront_amount": 250.0, "rebates_accrual": False,
            "upfront_payment_date": "2026-04-01"}  # fmt: skip
    assert [flow for flow in flows_of(sold) if flow[1] == 2] == [("2026-04-01", 2, 250.0)]
    assert [flow for flow in flows_of(NEW, as_of=day("2026-03-19")) if flow[1] == 2] == []


def test_flows_are_in_order_of_payment():
    dates = [date for date, _, _ in flows_of({**NEW, "upfront_payment_date": "2026-05-04"})]
    assert dates == sorted(dates)
    assert dates[:3] == ["2026-03-20", "2026-05-04", "2026-05-04"]


def test_premium_due_tomorrow_counts_unless_protection_starts_tomorrow():
    as_of = day("2026-03-19")
    assert flows_of(SWAP, as_of=as_of)[0][0] == "2026-03-20"
    assert flows_of({**SWAP, "trade_date": "2026-03-19", "start_date": "2025-12-20"}, as_of=as_of)[0][0] == "2026-06-22"


def test_bought_and_sold_protection_offset_and_an_index_factor_scales():
    found = value(SWAP, {**SWAP, "notional": -1e7}, {**SWAP, "index_factor": 0.25})
    pv = found.values[Measure.PV]
    assert pv[0] == -pv[1]
    assert pv[2] == pytest.approx(0.25 * pv[0], rel=1e-12)
    assert found.values[Measure.CS01][0] > 0.0


def test_terms_that_are_not_read_change_nothing():
    described = {"reference_entity": "Acme plc", "seniority": "SNRFOR", "restructuring": "MM14", "red_code": "0A0A0A"}
    assert value(SWAP).values[Measure.PV][0] == value({**SWAP, **described}).values[Measure.PV][0]


@pytest.mark.parametrize(("terms", "status"), BAD)
def test_bad_terms_have_a_status_and_leave_their_neighbours_alone(terms, status):
    found = value(SWAP, {**SWAP, **terms}, SWAP)
    assert found.status.tolist() == [RowStatus.OK, status, RowStatus.OK]
    assert np.isnan(found.values[Measure.PV]).tolist() == [False, True, False]
    alone = value(SWAP).values[Measure.PV][0]
    assert found.values[Measure.PV][[0, 2]].tolist() == [alone, alone]


def bumped(name: str, shift: np.ndarray | float) -> Market:
    curves = [replace(c, zero_rates=c.zero_rates + shift) if c.name == name else c for c in CREDIT_MARKET.curves]
    return replace(CREDIT_MARKET, curves=tuple(curves))


def test_sensitivities_are_bumps_and_revaluations():
    rows = (SWAP, NEW, {**SWAP, "pay_accrual_on_default": False, "notional": -5e6})
    found = value(*rows)
    today = found.values[Measure.PV_BASE]
    names = [factor.name for factor in factors_of(CREDIT_MARKET)]
    for measure, name in ((Measure.DV01, "USD"), (Measure.CS01, "ACME")):
        np.testing.assert_allclose(found.values[measure], value(*rows, market=bumped(name, BP)).values[Measure.PV_BASE] - today, atol=1e-6)
        for pillar in range(PILLARS.size):
            shift = np.where(np.arange(PILLARS.size) == pillar, BP, 0.0)
            expected = value(*rows, market=bumped(name, shift)).values[Measure.PV_BASE] - today
            for row in range(len(rows)):
                entries = range(found.factor_offsets[row], found.factor_offsets[row + 1])
                entry = next(entry for entry in entries if names[found.factor_nos[entry]] == name)
                ladder = found.sensitivities[found.bucket_offsets[entry] : found.bucket_offsets[entry + 1]]
                assert ladder[pillar] == pytest.approx(expected[row], abs=1e-6)


def test_theta_is_the_value_of_the_next_day_with_its_cash():
    eve = day("2026-03-19")  # a premium is paid on the next day
    for as_of in (AS_OF, eve):
        today = value(SWAP, market=replace(CREDIT_MARKET, as_of=as_of))
        tomorrow = value(SWAP, market=replace(CREDIT_MARKET, as_of=as_of + 1)).values[Measure.PV_BASE][0]
        paid = -1e7 * 0.01 * 88 / 360 * MARKET.fx_to_base["USD"] if as_of == eve else 0.0
        assert today.values[Measure.THETA_1D][0] == pytest.approx(tomorrow + paid - today.values[Measure.PV_BASE][0], abs=1e-6)


def test_scenarios_are_revaluations_and_nets_are_their_sums():
    rng = np.random.default_rng(1)
    shifts = {name: rng.normal(0.0, 0.005, (PILLARS.size, 3)) for name in ("USD", "ACME")}
    scenarios = Scenarios(3, shifts=shifts, fx_factors={"USD": np.array([1.0, 1.1, 0.9])})
    rows = (SWAP, NEW, {**SWAP, "notional": -4e6, "maturity_date": "2028-12-20"})
    compiled = compile_contracts(SPEC, swaps(*rows), as_of=AS_OF)
    vectors = present_values(compiled, market=CREDIT_MARKET, scenarios=scenarios)
    for scenario in range(3):
        curves = [
            replace(c, zero_rates=c.zero_rates + shifts[c.name][:, scenario]) if c.name in shifts else c for c in CREDIT_MARKET.curves
        ]
        fx = {"EUR": 1.0, "USD": 0.9 * scenarios.fx_factors["USD"][scenario]}
        expected = value(*rows, market=replace(CREDIT_MARKET, curves=tuple(curves), fx_to_base=fx)).values[Measure.PV_BASE]
        np.testing.assert_allclose(vectors[:, scenario], expected, atol=1e-5)
    grid = LadderGrid(market=CREDIT_MARKET, scenarios=scenarios)
    netted = net_flows(compiled, grid=grid, cell_of_row=np.zeros(3, np.int32), skip_failing=True)
    book = value_ladders(netted.ladders, grid=grid, cell_count=1)
    today = value(*rows).values[Measure.PV_BASE].sum()
    assert book.pv_base[0] == pytest.approx(today, abs=1e-6)
    np.testing.assert_allclose(book.pnl[0], vectors.sum(axis=0) - today, atol=1e-5)


def test_explanation_names_protection_and_premium_on_default_and_adds_up():
    found = explain(SPEC, swaps(NEW), 0, market=CREDIT_MARKET)
    assert sum(flow.pv for flow in found.flows) == pytest.approx(found.pv, abs=1e-6)
    by_kind = {flow.special_kind: flow for flow in found.flows}
    protection = by_kind[SpecialKind.PROTECTION]
    assert protection.pv == pytest.approx(protection.amount * protection.special_factor)
    assert {term.curve for term in protection.terms} == {"USD", "ACME"}
    assert by_kind[SpecialKind.DEFAULT_ACCRUAL].pv < 0.0
    assert by_kind[None].special_factor == 1.0
