"""What a change of market touches, told apart from what may be reused; checked against valuing everything again."""

from dataclasses import fields, replace
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pricers.contract.columns import Column, Columns, Text, contracts_of
from pricers.flows.cashflows import Term
from pricers.market.fixings import Fixings, FixingSeries
from pricers.market.indices import STANDARD_INDICES
from pricers.market.market import Curve, CurveKind, Market, Price
from pricers.measures import Measure
from pricers.registry import compile_contracts, pricer
from pricers.value.valuation import value_cashflows
from riskray.engine.plan import PositionRange
from riskray.engine.result_schema import FAILURE_SCHEMA, RESULT_SCHEMA
from riskray.engine.shard import ShardPositions, ShardResult
from riskray.portfolio.reader import positions_table
from riskray.runs import reuse
from riskray.runs.loading import prepare_positions
from riskray.runs.reuse import MarketDifference, depends_on, market_difference, names_index
from riskray.store.database import Database
from riskray.store.ledger import EarlierRun

AS_OF = 20_000
NOTHING = MarketDifference(frozenset(), frozenset())


def _curve(name, currency, rate):
    kind, days = CurveKind.RATE if currency else CurveKind.SPREAD, np.array([365, 1826], np.int32)
    return Curve(name, kind, currency, "LINEAR_ZERO", ("1Y", "5Y"), days, np.array([rate, rate + 0.01]))


def _market(*, usd=0.04, eur=0.03, spread=0.01, eurusd=1.1, hidden=0.035):
    curves = (_curve("EUR-6M", "EUR", hidden), _curve("EUR-OIS", "EUR", eur), _curve("USD-SOFR", "USD", usd), _curve("ISSUER", "", spread))
    return Market(AS_OF, "USD", curves, {"USD": 1.0, "EUR": eurusd})


def _bonds():
    """In turn: plain USD, plain EUR, EUR with an issuer's spread, USD with the spread."""
    common = {"notional": 1e6, "coupon_rate": 0.03, "issue_date": "2024-01-15", "maturity_date": "2028-01-15"}
    names = [("USD", "USD-SOFR", None), ("EUR", "EUR-OIS", None), ("EUR", "EUR-OIS", "ISSUER"), ("USD", "USD-SOFR", "ISSUER")]
    spec = pricer("FIXED_BOND")
    rows = [common | {"currency": currency, "discount_curve": curve, "spread_curve": spread} for currency, curve, spread in names]
    return spec, contracts_of(spec.columns, rows)


def _forecasting(spec):
    """The product, with the flows of contracts on EUR-OIS multiplied by growth on EUR-6M, which no column names."""

    def lower(contracts, *, as_of, fixings):
        lowered = spec.lower(contracts, as_of=as_of, fixings=fixings)
        growth = (Term("EUR-6M", 181, 1), Term("EUR-6M", 0, -1))
        shapes = tuple((*shape, *growth) if shape[0].curve == "EUR-OIS" else shape for shape in lowered.cashflows.shapes)
        return replace(lowered, cashflows=replace(lowered.cashflows, shapes=shapes))

    return replace(spec, lower=lower)


def _positions(spec, contracts):
    nothing = Text(np.zeros(contracts.row_count, np.int32), ("",))
    compiled = None if spec.lower is None else compile_contracts(spec, contracts, as_of=AS_OF)
    return ShardPositions(spec.product, 0, contracts, nothing, nothing, compiled=compiled)


