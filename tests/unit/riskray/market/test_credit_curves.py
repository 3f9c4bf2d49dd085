"""Credit curves of market documents: survival as pricers see it, and what is refused."""

import copy
import math

import numpy as np
import pytest
import QuantLib as ql

from pricers.market.curves import discount_factors
from pricers.market.factors import FactorKind, factors_of
from pricers.market.market import CurveKind
from riskray.errors import InvalidRequest
from riskray.market.build import build_market, market_curve_rows
from riskray.market.derive import replaced, shifted
from riskray.market.reader import FORMATS, canonical_json, content_hash, parse_market, read_market, read_market_upload, write_market

POINTS = [{"tenor": "1Y", "value": 0.01}, {"date": "2027-06-21", "value": 0.014}, {"tenor": "5Y", "value": 0.018}]
CURVE = {
    "name": "ACME-SNR", "entity": "Acme Corp", "currency": "EUR", "seniority": "SNRFOR", "restructuring": "MM14", "recovery_rate": 0.4,
    "points": POINTS,
}  # fmt: skip


def document(*curves, **parts):
    discount = [{"name": "EUR", "currency": "EUR", "points": [{"tenor": "1Y", "value": 0.03}]}]
    return {"name": "m", "as_of": "2024-03-28", "curves": discount, "credit_curves": list(curves)} | parts


def curve(**changes):
    return CURVE | changes


def survival(*values):
    points = [{"tenor": tenor, "value": value} for tenor, value in zip(("1Y", "3Y", "5Y"), values, strict=False)]
    return curve(quoted_as="survival_probabilities", points=points)


def problems_of(given):
    with pytest.raises(InvalidRequest) as refused:
        parse_market(given)
    return [(problem["loc"], problem["code"], problem["msg"]) for problem in refused.value.problems]


def test_hazard_rate_is_constant_between_pillars_as_in_quantlib():
    made = build_market(parse_market(document(curve())), base_currency="EUR").curves[1]
    assert (made.name, made.kind, made.currency, made.recovery_rate) == ("ACME-SNR", CurveKind.HAZARD, "", 0.4)
    start, days = ql.Date(28, 3, 2024), np.array([0, *made.pillar_days.tolist()])
    exponents = np.array([0.01, 0.014, 0.018]) * days[1:] / 365
    hazards = np.diff(exponents, prepend=0.0) / (np.diff(days) / 365)
    dates = [start + int(day) for day in days]
    oracle = ql.HazardRateCurve(dates, [float(hazards[0]), *hazards.tolist()], ql.Actual365Fixed())
    asked = np.array([1, 200, 366, 700, 1179, 1500, 1826])
    expected = [oracle.survivalProbability(start + int(day)) for day in asked]
    assert discount_factors(made, days=asked) == pytest.approx(expected, abs=1e-15)


def test_survival_probabilities_are_met_at_their_pillars():
    made = build_market(parse_market(document(survival(0.99, 0.95, 0.88))), base_currency="EUR").curves[1]
    assert discount_factors(made, days=made.pillar_days) == pytest.approx([0.99, 0.95, 0.88], abs=1e-15)


def test_recovery_rate_may_be_unknown():
    market = parse_market(document({key: value for key, value in CURVE.items() if key != "recovery_rate"}))
    assert math.isnan(build_market(market, base_currency="EUR").curves[1].recovery_rate)


def test_credit_curve_is_stored_by_number_and_is_a_factor():
    market = parse_market(document(curve()))
    rows = market_curve_rows(market).to_pylist()
    assert [(row["curve_no"], row["kind"], row["name"]) for row in rows] == [(0, "discount", "EUR"), (1, "hazard", "ACME-SNR")]
    factor = factors_of(build_market(market, base_currency="EUR"))[1]
    assert (factor.kind, factor.bucket_labels) == (FactorKind.HAZARD, ("1Y", "2027-06-21", "5Y"))


