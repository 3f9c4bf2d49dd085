"""Market documents with quotes: the curves that they give, and what is refused."""

import json
from typing import Any

import numpy as np
import pytest

from pricers.market.curves import discount_factors
from riskray.errors import InvalidRequest, UnsupportedFormat
from riskray.market.build import build_market
from riskray.market.derive import shifted
from riskray.market.quotes import calibration_of, fitted_quotes
from riskray.market.reader import content_hash, parse_market, read_market, read_market_upload, write_market

OIS = {"1M": 0.0362, "6M": 0.0355, "1Y": 0.0341, "2Y": 0.0325, "5Y": 0.034, "10Y": 0.0365}


def quote(quote_id: str, **terms: Any) -> dict[str, Any]:
    return {"quote_id": quote_id, "instrument": "OIS", "convention": "USD-FIXED-1Y-SOFR-OIS", **terms}


def document(**changes: Any) -> dict[str, Any]:
    """Dollars by swaps; euros under dollar collateral by points and a basis swap, with a euro curve that is given by its zero rates."""
    quotes = [quote(f"USD.OIS.{tenor}", tenor=tenor, value=rate) for tenor, rate in OIS.items()]
    quotes += [
        quote("FX.6M", instrument="FX_SWAP", convention="EUR/USD", tenor="6M", value=0.0095, quote_type="POINTS"),
        quote("XCCY.5Y", instrument="XCCY_BASIS", convention="USD-SOFR-EUR-ESTR-XCCY", tenor="5Y", value=-0.0012, currency="EUR"),
    ]
    curves = [
        {
            "name": "USD-SOFR",
            "currency": "USD",
            "instruments": [f"USD.OIS.{tenor}" for tenor in OIS],
            "interpolation": "LOG_LINEAR_DISCOUNT",
        },
        {"name": "EUR-ESTR", "currency": "EUR", "points": [{"tenor": "1Y", "value": 0.0195}, {"tenor": "10Y", "value": 0.0265}]},
        {"name": "EUR-IN-USD", "currency": "EUR", "collateral_currency": "USD", "instruments": ["FX.6M", "XCCY.5Y"]},
    ]
    spots = [{"pair": "EURUSD", "rate": 1.163, "calendar": "TARGET+US_FED"}]
    return {"name": "quoted", "as_of": "2026-11-30", "quotes": quotes, "curves": curves, "fx_spots": spots} | changes


def with_quote(changed: str, /, **changes: Any) -> dict[str, Any]:
    data = document()
    data["quotes"] = [one | changes if one["quote_id"] == changed else one for one in data["quotes"]]
    return data


def with_curve(changed: str, /, **changes: Any) -> dict[str, Any]:
    data = document()
    data["curves"] = [one | changes if one["name"] == changed else one for one in data["curves"]]
    return data


def test_a_document_with_quotes_has_the_points_that_they_give():
    market = parse_market(document())
    curves = {curve.name: curve for curve in market.curves}
    assert [str(point.date) for point in curves["USD-SOFR"].points[-2:]] == ["2031-12-04", "2036-12-04"]
    assert all(abs(one.residual) <= 1e-13 for one in market.quotes if one.residual is not None)
    assert sum(one.residual is not None for one in market.quotes) == 8
    sofr = next(curve for curve in build_market(market, base_currency="USD").curves if curve.name == "USD-SOFR")
    start, end, pay = (np.array([np.busday_count("2026-11-30", "2026-11-30")]) + days for days in (2, 184, 186))
    factor = [discount_factors(sofr, days=day)[0] for day in (start, end, pay)]
    assert (factor[0] / factor[1] - 1.0) / (182 / 360.0) == pytest.approx(0.0355, abs=1e-13)  # 2 December to 2 June


def test_a_built_document_reads_back_to_its_hash():
    market = parse_market(document())
    assert content_hash(read_market(write_market(market, format="json"), format="json")) == content_hash(market)
    with pytest.raises(UnsupportedFormat, match="a market from quotes has no place in a table; use json instead of csv"):
        write_market(market, format="csv")


def test_a_document_without_quotes_keeps_its_text():
    data = {"name": "plain", "as_of": "2026-11-30", "curves": [document()["curves"][1]]}
    text = json.loads(write_market(parse_market(data), format="json"))
    assert "quotes" not in text
    assert not {"instruments", "depends_on", "index", "collateral_currency", "solve_group"} & {*text["curves"][0]}


def test_a_spline_is_given_by_dense_points():
    curve = with_curve("USD-SOFR", interpolation="MONOTONE_CUBIC")
    market = parse_market(curve)
    points = next(curve.points for curve in market.curves if curve.name == "USD-SOFR")
    assert len(points) > 1_000
    assert all(abs(one.residual) <= 1e-13 for one in market.quotes if one.residual is not None)
    assert {c.interpolation for c in build_market(market, base_currency="USD").curves if c.name == "USD-SOFR"} == {"LOG_LINEAR_DISCOUNT"}


