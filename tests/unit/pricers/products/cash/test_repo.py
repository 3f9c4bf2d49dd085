import pytest

from pricers import Measure, RowStatus, contracts_of, pricer, value_contracts
from pricers.registry import NO_FIXINGS
from pricers.time.dates import to_date
from tests.oracles.accuracy_money_market import compare_repos
from tests.unit.pricers.examples import AS_OF, MARKET
from tests.unit.pricers.products.flow_checks import (
    check_risk_is_that_of_bumped_markets,
    check_scenarios_are_revaluations,
    statuses,
)

REVERSE = {
    "direction": "REVERSE",
    "currency": "EUR",
    "cash_amount": 1_000_000.0,
    "repo_rate": 0.036,
    "start_date": "2026-03-12",
    "maturity_date": "2026-04-11",
    "discount_curve": "EUR",
}
OPEN = {**REVERSE, "maturity_date": None}
BAD = [
    ({"cash_amount": 0.0}, RowStatus.INVALID_AMOUNT),
    ({"cash_amount": -1.0}, RowStatus.INVALID_AMOUNT),
    ({"cash_amount": float("inf")}, RowStatus.INVALID_AMOUNT),
    ({"repo_rate": float("nan")}, RowStatus.INVALID_AMOUNT),
    ({"calendar": "MARS"}, RowStatus.INVALID_SCHEDULE),
    ({"day_count": "BUS/252"}, RowStatus.INVALID_SCHEDULE),
    ({"maturity_date": "2026-03-12"}, RowStatus.INVALID_DATES),
    ({"maturity_date": "2199-03-12"}, RowStatus.DATE_OUT_OF_RANGE),
    ({"maturity_date": "2026-03-16"}, RowStatus.MATURED),
    ({"discount_curve": "NOWHERE"}, RowStatus.MISSING_CURVE),
    ({"discount_curve": "USD"}, RowStatus.CURVE_CURRENCY_MISMATCH),
]


def batch(*rows):
    return contracts_of(pricer("REPO").columns, list(rows))


def flows(row):
    lower = pricer("REPO").lower
    assert lower is not None
    cashflows = lower(batch(row), as_of=AS_OF, fixings=NO_FIXINGS).cashflows
    return [(str(to_date(day)), amount) for day, amount in zip(cashflows.pay_day, cashflows.amount.tolist(), strict=True)]


def test_reverse_repo_gets_its_cash_back_with_interest_and_repo_gives_it():
    assert flows(REVERSE) == [("2026-04-11", 1_003_000.0)]  # 30 days of 360
    assert flows({**REVERSE, "direction": "REPO"}) == [("2026-04-11", -1_003_000.0)]


def test_repo_that_has_not_started_pays_its_cash_out():
    assert flows({**REVERSE, "start_date": "2026-03-17", "maturity_date": "2026-04-16"}) == [
        ("2026-03-17", -1_000_000.0),
        ("2026-04-16", 1_003_000.0),
    ]


def test_open_repo_ends_on_the_next_business_day_with_the_interest_since_its_start():
    assert flows(OPEN) == [("2026-03-17", 1_000_500.0)]  # 5 days of 360
    ahead = flows({**OPEN, "start_date": "2026-03-20", "calendar": "TARGET"})  # a Friday
    assert [date for date, _ in ahead] == ["2026-03-20", "2026-03-23"]
    assert ahead[1][1] == pytest.approx(1_000_300.0)


def test_collateral_changes_no_value():
    with_collateral = {**REVERSE, "collateral_isin": "DE000BU2Z049", "collateral_nominal": 1_050_000.0, "haircut": 0.02}
    values = value_contracts("REPO", batch(REVERSE, with_collateral), market=MARKET).values
    for measure in (Measure.PV, Measure.DV01, Measure.THETA_1D):
        assert values[measure][0] == values[measure][1]


def test_dates_and_interest_move_with_business_days():
    assert flows({**REVERSE, "calendar": "TARGET"}) == [("2026-04-13", pytest.approx(1_003_200.0))]  # the 11th is a Saturday


@pytest.mark.parametrize(("terms", "status"), BAD)
def test_row_that_cannot_be_priced_has_a_status_and_harms_no_other(terms, status):
    assert statuses("REPO", [REVERSE, {**REVERSE, **terms}], market=MARKET) == [RowStatus.OK, status]


def test_risk_and_scenarios_are_revaluations():
    rows = [REVERSE, OPEN, {**REVERSE, "direction": "REPO", "currency": "USD", "discount_curve": "USD", "maturity_date": "2027-06-16"}]
    check_risk_is_that_of_bumped_markets("REPO", rows, market=MARKET)
    check_scenarios_are_revaluations("REPO", rows, market=MARKET)


def test_random_contracts_equal_quantlib():
    comparison = compare_repos(300, seed=20261201)
    assert comparison.details["examples"] == []
    assert comparison.mismatches == 0
    assert comparison.details["statuses"]["OK"] > 200
