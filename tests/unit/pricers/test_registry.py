import pickle
import sys
from dataclasses import replace

import numpy as np
import pytest

from pricers import (
    Column,
    Columns,
    Measure,
    RowStatus,
    UnknownProductError,
    contracts_of,
    factors_of,
    pricer,
    register,
    registry,
    value_contracts,
)
from pricers.registry import PricerSpec, load_entry_points
from tests.unit.pricers.examples import AS_OF, BOND, MARKET, bonds

POSITIONS = [{"position_id": name, "book": "B"} for name in ("P-1", "P-2", "P-3")]


@pytest.fixture(autouse=True)
def own_registry(monkeypatch):
    monkeypatch.setattr(registry, "_specs", dict(registry._specs))
    monkeypatch.setattr(registry, "_loaded_entry_points", set())


def quoted(position, instrument, market_snapshot, measures, scenario_id):
    """Marked at its quote."""
    assert scenario_id == "BASE"
    assert "pv" in measures
    if instrument["quote"] == "broken":
        raise RuntimeError("the quote is broken")
    return {"pv": instrument["notional"] * instrument["quote"], "dv01": float(market_snapshot.as_of)}


def batch(spec, *quotes):
    rows = [{"currency": "USD", "notional": 200.0, "instrument": f'{{"quote": {quote}}}'} for quote in quotes]
    return contracts_of(spec.columns, rows)


def test_builtin_products_are_known():
    assert {"FIXED_BOND", "AMORT_LOAN", "FX_FWD"} <= set(registry.known_products())
    assert pricer("FIXED_BOND").native_currency == "currency"


def test_product_name_is_taken_once():
    register("QUOTED", quoted)
    with pytest.raises(ValueError, match="'QUOTED' is registered already"):
        register("QUOTED", quoted)


def test_unknown_product_is_named_beside_the_known_ones_and_survives_pickle():
    with pytest.raises(UnknownProductError, match=r"no pricer for product 'CDS'; known: AMORT_LOAN, .*FIXED_BOND, .*FX_FWD") as caught:
        value_contracts("CDS", bonds(BOND), market=MARKET)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize(
    ("column", "wrong", "why"),
    [
        ("frequency", "YEARLY", "known: ONCE, ANNUAL"),
        ("coupon_rate", "abc", "could not convert"),
        ("maturity_date", "2026-13-01", "Month out of range"),
        ("payment_lag", 1.5, "whole number"),
        ("payment_lag", 2**40, "whole number"),
        ("payment_lag", np.inf, "infinity"),
        ("end_of_month", "no", "True or False"),
        ("calendar", 5, "a string"),
        ("sinking_dates", "2026-01-01", "a list"),
        ("sinking_amounts", ["many"], "could not convert"),
    ],
)
def test_value_of_another_kind_is_refused_with_row_and_column(column, wrong, why):
    with pytest.raises(ValueError, match=f"row 1: column '{column}': .*{why}"):
        bonds(BOND, {**BOND, column: wrong})


def test_specification_names_its_own_columns():
    with pytest.raises(ValueError, match="no column 'amount'"):
        replace(pricer("FIXED_BOND"), product="X", notional="amount")
    with pytest.raises(ValueError, match="exactly one of lower and value"):
        replace(pricer("FIXED_BOND"), product="X", lower=None)
    with pytest.raises(ValueError, match="currency and notional"):
        register("X", quoted, columns=Columns(Column("notional", "float", "amount", required=True)))
    with pytest.raises(ValueError, match="give a function"):
        register("X", None)  # type: ignore[call-overload]


def test_function_is_valued_row_by_row_with_json_terms():
    spec = register("QUOTED", quoted, title="Marked at a quote")
    assert isinstance(spec, PricerSpec)
    assert spec.documentation == "Marked at its quote."
    valuation = value_contracts("QUOTED", batch(spec, 1.5, 2.0), market=MARKET)
    np.testing.assert_allclose(valuation.values[Measure.PV], [300.0, 400.0])
    np.testing.assert_allclose(valuation.values[Measure.PV_BASE], [270.0, 360.0])
    np.testing.assert_allclose(valuation.values[Measure.FX_DELTA], [2.7, 3.6])
    assert valuation.values[Measure.DV01].tolist() == [AS_OF, AS_OF]
    assert np.isnan(valuation.values[Measure.CLEAN_PRICE]).all()
    assert valuation.factor_offsets.tolist() == valuation.bucket_offsets.tolist() == [0, 1, 2]
    assert [factors_of(MARKET)[number].name for number in valuation.factor_nos] == ["USD", "USD"]
    np.testing.assert_allclose(valuation.sensitivities, [2.7, 3.6])


def test_function_that_raises_fails_its_row_alone_with_its_text():
    spec = register("QUOTED", quoted)
    valuation = value_contracts("QUOTED", batch(spec, 1.5, '"broken"', 2.0), market=MARKET, positions=POSITIONS)
    assert valuation.status.tolist() == [RowStatus.OK, RowStatus.PRICER_ERROR, RowStatus.OK]
    assert valuation.messages == {1: "RuntimeError: the quote is broken"}
    assert np.isnan(valuation.values[Measure.PV]).tolist() == [False, True, False]
    assert valuation.factor_offsets.tolist() == [0, 1, 1, 2]


