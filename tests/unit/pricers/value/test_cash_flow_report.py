import datetime
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pricers import CurveKind, Measure, RowStatus, Term, contracts_of, explain, pricer, register, registry, value_contracts
from pricers.market.curves import discount_factors
from tests.unit.pricers.examples import BOND, BONDS, CORPORATE_BOND, EUR, MARKET, bonds, with_curves
from tests.unit.pricers.value.test_valuation import FORWARD


@pytest.mark.parametrize("row", range(len(BONDS)))
def test_explained_flows_add_up_to_the_value_to_the_last_bit(row):
    explanation = explain("FIXED_BOND", bonds(*BONDS), row, market=MARKET)
    valuation = value_contracts("FIXED_BOND", bonds(*BONDS), market=MARKET)
    assert explanation.status is RowStatus.OK
    assert explanation.pv == valuation.values[Measure.PV][row]
    assert sum(flow.pv for flow in explanation.flows) == explanation.pv
    assert sum(flow.pv_base for flow in explanation.flows) == pytest.approx(valuation.values[Measure.PV_BASE][row], rel=1e-14)


def test_explained_flow_names_its_parts():
    flow = explain("FIXED_BOND", bonds(CORPORATE_BOND), 0, market=MARKET).flows[-1]
    assert flow.pay_date == datetime.date(2033, 5, 20)
    assert (flow.leg, flow.currency, flow.discount_curve, flow.spread_curve) == (0, "EUR", "EUR", "CORPORATE")
    assert flow.principal == -250_000.0
    assert flow.interest == pytest.approx(-250_000.0 * 0.035 / 4.0, rel=1e-14)
    assert flow.amount == flow.interest + flow.principal
    assert flow.pv == pytest.approx(flow.amount * flow.discount_factor * flow.spread_factor, rel=1e-14)
    assert 0.0 < flow.spread_factor < 1.0


def test_terms_of_a_flow_are_all_its_points_with_the_factor_of_each():
    flow = explain("FIXED_BOND", bonds({**CORPORATE_BOND, "credit_spread": 0.004}), 0, market=MARKET).flows[-1]
    days = (flow.pay_date - datetime.date(1970, 1, 1)).days - MARKET.as_of
    rate, spread = (
        float(discount_factors(MARKET.curves[MARKET.curve_index[name]], days=np.array([days]))[0]) for name in ("EUR", "CORPORATE")
    )
    own = float(np.exp(-0.004 * days / 365))
    assert [(term.curve, term.kind, term.date, term.sign) for term in flow.terms] == [
        ("EUR", CurveKind.RATE, flow.pay_date, 1), ("CORPORATE", CurveKind.SPREAD, flow.pay_date, 1), (None, None, flow.pay_date, 1),
    ]  # fmt: skip
    assert [term.factor for term in flow.terms] == pytest.approx([rate, spread, own], rel=1e-14)
    assert np.prod([term.factor or 0.0 for term in flow.terms]) == pytest.approx(flow.discount_factor * flow.spread_factor, rel=1e-14)


def test_point_that_divides_a_flow_has_the_inverse_of_its_factor():
    spec: Any = pricer("FIXED_BOND")

    def lower(contracts, *, as_of, fixings):
        lowered = spec.lower(contracts, as_of=as_of, fixings=fixings)
        growth = (Term("EUR", 30, 1), Term("EUR", 0, -1))
        return replace(
            lowered, cashflows=replace(lowered.cashflows, shapes=tuple((shape[0], *growth) for shape in lowered.cashflows.shapes))
        )

    flow = explain(replace(spec, lower=lower), bonds({**BOND, "discount_curve": "USD", "currency": "USD"}), 0, market=MARKET).flows[-1]
    earlier = flow.pay_date - datetime.timedelta(30)
    assert [(term.curve, term.date, term.sign) for term in flow.terms] == [
        ("EUR", flow.pay_date, -1), ("EUR", earlier, 1), ("USD", flow.pay_date, 1),
    ]  # fmt: skip
    start, end = ((day - datetime.date(1970, 1, 1)).days - MARKET.as_of for day in (earlier, flow.pay_date))
    at_start, at_end = discount_factors(EUR, days=np.array([start, end])).tolist()
    assert [term.factor for term in flow.terms[:2]] == pytest.approx([1.0 / at_end, at_start], rel=1e-14)


def test_two_legs_are_explained_in_their_own_currencies():
    explanation = explain("FX_FWD", contracts_of(pricer("FX_FWD").columns, [FORWARD]), 0, market=MARKET)
    assert [(flow.leg, flow.currency, flow.amount) for flow in explanation.flows] == [(0, "EUR", 2_000_000.0), (1, "USD", -2_240_000.0)]
    assert sum(flow.pv_base for flow in explanation.flows) == pytest.approx(explanation.pv_base, rel=1e-13)


def test_row_without_a_value_is_explained_by_its_status():
    explanation = explain("FIXED_BOND", bonds(BOND, {**BOND, "discount_curve": "MARS"}), 1, market=MARKET)
    assert explanation.status is RowStatus.MISSING_CURVE
    assert explanation.flows == ()


def test_flow_that_is_discounted_to_nothing_is_explained():
    """The last forward rate of such a curve goes on for ever, and this one is 730 a year."""
    steep = replace(EUR, interpolation="LOG_LINEAR_DISCOUNT", pillar_labels=("364D", "365D"), pillar_days=np.array([364, 365], np.int32),
                    zero_rates=np.array([0.0, 2.0]))  # fmt: skip
    explanation = explain("FIXED_BOND", bonds(BOND), 0, market=with_curves(MARKET, steep))
    last = explanation.flows[-1]
    assert (last.discount_factor, last.spread_factor, last.pv) == (0.0, 1.0, 0.0)
    assert explanation.pv == sum(flow.pv for flow in explanation.flows) > 0.0


def test_row_that_is_not_there_is_refused():
    with pytest.raises(IndexError, match="row 3 of 1"):
        explain("FIXED_BOND", bonds(BOND), 3, market=MARKET)


def test_product_without_cash_flows_is_refused(monkeypatch):
    monkeypatch.setattr(registry, "_specs", dict(registry._specs))
    spec = register("QUOTED", lambda *_: {"pv": 1.0})
    with pytest.raises(ValueError, match="'QUOTED' is not a sum of fixed cash flows"):
        explain(spec, contracts_of(spec.columns, [{"currency": "EUR", "notional": 1.0}]), 0, market=MARKET)
