from datetime import date

import numpy as np
import pytest

from pricers import Contracts, Measure, RowStatus, contracts_of, pricer, value_contracts
from pricers.time.dates import to_day
from tests.unit.pricers.examples import AS_OF
from tests.unit.pricers.floating_examples import FLOATING_MARKET
from tests.unit.pricers.products.flow_checks import check_risk_is_that_of_bumped_markets, check_scenarios_are_revaluations

PRODUCT = "REVOLVING_CREDIT"
FACILITY = {
    "commitment_amount": 1_000_000.0, "drawn_balance": 400_000.0, "currency": "EUR", "index": "EUR-EURIBOR-3M", "spread": 0.02,
    "current_fixing": 0.03, "start_date": "2025-02-20", "maturity_date": "2027-02-20", "frequency": "QUARTERLY", "discount_curve": "EUR",
    "commitment_fee_rate": 0.008, "accrual_convention": "UNADJUSTED", "payment_convention": "UNADJUSTED",
}  # fmt: skip
TIERS = {"utilisation_thresholds": [0.33, 0.66], "utilisation_fee_rates": [0.001, 0.002]}
GROWING = {**FACILITY, **TIERS, "utilisation_dates": ["2026-05-20", "2026-11-20"], "utilisation_rates": [0.9, 0.2]}
OVERNIGHT = {**GROWING, "index": "EUR-ESTR", "current_fixing": None, "spread_curve": "CORPORATE", "commitment_amount": -1_000_000.0}
AHEAD = {**FACILITY, "start_date": "2026-04-20", "maturity_date": "2028-04-20", "upfront_fee": 0.01, "credit_spread": 0.02}
FACILITIES = [FACILITY, GROWING, OVERNIGHT, AHEAD]
DRAWN, FEES, TIER = range(3)


def day(text: str) -> int:
    return to_day(date.fromisoformat(text))


def facilities(*rows: dict) -> Contracts:
    return contracts_of(pricer(PRODUCT).columns, list(rows))


def flows(row: dict, leg: int) -> list[tuple[str, float, float]]:
    """Payment date, amount and principal of the flows of a leg that rest on no forecast."""
    lower = pricer(PRODUCT).lower
    assert lower is not None
    found = lower(facilities(row), as_of=AS_OF, fixings=FLOATING_MARKET.fixings).cashflows
    own = range(*found.flow_offsets[leg : leg + 2].tolist())
    shape = found.flow_shape
    assert shape is not None
    plain = [flow for flow in own if shape[flow] == found.leg_shape[leg]]
    return [(str(np.datetime64(int(found.pay_day[f]), "D")), float(found.amount[f]), float(found.principal[f])) for f in plain]


def test_running_period_pays_interest_on_the_drawn_and_a_fee_on_the_undrawn_part():
    (paid, amount, principal), *_ = flows(FACILITY, DRAWN)
    assert (paid, principal) == ("2026-05-20", 0.0)
    assert amount == pytest.approx(400_000.0 * 0.05 * 89 / 360.0, rel=1e-14)
    paid, fee, _ = flows(FACILITY, FEES)[0]
    assert paid == "2026-05-20"
    assert fee == pytest.approx(600_000.0 * 0.008 * 89 / 360.0, rel=1e-14)
    assert flows(FACILITY, TIER) == []


def test_utilisation_that_is_expected_draws_repays_and_moves_the_fees():
    assert [principal for *_, principal in flows(GROWING, DRAWN)] == [-500_000.0, 0.0, 700_000.0, 200_000.0]
    undrawn = [0.6, 0.1, 0.1, 0.8]
    days = np.diff([day(text) for text in ("2026-02-20", "2026-05-20", "2026-08-20", "2026-11-20", "2027-02-20")])
    fees = [1e6 * share * 0.008 * count / 360.0 for share, count in zip(undrawn, days, strict=True)]
    assert [amount for _, amount, _ in flows(GROWING, FEES)] == pytest.approx(fees, rel=1e-13)
    tiers = [1e6 * share * rate * count / 360.0 for share, rate, count in zip((0.4, 0.9, 0.9), (0.001, 0.002, 0.002), days, strict=False)]
    assert [amount for _, amount, _ in flows(GROWING, TIER)] == pytest.approx(tiers, rel=1e-13)


