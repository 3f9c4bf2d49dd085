"""A failed position names the term that is wrong, not only the kind of mistake."""

import pytest

from pricers.measures import Measure
from pricers.registry import pricer
from riskray.engine.shard import value_shard
from riskray.market.build import build_market
from riskray.portfolio.reader import positions_table
from riskray.runs.loading import prepare_positions
from riskray.snapshots.demo import demo_market

BOND = {
    "position_id": "B", "product": "FIXED_BOND", "currency": "EUR", "notional": 1e6, "coupon_rate": 0.03, "issue_date": "2023-01-15",
    "maturity_date": "2033-01-15", "discount_curve": "EUR-GOVT",
}  # fmt: skip
FORWARD = {
    "position_id": "F", "product": "FX_FWD", "base_currency": "EUR", "quote_currency": "USD", "notional": 1e6, "contract_rate": 1.1,
    "delivery_date": "2024-12-16", "base_discount_curve": "EUR-GOVT", "quote_discount_curve": "USD-GOVT",
}  # fmt: skip
LOAN = {
    "position_id": "L", "product": "AMORT_LOAN", "currency": "EUR", "notional": 1e6, "interest_rate": 0.05, "start_date": "2023-01-15",
    "maturity_date": "2033-01-15", "discount_curve": "EUR-GOVT",
}  # fmt: skip

SHARE = {"position_id": "S", "product": "EQUITY_POSITION", "security_id": "X", "quantity": 10.0, "currency": "EUR"}


def failure_of(row):
    document = demo_market()
    market = build_market(document, base_currency="USD")
    [(product, table)] = positions_table([row]).tables.items()
    positions = prepare_positions(table, product=product, first_position_no=0, market=market)
    [failure] = value_shard(positions, spec=pricer(product), market=market, measures=frozenset(Measure)).failures.to_pylist()
    return failure


@pytest.mark.parametrize(
    ("row", "code", "named"),
    [
        (BOND | {"discount_curve": "EUR-LIBOR"}, "MISSING_CURVE", ": EUR-LIBOR"),
        (FORWARD | {"quote_discount_curve": "NOPE"}, "MISSING_CURVE", ": NOPE"),
        (BOND | {"spread_curve": "EUR-CORP-Z"}, "MISSING_SPREAD_CURVE", ": EUR-CORP-Z"),
        (BOND | {"currency": "AUD", "discount_curve": "AUD-GOVT"}, "MISSING_FX", ": AUD to USD"),
        (FORWARD | {"quote_currency": "AUD", "quote_discount_curve": "AUD-GOVT"}, "MISSING_FX", ": AUD to USD"),
        (SHARE | {"price_key": "NOPE"}, "MISSING_PRICE", "no price of this security: NOPE"),
        (BOND | {"discount_curve": "USD-GOVT"}, "CURVE_CURRENCY_MISMATCH", "USD-GOVT is in USD, the cash flows in EUR"),
        (BOND | {"maturity_date": "2020-01-15"}, "INVALID_DATES", "issue_date 2023-01-15, maturity_date 2020-01-15"),
        (BOND | {"issue_date": "2013-01-15", "maturity_date": "2020-01-15"}, "MATURED", "maturity_date 2020-01-15"),
        (BOND | {"maturity_date": "9999-12-31"}, "DATE_OUT_OF_RANGE", "maturity_date 9999-12-31"),
        (BOND | {"notional": 0.0}, "INVALID_AMOUNT", "notional 0, coupon_rate 0.03"),
        (FORWARD | {"contract_rate": None}, "INVALID_AMOUNT", "contract_rate none, quote_amount none"),
        (FORWARD | {"quote_currency": "EUR"}, "INVALID_AMOUNT", "base_currency EUR, quote_currency EUR"),
        (LOAN | {"interest_only_end_date": "2040-01-15"}, "INVALID_SCHEDULE", "interest_only_end_date 2040-01-15"),
        (LOAN | {"amortisation": "CUSTOM", "principal_dates": ["2024-01-15"], "principal_amounts": [1.0, 2.0]}, "INVALID_PRINCIPAL",
         "principal_dates 2024-01-15, principal_amounts 1;2"),
    ],
)  # fmt: skip
def test_failed_position_names_the_terms_that_are_wrong(row, code, named):
    failure = failure_of(row)
    assert failure["code"] == code
    assert named in failure["message"]