def test_function_that_wants_to_end_the_process_fails_its_row_alone():
    def leave(position, instrument, *_):
        return sys.exit("no such curve") if instrument["quote"] == "none" else {"pv": 1.0}

    spec = register("QUOTED", leave)
    valuation = value_contracts("QUOTED", batch(spec, 1.5, '"none"', 2.0), market=MARKET, positions=POSITIONS)
    assert valuation.messages == {1: "SystemExit: no such curve"}
    assert valuation.status.tolist() == [RowStatus.OK, RowStatus.PRICER_ERROR, RowStatus.OK]


@pytest.mark.parametrize(
    ("answer", "status", "message"),
    [
        ({"pv": 1.0, "vega": 2.0}, RowStatus.PRICER_ERROR, "unknown measures ['vega']"),
        ({"key_rate_dv01": 1.0, "pv": 1.0}, RowStatus.PRICER_ERROR, "key_rate_dv01"),
        ({"dv01": 2.0}, RowStatus.PRICER_ERROR, "no 'pv'"),
        (3.0, RowStatus.PRICER_ERROR, "returned float"),
        ({"pv": float("inf")}, RowStatus.NOT_FINITE, "pv = inf"),
        ({"pv": 1.0, "dv01": float("nan")}, RowStatus.NOT_FINITE, "dv01 = nan"),
    ],
)
def test_unusable_answer_of_a_function_fails_the_row(answer, status, message):
    spec = register("ODD", lambda *_: answer)
    valuation = value_contracts("ODD", batch(spec, 1.0), market=MARKET)
    assert valuation.status.tolist() == [status]
    assert message in valuation.messages[0]
    assert np.isnan(valuation.values[Measure.PV]).all()


def test_terms_that_are_no_json_object_fail_the_row():
    spec = register("QUOTED", quoted)
    contracts = contracts_of(spec.columns, [{"currency": "EUR", "notional": 1.0, "instrument": text} for text in ("[1]", "{")])
    valuation = value_contracts("QUOTED", contracts, market=MARKET)
    assert valuation.status.tolist() == [RowStatus.PRICER_ERROR] * 2
    assert "JSON object" in valuation.messages[0]


def test_currency_without_an_exchange_rate_fails_the_row():
    spec = register("QUOTED", quoted)
    contracts = contracts_of(spec.columns, [{"currency": "CHF", "notional": 1.0, "instrument": '{"quote": 1}'}])
    assert value_contracts("QUOTED", contracts, market=MARKET).status.tolist() == [RowStatus.MISSING_FX]


def test_function_gets_its_position_and_its_columns_as_plain_values():
    seen = []
    columns = Columns(
        Column("currency", "text", "currency", required=True),
        Column("notional", "float", "amount", required=True),
        Column("expiry", "date", "expiry"),
        Column("style", "choice", "style", allowed=("CALL", "PUT")),
        Column("count", "integer", "count"),
        Column("cash", "boolean", "cash settled", default=False),
        Column("fixings", "float_list", "fixings"),
        Column("dates", "date_list", "dates"),
    )

    def price(position, instrument, market_snapshot, measures, scenario_id):
        seen.append((position, instrument, scenario_id))
        return {"pv": 1.0}

    spec = register("OPTION", price, columns=columns)
    rows = [
        {
            "currency": "EUR",
            "notional": 2.0,
            "expiry": "2027-01-29",
            "style": "PUT",
            "count": 3,
            "fixings": [1.0, 2.0],
            "dates": ["2026-01-02"],
        },
        {"currency": "EUR", "notional": 2.0},
    ]
    value_contracts(spec, contracts_of(columns, rows), market=MARKET, positions=POSITIONS[:2], scenario_id="UP")
    assert [position["position_id"] for position, *_ in seen] == ["P-1", "P-2"]
    assert {scenario for *_, scenario in seen} == {"UP"}
    first, second = (instrument for _, instrument, _ in seen)
    assert (str(first["expiry"]), first["style"], first["count"], first["cash"]) == ("2027-01-29", "PUT", 3, False)
    assert (first["fixings"], [str(date) for date in first["dates"]]) == ([1.0, 2.0], ["2026-01-02"])
    assert (second["expiry"], second["style"], second["count"], second["fixings"]) == (None, None, None, [])


def test_positions_are_one_a_row_or_none():
    spec = register("QUOTED", quoted)
    with pytest.raises(ValueError, match="of 2 positions or of none, not of 3"):
        value_contracts(spec, batch(spec, 1.0, 2.0), market=MARKET, positions=POSITIONS)


def test_entry_points_register_once(monkeypatch):
    class Entry:
        name, value = "swaption", "plugin:register_all"

        @staticmethod
        def load():
            return lambda: register("SWAPTION", quoted)

    monkeypatch.setattr(registry, "entry_points", lambda *, group: [Entry] if group == "riskray.pricers" else [])
    assert load_entry_points() == ("swaption",)
    assert pricer("SWAPTION").product == "SWAPTION"
    assert load_entry_points() == ()
