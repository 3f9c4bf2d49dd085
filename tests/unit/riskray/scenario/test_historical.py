"""Historical moves: a published example, overlap, horizons, pillars that differ, gaps and windows."""

from datetime import date
from typing import Any

import numpy as np
import pytest

from pricers.market.market import Market
from pricers.time.dates import to_day
from riskray.errors import InvalidRequest
from riskray.models.scenario import HistoricalDefinition, MoveKind
from riskray.scenario.codec import ScenarioMatrix
from riskray.scenario.compile import compile_scenarios
from riskray.scenario.factors import Factor
from riskray.scenario.historical import historical_matrix, level_moves
from riskray.scenario.history import History, make_history
from tests.unit.riskray.scenario.examples import AS_OF, curve, history, market


def compiled(source: History | None = None, *, against: Market | None = None, **fields: Any) -> ScenarioMatrix:
    definition = HistoricalDefinition.model_validate({"history": "h", **fields})
    return historical_matrix(definition, history=source or history(), market=against or market())


def column(matrix: ScenarioMatrix, header: str) -> np.ndarray:
    return matrix.values[:, [factor.header for factor in matrix.factors].index(header)]


def test_moves_of_hulls_four_index_portfolio_are_the_published_ones() -> None:
    """J.C. Hull, Risk Management and Financial Institutions, 3rd ed. (2012), tables 14.1 to 14.3: $4,000k of the DJIA, $3,000k of
    the FTSE 100, $1,000k of the CAC 40 and $2,000k of the Nikkei 225 on 25 September 2008; levels in USD, losses in $k."""
    levels = np.array(
        [
            [11219.38, 11131.84, 6373.89, 131.77],
            [11173.59, 11096.28, 6378.16, 134.38],
            [11076.18, 11185.35, 6474.04, 135.94],
            [11124.37, 11016.71, 6357.49, 135.44],
        ]
    )
    today = np.array([11022.06, 9599.90, 6200.40, 112.82])
    indices = tuple(Factor(f"fx/{name}", MoveKind.RELATIVE) for name in "ABCD")
    moves = level_moves(levels[:-1], levels[1:], indices)
    published = [[10977.08, 9569.23, 6204.55, 115.05], [10925.97, 9676.96, 6293.60, 114.13], [11070.01, 9455.16, 6088.77, 112.40]]
    np.testing.assert_allclose(today * (1.0 + moves), published, rtol=0, atol=0.0101)  # printed to a cent, not all rounded the same way
    np.testing.assert_allclose(
        -moves @ [4000.0, 3000.0, 1000.0, 2000.0], [-14.334, -27.481, 53.264], rtol=0, atol=0.16
    )  # levels of five digits


def test_absolute_and_relative_moves_of_the_last_days_of_the_window() -> None:
    found = compiled(window=2, spread_moves="relative")
    assert found.labels == ("2024-01-05", "2024-01-06")
    np.testing.assert_allclose(column(found, "zero/EUR-GOVT/1Y"), [0.001, 0.001])
    np.testing.assert_allclose(column(found, "zero/EUR-GOVT/10Y"), [0.0005 * 7, 0.0005 * 9])
    np.testing.assert_allclose(column(found, "spread/EUR-CORP/10Y relative"), [0.1, 0.1])
    np.testing.assert_allclose(column(found, "fx/GBP"), [-0.01, -0.01])
    assert found.numeraire == "EUR"


def test_pillar_between_those_of_the_history_moves_by_interpolation_in_days() -> None:
    found = compiled(window=1)
    one_year = to_day(date(2025, 3, 28)) - AS_OF
    ten_years = to_day(date(2034, 3, 28)) - AS_OF
    weight = (1826 - one_year) / (ten_years - one_year)
    expected = (1 - weight) * 0.001 + weight * 0.0005 * 9
    np.testing.assert_allclose(column(found, "zero/EUR-GOVT/5Y"), expected)


def test_moves_over_several_days_overlap_or_follow_each_other() -> None:
    overlapping = compiled(horizon_days=2)
    assert overlapping.labels == ("2024-01-03", "2024-01-04", "2024-01-05", "2024-01-06")
    np.testing.assert_allclose(column(overlapping, "zero/EUR-GOVT/1Y"), 0.002)
    apart = compiled(horizon_days=2, overlapping=False)
    assert apart.labels == ("2024-01-04", "2024-01-06")
    np.testing.assert_allclose(column(apart, "fx/USD"), 1.02**2 - 1)
    assert compiled(horizon_days=2, overlapping=False, window=2).labels == apart.labels