def test_commitment_fee_ends_with_the_availability():
    facility = {**FACILITY, "availability_end_date": "2026-08-20"}
    assert [pay for pay, *_ in flows(facility, FEES)] == ["2026-05-20", "2026-08-20"]
    assert [pay for pay, *_ in flows(facility, DRAWN)][-1] == "2027-02-20"


def test_line_that_starts_later_pays_its_first_drawing_out_and_earns_the_upfront_fee():
    assert flows(AHEAD, DRAWN)[0] == ("2026-04-20", -400_000.0, -400_000.0)
    assert flows(AHEAD, FEES)[0] == ("2026-04-20", 10_000.0, 0.0)
    full = {**AHEAD, "drawn_balance": 1_000_000.0}
    assert flows(full, FEES)[0] == ("2026-04-20", 10_000.0, 0.0)


def test_undrawn_line_without_fees_is_worth_nothing_and_has_not_matured():
    idle = {**FACILITY, "drawn_balance": 0.0, "commitment_fee_rate": 0.0}
    valuation = value_contracts(PRODUCT, facilities(idle), market=FLOATING_MARKET)
    assert valuation.status.tolist() == [RowStatus.OK]
    assert valuation.values[Measure.PV].tolist() == [0.0]


def test_line_granted_to_us_is_worth_the_opposite():
    ours, theirs = value_contracts(
        PRODUCT, facilities(GROWING, {**GROWING, "commitment_amount": -1_000_000.0}), market=FLOATING_MARKET
    ).values[Measure.PV]
    assert ours == -theirs


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"commitment_amount": 0.0}, RowStatus.INVALID_AMOUNT),
        ({"commitment_fee_rate": -0.01}, RowStatus.INVALID_AMOUNT),
        ({"drawn_balance": 1_000_001.0}, RowStatus.INVALID_PRINCIPAL),
        ({"utilisation_dates": ["2026-05-20"]}, RowStatus.INVALID_PRINCIPAL),
        ({"utilisation_dates": ["2026-05-20"], "utilisation_rates": [1.5]}, RowStatus.INVALID_PRINCIPAL),
        ({"utilisation_dates": ["2026-08-20", "2026-05-20"], "utilisation_rates": [0.5, 0.6]}, RowStatus.INVALID_PRINCIPAL),
        ({"utilisation_thresholds": [0.5]}, RowStatus.INVALID_PRINCIPAL),
        ({"utilisation_thresholds": [0.5, 0.4], "utilisation_fee_rates": [0.001, 0.002]}, RowStatus.INVALID_PRINCIPAL),
        (
            {"availability_end_date": "2026-05-20", "utilisation_dates": ["2026-08-20"], "utilisation_rates": [0.9]},
            RowStatus.INVALID_PRINCIPAL,
        ),
        ({"availability_end_date": "2028-02-20"}, RowStatus.INVALID_PRINCIPAL),
        ({"index": "EURIBOR3M"}, RowStatus.MISSING_INDEX),
        ({"floor_rate": 0.0}, RowStatus.EMBEDDED_OPTION),
        ({"current_fixing": None, "index": "EUR-EURIBOR-1M"}, RowStatus.MISSING_FIXING),
        ({"calendar": "MARS"}, RowStatus.INVALID_SCHEDULE),
        ({"maturity_date": "2026-02-20"}, RowStatus.MATURED),
    ],
)
def test_unusable_terms_fail_the_row_alone(change, status):
    valuation = value_contracts(PRODUCT, facilities(FACILITY, {**FACILITY, **change}, FACILITY), market=FLOATING_MARKET)
    assert valuation.status.tolist() == [RowStatus.OK, status, RowStatus.OK]


def test_missing_fixing_is_named():
    row = {**FACILITY, "current_fixing": None, "index": "EUR-EURIBOR-1M"}
    assert value_contracts(PRODUCT, facilities(FACILITY, row), market=FLOATING_MARKET).messages == {
        1: "no fixing of EUR-EURIBOR-1M on 2026-02-18"
    }


def test_risk_is_that_of_bumped_markets():
    check_risk_is_that_of_bumped_markets(PRODUCT, FACILITIES, market=FLOATING_MARKET)


def test_scenarios_are_revaluations():
    check_scenarios_are_revaluations(PRODUCT, FACILITIES, market=FLOATING_MARKET)