def test_a_moved_curve_is_no_longer_of_its_instruments():
    market = parse_market(document())
    shifts = {"USD-SOFR": np.full(len(OIS), 1e-4)}
    moved = next(curve for curve in shifted(market, shifts=shifts, fx_factors={}).curves if curve.name == "USD-SOFR")
    assert not moved.instruments


def test_instruments_that_have_begun_use_the_fixings_of_the_document():
    begun = quote("BEGUN", convention="USD-FIXED-TERM-SOFR-OIS", end_date="2027-11-26", value=0.0341)
    curves = [{"name": "USD-SOFR", "currency": "USD", "instruments": ["BEGUN"]}]
    with pytest.raises(InvalidRequest, match="USD-SOFR has no fixing of 2026-11-25; add the fixing"):
        parse_market(document(quotes=[begun | {"start_date": "2026-11-25"}], curves=curves))
    fixings = [{"index": "USD-SOFR", "fixing_date": day, "value": 0.0366} for day in ("2026-11-25", "2026-11-27")]
    market = parse_market(document(quotes=[begun | {"start_date": "2026-11-25"}], curves=curves, fixings=fixings))
    days, zero = np.array([361]), build_market(market, base_currency="USD").curves[0]
    growth = (1.0 + 0.0366 * 2 / 360.0) * (1.0 + 0.0366 * 3 / 360.0) / discount_factors(zero, days=days)[0]
    assert (growth - 1.0) * 360.0 / 366.0 == pytest.approx(0.0341, abs=1e-13)


def test_the_calibration_of_a_document_is_kept():
    market = parse_market(document())
    assert calibration_of(market) is calibration_of(market.model_copy(update={"description": "another"}))


@pytest.mark.parametrize(
    ("data", "loc", "code", "words"),
    [
        (with_quote("USD.OIS.2Y", value=3.25), ["quotes", 3, "value"], "out_of_range", ["USD.OIS.2Y", "per cent", "0.0325"]),
        (with_quote("XCCY.5Y", value=-12.0), ["quotes", 7, "value"], "out_of_range", ["XCCY.5Y", "basis points", "-0.0012"]),
        (with_quote("FX.6M", value=95.0), ["quotes", 6, "value"], "out_of_range", ["FX.6M", "pips", "0.0095"]),
        (
            with_quote("FX.6M", instrument="RATE_FUTURE", convention="USD-SOFR-3M-IMM", quote_type=None, value=0.965, tenor="MAR27"),
            ["quotes", 6, "value"], "out_of_range", ["FX.6M", "price 0.965"],
        ),
        (with_quote("USD.OIS.2Y", tenor="5Y"), ["quotes", 4], "overlapping", ["USD.OIS.2Y", "USD.OIS.5Y", "remove one of them"]),
        (with_quote("USD.OIS.2Y", quote_id="X"), ["curves", 0, "instruments"], "missing_quote", ["'USD.OIS.2Y'", "missing"]),
        (with_quote("USD.OIS.2Y", quote_id="USD.OIS.5Y"), ["quotes", 4], "duplicate", ["'USD.OIS.5Y' twice"]),
        (with_quote("USD.OIS.2Y", convention="X"), ["quotes", 3], "no_instrument", ["USD.OIS.2Y", "no convention 'X'"]),
        (with_quote("USD.OIS.2Y", convention=None), ["quotes", 3], "value_error", ["OIS needs its convention"]),
        (with_quote("USD.OIS.2Y", quote_type="PRICE"), ["quotes", 3], "value_error", ["quote_type RATE, not PRICE"]),
        (with_quote("USD.OIS.2Y", instrument="SWAP"), ["quotes", 3, "instrument"], "enum", ["OIS"]),
        (with_curve("USD-SOFR", depends_on=["EUR-IN-USD"]), ["curves", 0, "depends_on"], "circular", ["EUR-IN-USD", "USD-SOFR", "circle"]),
        (with_curve("EUR-IN-USD", depends_on=["NONE"]), ["curves", 2, "depends_on"], "unknown_dependency", ["'NONE'", "no such curve"]),
        (with_curve("EUR-ESTR", points=[]), ["curves", 1, "points"], "too_short", ["give points, or the instruments"]),
        (with_curve("EUR-ESTR", interpolation="MONOTONE_CUBIC"), ["curves", 1], "value_error", ["curves from instruments"]),
        (with_curve("USD-SOFR", points=[{"tenor": "1Y", "value": 0.03}]), ["curves", 0, "points"], "contradiction", ["leave the points"]),
        (with_quote("USD.OIS.10Y", value=0.24), ["quotes", 5, "value"], "not_met", ["USD.OIS.10Y, 0.24", "neighbours"]),
        (document(fx_spots=[]), ["quotes", 6], "no_instrument", ["FX.6M", "spot rate of EUR/USD"]),
    ],
)  # fmt: skip
def test_quotes_that_give_no_curves_are_refused(data, loc, code, words):
    with pytest.raises(InvalidRequest) as caught:
        parse_market(data)
    (problem, *_) = [problem for problem in caught.value.problems if problem["code"] == code]
    assert problem["loc"] == loc
    for word in words:
        assert word in problem["msg"]


