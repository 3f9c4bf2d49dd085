"""P&L explanation: every part against a revaluation of its own, the sum against the actual P&L, and rows that come, go, mature or fail."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from pricers import (
    Contracts,
    Curve,
    CurveKind,
    Market,
    Measure,
    RowStatus,
    compile_contracts,
    contracts_of,
    explain,
    pricer,
    value_contracts,
)
from pricers.core.compiled import compile_cashflows
from pricers.flows.cashflows import Lowered, Term
from pricers.registry import NO_FIXINGS
from pricers.time.dates import to_date
from pricers.value.pnl_attribution import PnlExplanation, explain_pnl
from tests.unit.pricers.examples import (
    AS_OF,
    BOND,
    BONDS,
    CORPORATE,
    CORPORATE_BOND,
    DOLLAR_BOND,
    EUR,
    LABELS,
    MARKET,
    PILLARS,
    USD,
    shifted,
    with_curves,
)
from tests.unit.pricers.floating_examples import ESTR, EURIBOR, FLOATER, FLOATING_MARKET, OVERNIGHT_FLOATER, fixings
from tests.unit.pricers.value.test_valuation import FORWARD

DAYS = 70  # over BOND's coupon date of 20 May
rng = np.random.default_rng(8)
EUR_MOVES = rng.normal(0.0, 0.004, PILLARS.size)
LATER = Market(
    AS_OF + DAYS,
    "EUR",
    (
        shifted(EUR, EUR_MOVES),
        shifted(USD, rng.normal(0.0, 0.004, PILLARS.size)),
        shifted(CORPORATE, rng.normal(0.0, 0.002, CORPORATE.zero_rates.size)),
    ),
    {"EUR": 1.0, "USD": 0.95},
)
PARTS = ("carry", "rates", "credit", "fx", "opened", "closed", "residual")


def explained(product: str, rows: list[dict[str, Any]], *, later: Market = LATER, earlier: Market = MARKET, **held: Any) -> PnlExplanation:
    contracts = contracts_of(pricer(product).columns, rows)
    compiled = [compile_contracts(product, contracts, as_of=market.as_of) for market in (earlier, later)]
    known = lowered(product, contracts, as_of=earlier.as_of)
    return explain_pnl(*compiled, known_t1=known, market_t0=earlier, market_t1=later, **held)


def lowered(product: str, contracts: Contracts, *, as_of: int) -> Lowered:
    lower = pricer(product).lower
    assert lower is not None
    return lower(contracts, as_of=as_of, fixings=NO_FIXINGS)


def worth(product: str, rows: list[dict[str, Any]], market: Market) -> np.ndarray:
    return value_contracts(product, contracts_of(pricer(product).columns, rows), market=market).values[Measure.PV_BASE]


@pytest.mark.parametrize(("product", "rows"), [("FIXED_BOND", BONDS), ("FX_FWD", [FORWARD, {**FORWARD, "notional": -3e5}])])
def test_parts_add_up_to_the_actual_pnl(product: str, rows: list[dict[str, Any]]) -> None:
    found = explained(product, rows)
    assert (found.status == RowStatus.OK).all()
    np.testing.assert_allclose(found.pv_t0, worth(product, rows, MARKET), rtol=1e-13)
    np.testing.assert_allclose(found.pv_t1, worth(product, rows, LATER), rtol=1e-13)
    np.testing.assert_allclose(found.pnl, found.pv_t1 + found.cash_received - found.pv_t0, rtol=0, atol=1e-9)
    np.testing.assert_allclose(sum(getattr(found, part) for part in PARTS), found.pnl, rtol=0, atol=1e-9)
    np.testing.assert_allclose(found.residual, 0.0, atol=1e-6)  # the pillars agree, so nothing is left over
    by_row = [found.rates_by_pillar[first:last].sum() for first, last in pairwise(found.bucket_offsets[found.factor_offsets])]
    np.testing.assert_allclose(by_row, found.rates, rtol=1e-12)


def test_every_step_is_a_revaluation_on_top_of_the_steps_before() -> None:
    rows = [BOND, CORPORATE_BOND, DOLLAR_BOND]
    found = explained("FIXED_BOND", rows)
    aged = replace(MARKET, as_of=LATER.as_of)
    moved = worth("FIXED_BOND", rows, aged)
    coupon = BOND["notional"] * BOND["coupon_rate"]
    assert found.cash_received[0] == pytest.approx(coupon)
    np.testing.assert_allclose(found.carry[0], moved[0] + coupon - found.pv_t0[0], rtol=1e-10)
    for pillar in range(PILLARS.size):
        curve = shifted(EUR, np.where(np.arange(PILLARS.size) <= pillar, EUR_MOVES, 0.0))
        stepped = worth("FIXED_BOND", rows[:2], with_curves(aged, curve))
        for row in range(2):
            assert found.rates_by_pillar[found.bucket_offsets[row] + pillar] == pytest.approx(stepped[row] - moved[row], abs=1e-7)
        moved[:2] = stepped
    with_spread = worth("FIXED_BOND", rows, replace(aged, curves=LATER.curves))
    assert found.credit[1] == pytest.approx(with_spread[1] - moved[1], abs=1e-7)
    assert found.credit[0] == 0.0
    dollars = found.pv_t1[2] / 0.95
    assert found.fx[2] == pytest.approx((dollars + found.cash_received[2] / 0.95) * 0.05)
    assert found.fx[0] == 0.0


def test_cash_is_that_of_the_flows_as_they_are_known_on_the_later_date() -> None:
    contracts = contracts_of(pricer("FIXED_BOND").columns, [BOND])
    compiled = [compile_contracts("FIXED_BOND", contracts, as_of=market.as_of) for market in (MARKET, LATER)]
    # As if fixings had come out in between: another amount, and other flows than were forecast.
    fixed = contracts_of(pricer("FIXED_BOND").columns, [BOND | {"coupon_rate": 0.07, "frequency": "SEMIANNUAL"}])
    known = lowered("FIXED_BOND", fixed, as_of=AS_OF)
    assert known.cashflows.amount.size != lowered("FIXED_BOND", contracts, as_of=AS_OF).cashflows.amount.size
    found = explain_pnl(*compiled, known_t1=known, market_t0=MARKET, market_t1=LATER)
    assert found.cash_received[0] == pytest.approx(BOND["notional"] * 0.07 / 2)
    assert found.pv_t0[0] == pytest.approx(worth("FIXED_BOND", [BOND], MARKET)[0], rel=1e-13)
    np.testing.assert_allclose(sum(getattr(found, part) for part in PARTS), found.pnl, rtol=0, atol=1e-9)


def test_row_whose_cash_is_still_a_forecast_or_unknown_fails_and_leaves_its_neighbours() -> None:
    contracts = contracts_of(pricer("FIXED_BOND").columns, [BOND, DOLLAR_BOND, BOND])
    compiled = [compile_contracts("FIXED_BOND", contracts, as_of=market.as_of) for market in (MARKET, LATER)]
    known = lowered("FIXED_BOND", contracts, as_of=AS_OF)
    shapes, forecast = known.cashflows.shapes, (Term("EUR"), Term("EUR", lag=180, sign=-1))
    legs = np.repeat(np.arange(3), np.diff(known.cashflows.flow_offsets))
    flow_shape = np.where(legs == 0, len(shapes), known.cashflows.leg_shape[legs]).astype(np.int32)
    flows = replace(known.cashflows, shapes=(*shapes, forecast), flow_shape=flow_shape)
    status = np.array([RowStatus.OK, RowStatus.OK, RowStatus.MISSING_INDEX], np.uint8)
    found = explain_pnl(*compiled, known_t1=replace(known, cashflows=flows, status=status), market_t0=MARKET, market_t1=LATER)
    assert found.status.tolist() == [RowStatus.MISSING_FIXING, RowStatus.OK, RowStatus.MISSING_INDEX]
    assert np.isnan(found.cash_received).tolist() == [True, False, True]
    alone = explained("FIXED_BOND", [DOLLAR_BOND])
    assert (found.pnl[1], found.cash_received[1]) == (alone.pnl[0], alone.cash_received[0])
    gone = explain_pnl(*compiled, known_t1=replace(known, cashflows=flows), market_t0=MARKET, market_t1=LATER, in_t1=np.zeros(3, bool))
    assert (gone.status == RowStatus.OK).all()  # what was sold has no cash to explain


def test_nothing_moves_but_time_leaves_carry_alone() -> None:
    found = explained("FIXED_BOND", BONDS, later=replace(MARKET, as_of=AS_OF + 1))
    theta = value_contracts("FIXED_BOND", contracts_of(pricer("FIXED_BOND").columns, BONDS), market=MARKET).values[Measure.THETA_1D]
    np.testing.assert_allclose(found.carry, theta, rtol=1e-9)
    for part in ("rates", "credit", "fx", "opened", "closed", "residual"):
        np.testing.assert_allclose(getattr(found, part), 0.0, atol=1e-6)


def test_same_day_has_no_carry() -> None:
    found = explained("FIXED_BOND", BONDS, later=replace(LATER, as_of=AS_OF))
    np.testing.assert_allclose(found.carry, 0.0, atol=1e-6)
    assert (np.abs(found.rates) > 100.0).all()


def test_pillars_on_other_days_leave_a_small_residual() -> None:
    days = PILLARS + np.array([1, 0, 1, 0, 1, 0], np.int32)
    curve = Curve("EUR", CurveKind.RATE, "EUR", "LINEAR_ZERO", LABELS, days, EUR.zero_rates + 0.01)
    found = explained("FIXED_BOND", [BOND], later=with_curves(LATER, curve))
    assert found.pnl[0] == pytest.approx(sum(getattr(found, part)[0] for part in PARTS), abs=1e-9)
    assert 0.0 < abs(found.residual[0]) < 1e-3 * abs(found.rates[0])


def test_new_and_dead_positions_carry_their_whole_value() -> None:
    found = explained("FIXED_BOND", [BOND] * 4, in_t0=np.array([True, True, False, False]), in_t1=np.array([True, False, True, False]))
    kept, dead, new, absent = range(4)
    assert found.closed[dead] == -found.pv_t0[kept] == found.pnl[dead]
    assert found.opened[new] == found.pv_t1[kept] == found.pnl[new]
    assert [found.carry[dead], found.rates[new], found.cash_received[dead], found.pnl[absent]] == [0.0] * 4
    assert found.factor_offsets.tolist() == [0, 1, 1, 1, 1]  # what is new or gone has no rates
    assert (found.status == RowStatus.OK).all()


def test_position_that_matured_in_between_turned_into_cash() -> None:
    rows = [{**BOND, "maturity_date": "2026-05-20"}, {**BOND, "maturity_date": "2025-05-20"}]
    found = explained("FIXED_BOND", rows)
    assert found.cash_received[0] == pytest.approx(1_035_000.0)
    assert (found.pv_t1[0], found.rates[0], found.closed[0]) == (0.0, 0.0, 0.0)
    assert found.carry[0] == pytest.approx(found.cash_received[0] - found.pv_t0[0]) == found.pnl[0]
    assert [getattr(found, part)[1] for part in ("pnl", *PARTS)] == [0.0] * 8  # matured long ago: nothing happened
    assert (found.status == RowStatus.OK).all()


def test_coupon_that_goes_ex_is_cash_on_that_day_and_not_again_when_it_is_paid() -> None:
    """A coupon of 17,500 on 15 April 2026 and 2027, the last with the principal; ex-coupon seven calendar days before."""
    life = {"issue_date": "2024-04-15", "maturity_date": "2027-04-15"}
    bond = {**BOND, **life, "calendar": None, "frequency": "SEMIANNUAL", "ex_coupon_days": 7}
    for cum, ex, paid in ((22, 23, 30), (387, 388, 395)):  # days after the valuation date
        markets = [replace(MARKET, as_of=AS_OF + days) for days in (cum, ex, paid)]
        goes_ex, is_paid = (explained("FIXED_BOND", [bond], earlier=before, later=after) for before, after in pairwise(markets))
        assert goes_ex.cash_received[0] == pytest.approx(17_500.0, rel=1e-12)
        assert is_paid.cash_received[0] == pytest.approx(0.0 if paid == 30 else 1_000_000.0, abs=1e-6)
        assert 0.0 < goes_ex.pnl[0] < 100.0  # interest of a day, and of a week on the coupon
        assert goes_ex.carry[0] == pytest.approx(goes_ex.pnl[0], abs=1e-6)
        whole = explained("FIXED_BOND", [bond], earlier=markets[0], later=markets[2])
        assert whole.pnl[0] == pytest.approx(goes_ex.pnl[0] + is_paid.pnl[0], abs=1e-6)
    theta = value_contracts("FIXED_BOND", contracts_of(pricer("FIXED_BOND").columns, [bond]), market=replace(MARKET, as_of=AS_OF + 22))
    assert theta.values[Measure.THETA_1D][0] == pytest.approx(60.0, abs=20.0)  # the coupon is not lost on its way either


def test_cash_of_a_day_is_what_is_paid_and_the_interest_that_goes_ex() -> None:
    """A coupon of 17,500 on 15 April 2026, ex on 8 April; half the principal sinks with it and stays with the holder until it is paid."""
    terms = {"issue_date": "2024-04-15", "maturity_date": "2027-04-15", "calendar": None, "frequency": "SEMIANNUAL", "ex_coupon_days": 7}
    bond = {**BOND, **terms, "sinking_dates": ["2026-04-15"], "sinking_amounts": [500_000.0]}
    flows = lowered("FIXED_BOND", contracts_of(pricer("FIXED_BOND").columns, [bond]), as_of=AS_OF).cashflows
    assert flows.pay_day[0] - flows.ex_day[0] == 7
    received = [explained("FIXED_BOND", [bond], later=replace(MARKET, as_of=AS_OF + days)).cash_received[0] for days in (22, 23, 29, 30)]
    assert received == pytest.approx([0.0, 17_500.0, 17_500.0, 517_500.0])


def test_loan_repaid_in_proportion_to_its_balance_has_no_ex_coupons() -> None:
    loan = {
        "currency": "EUR", "notional": 1200.0, "interest_rate": 0.06, "start_date": "2025-12-16", "maturity_date": "2026-12-16",
        "discount_curve": "EUR", "drawn_balance": 900.0,
    }  # fmt: skip
    found = explained("AMORT_LOAN", [loan])
    flows = explain("AMORT_LOAN", contracts_of(pricer("AMORT_LOAN").columns, [loan]), 0, market=MARKET).flows
    paid = sum(flow.amount for flow in flows if flow.pay_date <= to_date(AS_OF + DAYS))
    assert found.cash_received[0] == pytest.approx(paid, rel=1e-12)


def test_row_without_value_at_one_date_is_not_explained_and_harms_no_neighbour() -> None:
    rows = [BOND, {**BOND, "discount_curve": "MARS"}, {**BOND, "notional": 0.0}, DOLLAR_BOND]
    found = explained("FIXED_BOND", rows, later=replace(LATER, fx_to_base={"EUR": 1.0}))
    assert found.status.tolist() == [RowStatus.OK, RowStatus.MISSING_CURVE, RowStatus.INVALID_AMOUNT, RowStatus.MISSING_FX]
    assert np.isnan(found.pnl[1:]).all()
    alone = explained("FIXED_BOND", [BOND])
    for part in ("pnl", *PARTS):
        assert getattr(found, part)[0] == getattr(alone, part)[0]
    assert np.isfinite(found.rates_by_pillar).all()


def test_curve_that_only_one_market_has_is_a_missing_curve() -> None:
    without = replace(MARKET, curves=(USD, CORPORATE))
    assert explained("FIXED_BOND", [BOND], earlier=without).status[0] == RowStatus.MISSING_CURVE
    assert explained("FIXED_BOND", [BOND], later=replace(LATER, curves=(USD, CORPORATE))).status[0] == RowStatus.MISSING_CURVE
    newcomer = explained("FIXED_BOND", [BOND], earlier=without, in_t0=np.array([False]))
    assert newcomer.pnl[0] == newcomer.opened[0] == pytest.approx(worth("FIXED_BOND", [BOND], LATER)[0])


def test_batches_and_markets_that_do_not_belong_together_are_refused() -> None:
    contracts = [contracts_of(pricer("FIXED_BOND").columns, rows) for rows in ([BOND], [BOND, BOND])]
    one, two = (compile_contracts("FIXED_BOND", batch, as_of=AS_OF) for batch in contracts)
    known, of_two = (lowered("FIXED_BOND", batch, as_of=AS_OF) for batch in contracts)
    with pytest.raises(ValueError, match="different contracts"):
        explain_pnl(one, two, known_t1=known, market_t0=MARKET, market_t1=MARKET)
    with pytest.raises(ValueError, match="70 days after the later one"):
        explain_pnl(one, one, known_t1=known, market_t0=LATER, market_t1=MARKET)
    with pytest.raises(ValueError, match="different base currencies: EUR and USD"):
        explain_pnl(one, one, known_t1=known, market_t0=MARKET, market_t1=replace(MARKET, base_currency="USD"))
    with pytest.raises(ValueError, match="known_t1 and compiled_t0 hold different contracts: 2 and 1 legs"):
        explain_pnl(one, one, known_t1=of_two, market_t0=MARKET, market_t1=MARKET)


def floating_market(days: int, curve_shift: float = 0.0, **values: float) -> Market:
    """`days` after the first, with fixings before that day; rates of all curves move by `curve_shift`."""
    curves = tuple(shifted(curve, np.full(curve.zero_rates.size, curve_shift)) for curve in FLOATING_MARKET.curves)
    return replace(FLOATING_MARKET, as_of=AS_OF + days, curves=curves, fixings=fixings(AS_OF + days, **values))


def floating_pnl(row: dict[str, Any], earlier: Market, later: Market) -> PnlExplanation:
    contracts, lower = contracts_of(pricer("FLOATING_RATE_BOND").columns, [row]), pricer("FLOATING_RATE_BOND").lower
    assert lower is not None
    compiled = [
        compile_contracts("FLOATING_RATE_BOND", contracts, as_of=market.as_of, fixings=market.fixings) for market in (earlier, later)
    ]
    known = lower(contracts, as_of=earlier.as_of, fixings=replace(later.fixings, through=later.as_of))
    known_compiled = compile_cashflows(known, measures=frozenset({Measure.PV}))
    return explain_pnl(*compiled, known_t1=known, compiled_known_t1=known_compiled, market_t0=earlier, market_t1=later)


def discount(curve: Curve, days: int) -> float:
    return float(np.exp(-np.interp(days, curve.pillar_days, curve.zero_rates) * days / 365))


def test_what_euribor_fixed_in_between_is_a_part_of_carry_and_the_next_coupon_is_cash() -> None:
    """Fixed on Monday 18 May 2026 for 20 May to 20 November, at 3.1 %; days 63, 65 and 249 after the valuation date."""
    fixing, start, end = 63, 65, 249
    assert [to_date(AS_OF + day).isoformat() for day in (fixing, start, end)] == ["2026-05-18", "2026-05-20", "2026-11-20"]
    fixed = {f"day_{AS_OF + fixing}": 0.031}
    days = (0, fixing, fixing + 1, start + 1, end + 1)
    markets = [floating_market(day, 0.0002 * number, **(fixed if day > fixing else {})) for number, day in enumerate(days)]
    steps = [floating_pnl(FLOATER, *pair) for pair in pairwise(markets)]
    assert [step.status[0] for step in steps] == [RowStatus.OK] * 4
    assert [step.fixing[0] != 0.0 for step in steps] == [False, True, False, True]  # the last: the coupon after it is fixed too
    earlier = markets[1]
    by_name = {curve.name: curve for curve in earlier.curves}
    euribor, discounting = by_name[EURIBOR.name], by_name["EUR"]
    start, end = start - fixing, end - fixing
    forward = (discount(euribor, start) / discount(euribor, end) - 1.0) * 360 / (end - start)
    expected = 1e6 * (0.031 - forward) * (end - start) / 360 * discount(discounting, end)
    assert steps[1].fixing[0] == pytest.approx(expected, rel=1e-9)
    assert abs(steps[1].fixing[0]) > 1000.0 > abs(steps[1].carry[0] - steps[1].fixing[0])  # the day itself earns a tenth of that
    coupon = 1e6 * (0.031 + 0.01) * (end - start) / 360
    assert steps[3].cash_received[0] == pytest.approx(coupon, rel=1e-12)
    for step in steps:
        assert step.pnl[0] == pytest.approx(sum(getattr(step, part)[0] for part in PARTS), abs=1e-8)
        assert step.residual[0] == pytest.approx(0.0, abs=1e-6)
    whole = floating_pnl(FLOATER, markets[0], markets[-1])
    assert whole.pnl[0] == pytest.approx(sum(step.pnl[0] for step in steps), abs=1e-6)
    assert whole.cash_received[0] == pytest.approx(sum(step.cash_received[0] for step in steps), rel=1e-12)


def test_overnight_rates_fixed_in_between_are_a_part_of_carry() -> None:
    """From Monday to Friday 3 % above what the curve has, Friday's until Monday; the running period ends on 20 May 2026."""
    rates = {f"day_{AS_OF + day}": 0.05 for day in range(5)}
    earlier, later = floating_market(0), floating_market(5, **rates)
    found = floating_pnl(OVERNIGHT_FLOATER, earlier, later)
    contracts, values = contracts_of(pricer("FLOATING_RATE_BOND").columns, [OVERNIGHT_FLOATER]), []
    for published in (fixings(AS_OF + 1, **{f"day_{AS_OF}": 0.05}), fixings(AS_OF + 5, **rates)):
        valued = value_contracts("FLOATING_RATE_BOND", contracts, market=replace(earlier, fixings=published))
        values.append(valued.values[Measure.PV_BASE][0])
    assert values[0] == values[1] > found.pv_t0[0]  # the fixing of the day is read, those of later days are not
    earned = 1e6 * (0.05 * 7 / 360 - (1.0 / discount(ESTR, 7) - 1.0))
    assert found.fixing[0] == pytest.approx(earned, rel=0.02)  # but for discounting and interest on interest
    assert found.carry[0] > found.fixing[0] > 0.0
    assert floating_pnl(OVERNIGHT_FLOATER, earlier, earlier).fixing[0] == 0.0
