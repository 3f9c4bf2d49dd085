"""Inflation curves of market documents: the index as pricers see it, against QuantLib, and what is refused."""

import datetime
from typing import Any, cast

import numpy as np
import pytest
import QuantLib as ql

from pricers.market.curves import rate_time
from pricers.market.factors import FactorKind, factors_of
from pricers.market.fixings import Fixings, FixingSeries
from pricers.market.market import CurveKind
from pricers.time.dates import to_day
from riskray.errors import InvalidRequest
from riskray.market.build import build_market, market_curve_rows
from riskray.market.derive import shifted
from riskray.market.inflation_curves import base_problems
from riskray.market.reader import FORMATS, content_hash, parse_market, read_market, write_market
from riskray.runs.fixings import resolve_fixings
from riskray.store.database import Database

AS_OF = datetime.date(2024, 3, 28)
BASE = datetime.date(2023, 12, 1)
RATES = {"1Y": 0.021, "2Y": 0.0225, "5Y": 0.0201, "10Y": 0.0218}
FACTORS = [0.99, 1.01, 1.002, 1.004, 0.998, 0.997, 0.995, 1.003, 1.001, 1.002, 0.999]
SEASONALITY = [*FACTORS, 1.0 / float(np.prod(FACTORS))]
CURVE = {
    "name": "EU-HICPXT", "index": "EU-HICPXT", "base_date": "2023-12-01", "base_index_value": 123.49, "observation_lag_months": 3,
    "seasonality": SEASONALITY, "points": [{"tenor": tenor, "value": rate} for tenor, rate in RATES.items()],
}  # fmt: skip


def document(*curves, **parts):
    discount = [{"name": "EUR", "currency": "EUR", "points": [{"tenor": "1Y", "value": 0.03}]}]
    return {"name": "m", "as_of": str(AS_OF), "curves": discount, "inflation_curves": list(curves)} | parts


def index_in(market, month):
    """What a point of the month has: a flow of 1 at {rate curve, index} without discounting."""
    at = market.clock(1, np.array([(month - AS_OF).days]))[0]
    return market.tables.level[1, month.month - 1] * np.exp(rate_time(at, 1, market.tables))


def quantlib(curve):
    """The same curve, which interpolates the annual rate between the pillars, while ours interpolates the continuous one."""
    base = ql.Date(1, 12, 2023)
    rates = [0.021, *RATES.values()]
    dates = [base, *(base + ql.Period(tenor) for tenor in RATES)]
    seasonality = ql.MultiplicativePriceSeasonality(ql.Date(1, 1, 2023), ql.Monthly, curve["seasonality"]) if curve["seasonality"] else None
    day_count = ql.Thirty360(ql.Thirty360.BondBasis)
    return ql.ZeroInflationCurve(
        referenceDate=ql.Date(28, 3, 2024), dates=dates, rates=rates, frequency=ql.Monthly, dayCounter=day_count, seasonality=seasonality
    )


