"""The ECB's published rates against its own website's figures, and the generator against what it promises."""

from datetime import date

import numpy as np
import pytest

from pricers.time.dates import to_day
from riskray.errors import InvalidRequest
from riskray.scenario.history import content_hash
from riskray.scenario.history_sources import ecb_fx_history, generate_rate_history, joined
from tests.unit.riskray.scenario.examples import market

DATES = np.array([to_day(date(2022, 1, 1)) + n for n in range(600)], np.int32)


def test_ecb_history_begins_in_1999_with_the_published_rates() -> None:
    # ECB euro foreign exchange reference rates of 4 January 1999, the first ones: USD 1.1789, JPY 133.73, GBP 0.7111.
    found = ecb_fx_history(["USD", "JPY", "GBP", "EUR"], last=date(1999, 12, 31))
    assert (found.dates[0], found.numeraire) == (to_day(date(1999, 1, 4)), "EUR")
    first = dict(zip(found.factors, found.values[0], strict=True))
    assert first == pytest.approx({"fx/USD": 1 / 1.1789, "fx/JPY": 1 / 133.73, "fx/GBP": 1 / 0.7111})


def test_ecb_history_of_unknown_currency_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="no reference rate for VND"):
        ecb_fx_history(["USD", "VND"])


def test_generated_history_ends_at_todays_curves_and_repeats_by_seed() -> None:
    found = generate_rate_history(market(), dates=DATES, seed=7)
    last = dict(zip(found.factors, found.values[-1], strict=True))
    assert last["zero/EUR-GOVT/5Y"] == pytest.approx(0.025, abs=1e-15)
    assert last["spread/EUR-CORP/10Y"] == pytest.approx(0.02, abs=1e-15)
    assert content_hash(found) == content_hash(generate_rate_history(market(), dates=DATES, seed=7))
    assert content_hash(found) != content_hash(generate_rate_history(market(), dates=DATES, seed=8))


def test_generated_moves_have_realistic_sizes_and_correlations() -> None:
    found = generate_rate_history(market(), dates=DATES, seed=7)
    moves = dict(zip(found.factors, np.diff(found.values, axis=0).T, strict=True))
    for name in ("zero/EUR-GOVT/5Y", "zero/USD-GOVT/10Y"):
        assert 3e-4 < moves[name].std() < 9e-4
    assert np.corrcoef(moves["zero/EUR-GOVT/5Y"], moves["zero/EUR-GOVT/10Y"])[0, 1] > 0.8
    assert 0.3 < np.corrcoef(moves["zero/EUR-GOVT/5Y"], moves["zero/USD-GOVT/5Y"])[0, 1] < 0.8


def test_joined_histories_have_the_dates_and_factors_of_both() -> None:
    rates = generate_rate_history(market(), dates=DATES, seed=1)
    fx = ecb_fx_history(["USD"], first=date(2023, 1, 1), last=date(2023, 12, 31))
    both = joined(fx, rates)
    assert set(both.factors) == {*rates.factors, *fx.factors}
    assert both.dates.size == np.union1d(DATES, fx.dates).size
    assert np.isnan(both.values[0, both.factors.index("fx/USD")])
