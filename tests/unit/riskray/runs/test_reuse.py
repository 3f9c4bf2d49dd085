"""What a change of market touches, told apart from what may be reused; checked against valuing everything again."""

from dataclasses import replace
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pytest

from pricers.contract.columns import Contracts, contracts_of
from pricers.market.market import Curve, CurveKind, Market
from pricers.measures import Measure
from pricers.registry import compile_contracts, pricer
from pricers.value.valuation import value_cashflows
from riskray.engine.plan import PositionRange
from riskray.engine.result_schema import FAILURE_SCHEMA, RESULT_SCHEMA
from riskray.engine.shard import ShardResult
from riskray.runs import reuse
from riskray.runs.reuse import MarketDifference, depends_on, market_difference
from riskray.store.database import Database
from riskray.store.ledger import EarlierRun

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


# ------------------------------------------------------------------------------------------------------------ rows of a shard


NUMBERS = PositionRange(100, 4)


def _never(*_: Any, **__: Any) -> Any:
    raise AssertionError("the function is called by `value` alone")


@pytest.fixture
def earlier(monkeypatch):
    """An earlier run of four positions of a plain function's product, the third of which failed; under the market of today."""
    rows = [
        {"position_no": number, "pv": float(number), "pv_base": 1.0, "factor_nos": [3], "sensitivities": [0.5]}
        for number in (100, 101, 103)
    ]
    table = pa.Table.from_pylist([dict.fromkeys(RESULT_SCHEMA.names) | row for row in rows], schema=RESULT_SCHEMA)
    opaque = replace(pricer("FIXED_BOND"), lower=None, value=_never)
    monkeypatch.setattr(reuse, "find_pricer", lambda product: opaque)
    monkeypatch.setattr(reuse, "earlier_run", lambda database, *, run_no: EarlierRun(run_no, 0, "mkt-before"))
    monkeypatch.setattr(reuse, "earlier_results", lambda database, run, *, numbers: table)
    return table


def _reused(market, value, *, before=None):
    contracts = pa.table({"row": range(NUMBERS.count)})
    return reuse.reuse_rows(
        cast(Database, None), NUMBERS, product="P", from_run_no=1, market=market, market_of=lambda _: before or _market(),
        table_of=lambda: contracts, value=value,
    )  # fmt: skip


def _failing(table):
    assert table.column("row").to_pylist() == [2]
    failure = {"position_no": 0, "code": "PRICER_ERROR", "message": "no", "remedy": "mend it"}
    return ShardResult(pa.RecordBatch.from_pylist([], schema=RESULT_SCHEMA), pa.RecordBatch.from_pylist([failure], schema=FAILURE_SCHEMA))


def _valued(table):
    assert table.column("row").to_pylist() == [2]
    row = dict.fromkeys(RESULT_SCHEMA.names) | {"position_no": 0, "pv": 7.0, "pv_base": 7.0, "factor_nos": [], "sensitivities": []}
    return ShardResult(pa.RecordBatch.from_pylist([row], schema=RESULT_SCHEMA), pa.RecordBatch.from_pylist([], schema=FAILURE_SCHEMA))


def test_one_failed_row_of_a_plain_function_is_valued_alone(earlier):
    again = _reused(_market(), _failing)
    assert pa.Table.from_batches([again.result.results]).equals(earlier.combine_chunks())
    assert again.result.failures.column("position_no").to_pylist() == [102]
    assert again.ranges() == [(100, 102), (103, 104)]
    mended = _reused(_market(), _valued)
    assert mended.result.results.column("position_no").to_pylist() == [100, 101, 102, 103]
    assert mended.result.results.column("pv").to_pylist() == [100.0, 101.0, 7.0, 103.0]
    assert mended.ranges() == again.ranges()


def test_factors_of_reused_rows_have_the_numbers_of_the_new_market(earlier, monkeypatch):
    monkeypatch.setattr(reuse, "depends_on", lambda difference, *, spec, contracts: np.zeros(NUMBERS.count, np.bool_))
    monkeypatch.setattr(reuse, "contracts_from_arrow", lambda columns, table: None)
    market = replace(_market(), curves=(_curve("AAA", "GBP", 0.04), *_market().curves))
    assert _reused(market, _valued).result.results.column("factor_nos").to_pylist() == [[4], [4], [], [4]]


def test_plain_function_reuses_nothing_once_anything_differs(earlier, monkeypatch):
    monkeypatch.setattr(reuse, "contracts_from_arrow", lambda columns, table: Contracts(table.num_rows, {}))
    assert _reused(_market(), _valued, before=_market(usd=0.05)) is None