def test_rates_of_unlikely_size_are_taken_on_request():
    quotes = [quote("USD.OIS.1Y", tenor="1Y", value=0.28)]
    data = document(quotes=quotes, curves=[document()["curves"][0] | {"instruments": ["USD.OIS.1Y"]}])
    with pytest.raises(InvalidRequest, match="per cent"):
        parse_market(data)
    assert parse_market(data | {"rates_checked": False}).rates_checked is False


def test_what_follows_from_a_bad_quote_is_no_problem_of_its_own():
    with pytest.raises(InvalidRequest) as caught:
        parse_market(with_quote("USD.OIS.2Y", value=3.25))
    assert [problem["loc"] for problem in caught.value.problems] == [["quotes", 3, "value"]]


def test_allow_partial_leaves_out_a_bad_quote_and_the_curves_that_need_it():
    data = json.dumps(with_quote("FX.6M", tenor="6Q")).encode()
    read = read_market_upload(data, format="json", allow_partial=True)
    assert [curve.name for curve in read.document.curves] == ["EUR-ESTR", "USD-SOFR"]
    assert [problem["loc"] for problem in read.problems] == [["quotes", 6], ["curves", 2, "instruments"]]


PREMIUMS = {"1Y": 0.005, "3Y": 0.008, "5Y": 0.011}


def credit_document(**changes: Any) -> dict[str, Any]:
    """The document with a credit curve from default swaps, discounted on the dollar curve from quotes."""
    data = document()
    data["quotes"] += [{"quote_id": f"ACME.{t}", "instrument": "CDS", "tenor": t, "value": premium} for t, premium in PREMIUMS.items()]
    curve = {
        "name": "ACME", "currency": "USD", "recovery_rate": 0.4, "discount_curve": "USD-SOFR",
        "instruments": [f"ACME.{t}" for t in PREMIUMS],
    } | changes  # fmt: skip
    return data | {"credit_curves": [curve]}


def test_credit_curves_come_from_default_swaps():
    market = parse_market(credit_document())
    curve = next(curve for curve in build_market(market, base_currency="USD").curves if curve.name == "ACME")
    assert [str(point.date) for point in market.credit_curves[0].points] == ["2027-12-20", "2029-12-20", "2031-12-20"]
    assert curve.zero_rates[0] == pytest.approx(0.005 / 0.6, rel=0.03)
    fit = {quote.quote_id: quote for quote in fitted_quotes(market)}
    assert fit["ACME.5Y"].curve == "ACME"
    assert fit["ACME.5Y"].residual == pytest.approx(0.0, abs=1e-13)
    assert content_hash(read_market(write_market(market, format="json"), format="json")) == content_hash(market)


def test_credit_curves_follow_their_own_quotes():
    market = build_market(parse_market(credit_document()), base_currency="USD")
    assert market.quotes is not None
    assert market.quotes.basis_points["ACME.5Y"] == 1e-4
    shifts = market.quotes.shifts({"ACME.5Y": np.array([0.0, 1e-4]), "USD.OIS.1M": np.array([1e-4, 0.0])})
    assert {*shifts} == {"ACME", "USD-SOFR", "EUR-IN-USD"}
    assert shifts["ACME"][:, 0].tolist() == [0.0, 0.0, 0.0]
    assert shifts["ACME"][2, 1] == pytest.approx(1e-4 / 0.6, rel=0.2)


@pytest.mark.parametrize(
    ("data", "loc", "code", "words"),
    [
        (credit_document(discount_curve="NONE"), ["credit_curves", 0, "discount_curve"], "unknown_dependency", ["'NONE'"]),
        (credit_document(discount_curve=None), ["credit_curves", 0], "value_error", ["needs currency, discount_curve and recovery_rate"]),
        (credit_document(instruments=["ACME.9Y"]), ["credit_curves", 0, "instruments"], "missing_quote", ["'ACME.9Y'"]),
        (credit_document(instruments=["USD.OIS.1Y"]), ["quotes", 2], "no_instrument", ["needs CDS"]),
        (credit_document(discount_curve="EUR-ESTR"), ["credit_curves", 0, "discount_curve"], "not_allowed", ["LOG_LINEAR_DISCOUNT"]),
        (
            with_curve("USD-SOFR", instruments=["ACME.1Y"]) | {"quotes": credit_document()["quotes"]},
            ["quotes", 8],
            "no_instrument",
            ["credit curve"],
        ),
    ],
)
def test_default_swaps_that_give_no_curve_are_refused(data, loc, code, words):
    with pytest.raises(InvalidRequest) as caught:
        parse_market(data)
    (problem, *_) = [problem for problem in caught.value.problems if problem["code"] == code]
    assert problem["loc"] == loc
    for word in words:
        assert word in problem["msg"]


def test_premiums_in_basis_points_are_refused():
    data = credit_document()
    data["quotes"][-1]["value"] = 110.0
    with pytest.raises(InvalidRequest, match=r"quote ACME\.5Y: spread 110 is beyond 1 and looks like basis points; write 0\.011"):
        parse_market(data)