@pytest.mark.parametrize(
    ("given", "field", "code", "words"),
    [
        (curve(recovery_rate=40.0), ["recovery_rate"], "out_of_range", "recovery rate 40 is not in [0, 1); write 40 % as 0.4"),
        (curve(recovery_rate=1.0), ["recovery_rate"], "out_of_range", "recovery rate 1 is not in [0, 1)"),
        (curve(recovery_rate=-0.1), ["recovery_rate"], "out_of_range", "ACME-SNR"),
        (survival(0.99, 0.95, 0.96), ["points", 2, "value"], "negative_hazard", "ACME-SNR: the hazard rate from 3Y to 5Y is negative"),
        (curve(points=[{"tenor": "1Y", "value": 0.05}, {"tenor": "5Y", "value": 0.009}]), ["points", 1, "value"], "negative_hazard",
         "from 1Y to 5Y is negative, -0.00124"),
        (curve(points=[{"tenor": "1Y", "value": -0.01}]), ["points", 0, "value"], "out_of_range", "zero hazard rate -0.01"),
        (curve(points=[{"tenor": "1Y", "value": 1.25}]), ["points", 0, "value"], "out_of_range", "looks like per cent; write 0.0125"),
        (survival(98.0), ["points", 0, "value"], "out_of_range", "write 98 % as 0.98"),
        (survival(0.0), ["points", 0, "value"], "out_of_range", "survival probability 0"),
        (curve(points=[{"tenor": "0D", "value": 0.01}]), ["points", 0], "not_in_the_future", "0D is not after 2024-03-28"),
        (curve(points=POINTS[::-1]), ["points", 1], "out_of_order", "2027-06-21 is before 5Y"),
        (curve(restructuring="XX"), ["restructuring"], "literal_error", "XX"),
        (curve(name="EUR"), ["name"], "name_taken", "credit curve 'EUR' has the name of a discount curve"),
    ],
)  # fmt: skip
def test_wrong_curve_is_refused_by_name_and_place(given, field, code, words):
    (loc, found, message), *_ = problems_of(document(given))
    assert (loc, found) == (["credit_curves", 0, *field], code)
    assert words in message or code == "literal_error"


def test_curve_that_is_there_twice_is_refused():
    assert [(loc, code) for loc, code, _ in problems_of(document(curve(), curve()))] == [(["credit_curves", 1], "duplicate")]


def test_hazard_rate_of_a_name_in_distress_is_taken_where_the_document_insists():
    given = document(curve(points=[{"tenor": "1Y", "value": 1.5}]), rates_checked=False)
    assert parse_market(given).rates_checked is False


def test_partial_upload_leaves_a_wrong_curve_out_whole():
    text = canonical_json(parse_market(document(curve()))).replace('"recovery_rate":0.4', '"recovery_rate":40')
    read = read_market_upload(text.encode(), format="json", allow_partial=True)
    assert (read.document.credit_curves, read.rejected) == ([], 1)


@pytest.mark.parametrize("format", FORMATS)
def test_file_reads_back_to_the_same_document_and_hash(format):
    given = parse_market(document(curve(), survival(0.99, 0.95, 0.88) | {"name": "OTHER", "recovery_rate": None}))
    again = read_market(write_market(given, format=format), format=format)
    assert again == given
    assert content_hash(again) == content_hash(given)


def test_market_without_credit_and_inflation_curves_keeps_the_text_that_it_had():
    assert "credit_curves" not in canonical_json(parse_market(document()))
    assert "inflation_curves" not in canonical_json(parse_market(document()))


def test_moved_and_replaced_curves_are_those_that_were_meant():
    given = parse_market(document(survival(0.99, 0.95, 0.88)))
    before = build_market(given, base_currency="EUR").curves[1]
    shift = np.array([0.001, 0.002, 0.003])
    moved = parse_market(shifted(given, shifts={"ACME-SNR": shift}, fx_factors={}).model_dump(mode="json"))
    after = build_market(moved, base_currency="EUR").curves[1]
    assert after.zero_rates == pytest.approx(before.zero_rates + shift, abs=1e-16)
    assert (after.recovery_rate, moved.credit_curves[0].quality) == (0.4, "estimated")
    other = copy.deepcopy(given.credit_curves[0]).model_copy(update={"recovery_rate": 0.25})
    assert replaced(given, credit_curves=[other]).credit_curves == [other]
    with pytest.raises(InvalidRequest, match="no curve 'ACME-SNR' among its credit_curves"):
        replaced(parse_market(document()), credit_curves=[other])
