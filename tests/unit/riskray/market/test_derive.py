"""Markets made from others: what is moved and what stays to the last digit."""

import numpy as np
import pytest

from riskray.errors import InvalidRequest
from riskray.market.build import build_market
from riskray.market.derive import replaced, shifted
from riskray.market.reader import parse_market
from riskray.models.market_data import CurveDocument, MarketDocument
from tests.fixtures.stored_snapshots import market_document

NO_SHIFT: dict[str, np.ndarray] = {}


def document(**changes: object) -> MarketDocument:
    """EUR in discount factors, USD annually compounded, spots carried back by both."""
    given = market_document() | {
        "fx_discount_curves": {"EUR": "EUR-GOVT", "USD": "USD-GOVT"},
        "fx_spots": [{"pair": "EURUSD", "rate": 1.0811}, {"pair": "USDJPY", "rate": 151.3}],
    }
    given["curves"][0] |= {"quoted_as": "discount_factors", "points": [{"tenor": "1Y", "value": 0.97}, {"tenor": "10Y", "value": 0.7}]}
    given["curves"][1] |= {"compounding": "ANNUAL"}
    return parse_market(given | changes)


def test_shift_moves_zero_rates_and_leaves_todays_exchange_rates_where_they_were() -> None:
    before = document()
    shift = np.array([0.001, -0.002])
    after = parse_market(shifted(before, shifts={"EUR-GOVT": shift}, fx_factors={}).model_dump(mode="json"))
    was, moved = (build_market(one, base_currency="USD") for one in (before, after))
    assert moved.curves[0].zero_rates.tolist() == (was.curves[0].zero_rates + shift).tolist()
    assert moved.fx_to_base == pytest.approx(was.fx_to_base, rel=1e-15)
    assert after.fx_spots[0].rate != before.fx_spots[0].rate
    assert after.curves[0].quality == "estimated"


def test_what_is_not_moved_is_as_it_was_given() -> None:
    before = document()
    after = shifted(before, shifts={"CORP-A": np.array([0.01])}, fx_factors={})
    assert (after.curves, after.fx_spots) == (before.curves, before.fx_spots)
    assert after.spread_curves[0].points[0].value == 0.02


def test_factor_moves_the_price_of_its_currency_alone() -> None:
    before = document()
    after = shifted(before, shifts={}, fx_factors={"JPY": 1.25})
    was, moved = (build_market(one, base_currency="USD") for one in (before, after))
    assert moved.fx_to_base["JPY"] == pytest.approx(1.25 * was.fx_to_base["JPY"], rel=1e-15)
    assert moved.fx_to_base["EUR"] == was.fx_to_base["EUR"]


def test_curve_that_is_replaced_twice_is_refused() -> None:
    curve = CurveDocument.model_validate(market_document()["curves"][0])
    with pytest.raises(InvalidRequest, match="'EUR-GOVT' is given twice"):
        replaced(document(), curves=[curve, curve])


def test_rate_of_the_opposite_pair_is_refused_with_the_pairs_there_are() -> None:
    with pytest.raises(InvalidRequest, match="quotes no pair 'USDEUR'; there are EURUSD, USDJPY"):
        replaced(document(), fx_rates={"USDEUR": 0.9})