@pytest.mark.parametrize("seasonality", [None, SEASONALITY])
def test_index_is_that_of_quantlib_at_the_pillars_and_near_it_between_them(seasonality):
    market = build_market(parse_market(document(CURVE | {"seasonality": seasonality})), base_currency="EUR")
    curve = market.curves[1]
    assert curve.base is not None
    assert (curve.kind, curve.currency, curve.base.index, curve.base.level) == (CurveKind.INFLATION, "", "EU-HICPXT", 123.49)
    assert curve.base.day == (BASE - AS_OF).days
    ql.Settings.instance().evaluationDate = ql.Date(28, 3, 2024)
    oracle = quantlib(CURVE | {"seasonality": seasonality})
    for months in range(12, 121):
        month = datetime.date(2023 + (11 + months) // 12, (11 + months) % 12 + 1, 1)
        rate = oracle.zeroRate(ql.Date(1, month.month, month.year))
        exact = 123.49 * (1.0 + rate) ** (months / 12)
        is_pillar = months in (12, 24, 60, 120)
        assert index_in(market, month) == pytest.approx(exact, rel=1e-13 if is_pillar else 3e-6)


def test_curve_is_stored_by_number_and_its_buckets_are_its_pillars():
    market = parse_market(document(CURVE))
    row = market_curve_rows(market).to_pylist()[1]
    assert (row["kind"], row["curve_no"], row["pillar_labels"]) == ("inflation", 1, list(RATES))
    assert row["pillar_days"][0] == (datetime.date(2024, 12, 1) - AS_OF).days
    factor = factors_of(build_market(market, base_currency="EUR"))[1]
    assert (factor.kind, factor.bucket_labels, factor.bucket_days) == (FactorKind.INFLATION, tuple(RATES), tuple(row["pillar_days"]))


@pytest.mark.parametrize(
    ("changes", "field", "code", "words"),
    [
        ({"base_date": "2023-12-15"}, ["base_date"], "not_a_month", "write 2023-12-01"),
        ({"base_date": "2024-04-01"}, ["base_date"], "not_in_the_past", "2024-04-01 is after 2024-03-28"),
        ({"base_index_value": 0.0}, ["base_index_value"], "not_positive", "base_index_value 0 is not positive"),
        ({"base_index_value": -123.0}, ["base_index_value"], "not_positive", "-123"),
        ({"seasonality": [1.01] * 12}, ["seasonality"], "out_of_range", "is 1.12683, not 1; divide each by 1.01,"),
        ({"seasonality": [-1.0, -1.0, *[1.0] * 10]}, ["seasonality"], "not_positive", "seasonal factor -1"),
        ({"points": [{"tenor": "5Y", "value": 2.1}]}, ["points", 0, "value"], "out_of_range", "looks like per cent; write 0.021"),
        ({"points": [{"tenor": "5Y", "value": -1.0}], "index": "OTHER"}, ["points", 0, "value"], "out_of_range", "falls to nothing"),
        ({"points": [{"tenor": "2W", "value": 0.02}]}, ["points", 0], "not_a_month", "2W is not a whole number of months"),
        ({"points": [{"date": "2025-06-15", "value": 0.02}]}, ["points", 0], "not_a_month", "after 2023-12-01"),
        ({"points": [{"tenor": "2Y", "value": 0.02}, {"tenor": "1Y", "value": 0.02}]}, ["points", 1], "out_of_order", "1Y is before 2Y"),
        ({"seasonality": [1.0] * 11}, ["seasonality"], "too_short", ""),
        ({"name": "EUR"}, ["name"], "name_taken", "inflation curve 'EUR' has the name of a discount curve"),
    ],
)
def test_wrong_curve_is_refused_by_name_and_place(changes, field, code, words):
    with pytest.raises(InvalidRequest) as refused:
        parse_market(document(CURVE | changes))
    problem = refused.value.problems[0]
    assert (problem["loc"], problem["code"]) == (["inflation_curves", 0, *field], code)
    assert words in problem["msg"]


@pytest.mark.parametrize(("level", "is_rebased"), [(123.49, False), (123.49 * 0.8127, True), (123.48, True)])
def test_base_that_is_not_the_published_index_is_reported_with_the_factor(level, is_rebased):
    fixings = Fixings({"EU-HICPXT": FixingSeries(np.array([to_day(BASE)], np.int32), np.array([level]))})
    curve = parse_market(document(CURVE)).inflation_curves[0]
    found = list(base_problems(curve, fixings, loc=("inflation_curves", 0)))
    assert bool(found) == is_rebased
    if is_rebased:
        assert (found[0]["loc"], found[0]["code"]) == (["inflation_curves", 0, "base_index_value"], "rebased")
        assert f"is {123.49 / level:.6g} times the fixing of EU-HICPXT for 2023-12" in found[0]["msg"]
    assert list(base_problems(curve, Fixings.none(), loc=())) == []


def test_market_whose_base_is_on_another_base_than_its_fixings_is_refused():
    published: list[dict[str, Any]] = [{"index": "EU-HICPXT", "fixing_date": "2023-12-01", "value": 100.36}]
    with pytest.raises(InvalidRequest, match="give both on one base") as refused:
        resolve_fixings(cast(Database, None), parse_market(document(CURVE, fixings=published)))
    assert refused.value.problems[0]["loc"] == ["inflation_curves", 0, "base_index_value"]
    published[0]["value"] = 123.49
    sound = parse_market(document(CURVE, fixings=published))
    assert resolve_fixings(cast(Database, None), sound) == (sound, [])


@pytest.mark.parametrize("format", FORMATS)
def test_file_reads_back_to_the_same_document_and_hash(format):
    given = parse_market(document(CURVE, CURVE | {"name": "B", "seasonality": None, "points": [{"date": "2030-12-01", "value": 0.02}]}))
    again = read_market(write_market(given, format=format), format=format)
    assert again == given
    assert content_hash(again) == content_hash(given)


def test_moved_curve_has_growth_rates_that_moved():
    given = parse_market(document(CURVE))
    shift = np.array([0.001, -0.002, 0.0, 0.003])
    moved = parse_market(shifted(given, shifts={"EU-HICPXT": shift}, fx_factors={}).model_dump(mode="json"))
    before, after = (build_market(each, base_currency="EUR").curves[1] for each in (given, moved))
    assert after.zero_rates == pytest.approx(before.zero_rates + shift, abs=1e-15)