@pytest.mark.parametrize("is_forecasting", [False, True])
@pytest.mark.parametrize(
    ("change", "touched", "touched_by_forecast"),
    [
        ({}, [], []),
        ({"usd": 0.05}, [0, 3], []),
        ({"eur": 0.02}, [1, 2], []),
        ({"spread": 0.02}, [2, 3], []),
        ({"eurusd": 1.2}, [1, 2], []),
        ({"hidden": 0.05}, [], [1, 2]),
    ],
)
def test_positions_named_by_the_difference_are_those_whose_bits_change(change, touched, touched_by_forecast, is_forecasting):
    spec, contracts = _bonds()
    if is_forecasting:
        spec, touched = _forecasting(spec), touched + touched_by_forecast
    before, after = _market(), _market(**change)
    positions = _positions(spec, contracts)
    assert np.flatnonzero(depends_on(market_difference(before, after), positions)).tolist() == touched
    old, new = (
        value_cashflows(positions.compiled, market=market, measures=frozenset(Measure)).values[Measure.PV_BASE]
        for market in (before, after)
    )
    assert np.isfinite(old).all()
    assert np.flatnonzero(old != new).tolist() == touched


def test_position_of_two_currencies_depends_on_the_curves_and_rates_of_both():
    spec = pricer("FX_FWD")
    row = {"notional": 1e6, "base_currency": "EUR", "quote_currency": "USD", "contract_rate": 1.1, "delivery_date": "2026-01-15",
           "base_discount_curve": "EUR-OIS", "quote_discount_curve": "USD-SOFR"}  # fmt: skip
    dollars = row | {"base_currency": "USD", "base_discount_curve": "USD-SOFR", "quote_currency": "EUR", "quote_discount_curve": "EUR-6M"}
    positions = _positions(spec, contracts_of(spec.columns, [row, dollars]))
    touched = {
        name: depends_on(market_difference(_market(), _market(**{name: 0.06})), positions).tolist()
        for name in ("eur", "usd", "hidden", "eurusd", "spread")
    }
    assert touched == {
        "eur": [True, False], "usd": [True, True], "hidden": [False, True], "eurusd": [True, True], "spread": [False, False],
    }  # fmt: skip


def test_spread_curve_of_a_market_stored_before_the_names_were_unique_is_found_by_the_name_that_contracts_call():
    spec, contracts = _bonds()
    before, after = (
        replace(market, curves=(*market.curves[:3], replace(market.curves[3], name="ISSUER:SPREAD")))
        for market in (_market(), _market(spread=0.02))
    )
    assert depends_on(market_difference(before, after), _positions(spec, contracts)).tolist() == [False, False, True, True]


def test_curve_that_appears_vanishes_or_interpolates_otherwise_differs():
    market = _market()
    more = replace(market, curves=(*market.curves, _curve("ZAR", "ZAR", 0.08)))
    assert market_difference(market, more) == market_difference(more, market) == replace(NOTHING, curves=frozenset({"ZAR"}))
    for changed in ({"interpolation": "LOG_LINEAR_DISCOUNT"}, {"kind": CurveKind.SPREAD}, {"pillar_days": np.array([364, 1826], np.int32)}):
        other = replace(market, curves=(replace(market.curves[0], **changed), *market.curves[1:]))
        assert market_difference(market, other).curves == {"EUR-6M"}
    assert market_difference(market, replace(market, fx_to_base={"USD": 1.0})).currencies == {"EUR"}


def test_difference_covers_every_part_of_a_market():
    # Quotes move curves in scenarios only, and no vector is reused.
    parts = {entry.name for entry in fields(Market)} - {"as_of", "base_currency", "quotes"}
    assert parts == {"curves", "fx_to_base", "fixings", "prices"}, (
        "compare the new part in market_difference: rows that depend on it are reused otherwise"
    )


def test_positions_depend_on_the_price_of_their_security_and_of_its_benchmark():
    share = {"security_id": "ACME", "quantity": 10.0, "currency": "EUR"}
    rows = [share, {**share, "security_id": "OTHER", "benchmark": "INDEX"}, {**share, "security_id": "THIRD"}]
    market = replace(_market(), prices={name: Price(50.0, "EUR") for name in ("ACME", "OTHER", "THIRD", "INDEX")})
    table = positions_table([{"position_id": f"{n}", "product": "EQUITY_POSITION", **row} for n, row in enumerate(rows)])
    positions = prepare_positions(table.tables["EQUITY_POSITION"], product="EQUITY_POSITION", first_position_no=0, market=market)

    def touched(*names):
        moved = replace(market, prices={name: Price(50.0 + (name in names), "EUR") for name in market.prices})
        return depends_on(market_difference(market, moved), positions).tolist()

    assert touched() == [False, False, False]
    assert touched("ACME") == [True, False, False]
    assert touched("INDEX", "THIRD") == [False, True, True]