def test_curve_of_the_market_moves_with_its_proxy() -> None:
    found = compiled(curve_proxies={"USD-GOVT": "EUR-GOVT"})
    np.testing.assert_array_equal(column(found, "zero/USD-GOVT/10Y"), column(found, "zero/EUR-GOVT/10Y"))
    assert not any(factor.curve == "USD-GOVT" for factor in compiled().factors if factor.type == "zero")


def test_proxy_of_or_for_a_curve_that_is_not_there_is_refused() -> None:
    with pytest.raises(InvalidRequest, match=r"the market has no curve 'GBP-GOVT'; it has .*USD-GOVT"):
        compiled(curve_proxies={"GBP-GOVT": "EUR-GOVT"})
    with pytest.raises(InvalidRequest, match=r"the history has no curve 'EUR-SWAP'; it has .*EUR-GOVT"):
        compiled(curve_proxies={"USD-GOVT": "EUR-SWAP"})


def test_dates_restrict_the_window() -> None:
    assert compiled(first_date="2024-01-02", last_date="2024-01-04").labels == ("2024-01-03", "2024-01-04")


def with_gap() -> History:
    original = history()
    values = original.values.copy()
    values[2, original.factors.index("fx/GBP")] = np.nan
    return make_history(original.dates, original.factors, values, numeraire="EUR")


def test_missing_observation_is_refused_dropped_or_carried_as_asked() -> None:
    with pytest.raises(InvalidRequest, match="fx/GBP is missing on 2024-01-03; choose gap_policy"):
        compiled(with_gap())
    dropped = compiled(with_gap(), gap_policy="drop_date")
    assert dropped.labels == ("2024-01-02", "2024-01-04", "2024-01-05", "2024-01-06")
    np.testing.assert_allclose(column(dropped, "zero/EUR-GOVT/1Y"), [0.001, 0.002, 0.001, 0.001])
    carried = compiled(with_gap(), gap_policy="carry_forward")
    np.testing.assert_allclose(column(carried, "fx/GBP"), [-0.01, 0.0, 0.99**2 - 1, -0.01, -0.01])
    assert compiled(with_gap(), window=2).labels == ("2024-01-05", "2024-01-06")  # the gap lies before the window


def test_window_longer_than_the_history_is_refused() -> None:
    with pytest.raises(InvalidRequest, match=r"501 dates are needed, the history has 6 .*2024-01-01 to 2024-01-06"):
        compiled(window=500)
    with pytest.raises(InvalidRequest, match="11 dates are needed"):
        compiled(horizon_days=10)
    with pytest.raises(InvalidRequest, match="7 dates are needed"):
        compiled(horizon_days=2, overlapping=False, window=3)


def test_long_gap_between_dates_is_refused() -> None:
    original = history()
    late = make_history(original.dates + np.array([0, 0, 0, 30, 30, 30], np.int32), original.factors, original.values, numeraire="EUR")
    with pytest.raises(InvalidRequest, match="no date between 2024-01-03 and 2024-02-03: 31 days"):
        compiled(late)
    assert len(compiled(late, gap_days_max=31).labels) == 5


def test_rate_below_zero_has_no_relative_move() -> None:
    original = history()
    low = make_history(original.dates, original.factors, original.values - 0.015, numeraire="EUR")
    with pytest.raises(InvalidRequest, match=r"zero/EUR-GOVT/1Y is -0\.005 on 2024-01-01.*use absolute"):
        compiled(low, zero_moves="relative")


def test_history_of_another_market_is_refused() -> None:
    other = Market(AS_OF, "JPY", (curve("JPY-GOVT", "JPY", (0.0, 0.0, 0.0)),), {"JPY": 1.0})
    with pytest.raises(InvalidRequest, match="the market has none of the history's factors"):
        compiled(against=other)


def test_definition_without_its_history_is_a_programming_error() -> None:
    with pytest.raises(ValueError, match="needs its history 'h'"):
        compile_scenarios(HistoricalDefinition(history="h"), market=market())
