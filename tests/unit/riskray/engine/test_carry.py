"""What a change of market touches, told apart from what may be carried over; checked against valuing everything again."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from pricers.contract.columns import contracts_of
from pricers.market.market import Curve, CurveKind, Market
from pricers.measures import Measure
from pricers.registry import compile_contracts, pricer
from pricers.value.valuation import value_cashflows
from riskray.engine.carry import MarketDifference, depends_on, market_difference, renumber_curves

AS_OF = 20_000
NOTHING = MarketDifference(frozenset(), frozenset())


def _curve(name, currency, rate):
    kind, days = CurveKind.RATE if currency else CurveKind.SPREAD, np.array([365, 1826], np.int32)
    return Curve(name, kind, currency, "LINEAR_ZERO", ("1Y", "5Y"), days, np.array([rate, rate + 0.01]))


def _market(*, usd=0.04, eur=0.03, spread=0.01, eurusd=1.1):
    curves = (_curve("EUR-OIS", "EUR", eur), _curve("USD-SOFR", "USD", usd), _curve("ISSUER", "", spread))
    return Market(AS_OF, "USD", curves, {"USD": 1.0, "EUR": eurusd})


def _bonds():
    """In turn: plain USD, plain EUR, EUR with an issuer's spread, USD with the spread."""
    common = {"notional": 1e6, "coupon_rate": 0.03, "issue_date": "2024-01-15", "maturity_date": "2028-01-15"}
    names = [("USD", "USD-SOFR", None), ("EUR", "EUR-OIS", None), ("EUR", "EUR-OIS", "ISSUER"), ("USD", "USD-SOFR", "ISSUER")]
    spec = pricer("FIXED_BOND")
    rows = [common | {"currency": currency, "discount_curve": curve, "spread_curve": spread} for currency, curve, spread in names]
    return spec, contracts_of(spec.columns, rows)


@pytest.mark.parametrize(
    ("change", "touched"),
    [
        ({}, []),
        ({"usd": 0.05}, [0, 3]),
        ({"eur": 0.02}, [1, 2]),
        ({"spread": 0.02}, [2, 3]),
        ({"eurusd": 1.2}, [1, 2]),
    ],
)
def test_positions_named_by_the_difference_are_those_whose_bits_change(change, touched):
    spec, contracts = _bonds()
    before, after = _market(), _market(**change)
    assert np.flatnonzero(depends_on(market_difference(before, after), spec=spec, contracts=contracts)).tolist() == touched
    compiled = compile_contracts(spec, contracts, as_of=AS_OF)
    old, new = (value_cashflows(compiled, market=market, measures=frozenset(Measure)).values[Measure.PV_BASE] for market in (before, after))
    assert np.isfinite(old).all()
    assert np.flatnonzero(old != new).tolist() == touched


def test_curve_that_appears_vanishes_or_interpolates_otherwise_differs():
    market = _market()
    more = replace(market, curves=(*market.curves, _curve("ZAR", "ZAR", 0.08)))
    assert market_difference(market, more) == market_difference(more, market) == replace(NOTHING, curves=frozenset({"ZAR"}))
    other = replace(market.curves[0], interpolation="LOG_LINEAR_DISCOUNT")
    changed = replace(market, curves=(other, *market.curves[1:]))
    assert market_difference(market, changed).curves == {"EUR-OIS"}
    assert market_difference(market, replace(market, fx_to_base={"USD": 1.0})).currencies == {"EUR"}


def test_product_valued_as_a_whole_depends_on_any_difference():
    spec, contracts = _bonds()
    opaque = replace(spec, lower=None, value=lambda *_, **__: None)
    assert depends_on(replace(NOTHING, currencies=frozenset({"JPY"})), spec=opaque, contracts=contracts).all()
    assert not depends_on(NOTHING, spec=opaque, contracts=contracts).any()


def test_markets_of_two_days_are_refused():
    with pytest.raises(ValueError, match="day 20000 in USD and day 20001 in USD"):
        market_difference(_market(), replace(_market(), as_of=AS_OF + 1))


def test_curve_numbers_of_carried_rows_name_the_same_curves_in_the_new_list():
    numbers = pa.array([[0], [1, 0], None, []], pa.list_(pa.int16()))
    renumbered = renumber_curves(numbers, before=["EUR", "USD"], after=["CHF", "EUR", "USD"])
    assert renumbered.to_pylist() == [[1], [2, 1], None, []]
    assert renumbered.type == numbers.type
    with pytest.raises(ValueError, match="curve 'USD' is not in the market"):
        renumber_curves(numbers, before=["EUR", "USD"], after=["EUR"])