def test_rows_that_name_an_index_depend_on_its_fixings_and_on_its_definition():
    name = Column("index", "text", "index of the coupons", references="index", default="EUR-EURIBOR-6M")
    spec = replace(pricer("FIXED_BOND"), columns=Columns(*pricer("FIXED_BOND").columns, name))
    table = pa.table({"index": pa.array(["USD-SOFR", "EUR-ESTR", None]).dictionary_encode()})

    def touched(before, after):
        markets = (replace(_market(), fixings=fixings) for fixings in (before, after))
        return names_index(market_difference(*markets), spec=spec, table=table).tolist()

    days = np.array([19_999], np.int32)
    published, corrected = (Fixings({"USD-SOFR": FixingSeries(days, np.array([rate]))}) for rate in (0.05, 0.051))
    assert touched(published, Fixings({"USD-SOFR": FixingSeries(days.copy(), np.array([0.05]))})) == [False, False, False]
    assert touched(published, corrected) == touched(Fixings.none(), published) == [True, False, False]
    moved = replace(STANDARD_INDICES["EUR-EURIBOR-6M"], forecast_curve="EUR-6M")
    assert touched(published, replace(published, indices={**STANDARD_INDICES, moved.name: moved})) == [False, False, True]


def test_product_valued_as_a_whole_depends_on_any_difference():
    spec, contracts = _bonds()
    opaque = _positions(replace(spec, lower=None, value=lambda *_, **__: None), contracts)
    assert depends_on(replace(NOTHING, currencies=frozenset({"JPY"})), opaque).all()
    assert not depends_on(NOTHING, opaque).any()


def test_markets_of_two_days_are_refused():
    with pytest.raises(ValueError, match="day 20000 in USD and day 20001 in USD"):
        market_difference(_market(), replace(_market(), as_of=AS_OF + 1))


# ------------------------------------------------------------------------------------------------------------ rows of a shard


NUMBERS = PositionRange(100, 4)


def _never(*_: Any, **__: Any) -> Any:
    raise AssertionError("this function is not called here")


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


def _reused(market, value, *, before=None, parts_of=_never):
    contracts = pa.table({"row": range(NUMBERS.count)})
    return reuse.reuse_rows(
        cast(Database, None), NUMBERS, product="P", from_run_no=1, market=market, market_of=lambda _: before or _market(),
        table_of=lambda: contracts, parts_of=parts_of, value=value,
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
    monkeypatch.setattr(reuse, "find_pricer", lambda product: pricer("FIXED_BOND"))
    spec, contracts = _bonds()
    market = replace(_market(), curves=(_curve("AAA", "GBP", 0.04), *_market().curves))
    reused = _reused(market, _valued, parts_of=lambda: [_positions(spec, contracts)])
    assert reused.result.results.column("factor_nos").to_pylist() == [[4], [4], [], [4]]


def test_rows_that_a_hidden_curve_touches_are_valued_and_the_others_reused(earlier, monkeypatch):
    spec, contracts = _bonds()
    spec = _forecasting(spec)
    monkeypatch.setattr(reuse, "find_pricer", lambda product: spec)
    asked = []

    def value(table):
        asked.extend(table.column("row").to_pylist())
        return _failing(table.filter(pc.field("row") == 2))

    again = _reused(_market(), value, before=_market(hidden=0.05), parts_of=lambda: [_positions(spec, contracts)])
    assert asked == [1, 2]
    assert again.ranges() == [(100, 101), (103, 104)]


def test_plain_function_reuses_nothing_once_anything_differs(earlier):
    assert _reused(_market(), _valued, before=_market(usd=0.05)) is None
