"""Market documents as pricers see them: pillars, compounding, exchange rates; and the bootstrap against QuantLib."""

import datetime
import math

import numpy as np
import pytest
import QuantLib as ql

from pricers import Measure, contracts_of, pricer, value_contracts
from pricers.market.curves import discount_factors
from pricers.market.market import Curve
from pricers.time.dates import add_tenor, to_day
from riskray.errors import InvalidRequest
from riskray.market.build import build_market, fx_conversions, market_curve_rows
from riskray.market.par_yields import zero_rates_of_par_yields
from riskray.market.reader import parse_market
from riskray.snapshots.demo import DEMO_CURRENCIES, demo_market, published_yields

AS_OF = datetime.date(2024, 3, 28)


def document(**parts):
    curves = [{"name": "USD-G", "currency": "USD", "points": [{"tenor": "1Y", "value": 0.05}]}]
    return parse_market({"name": "m", "as_of": AS_OF, "curves": curves} | parts)


def quotes(**rates):
    return [{"pair": pair, "rate": rate} for pair, rate in rates.items()]


@pytest.mark.parametrize(
    ("compounding", "rate_of_time"),
    [
        ("CONTINUOUS", lambda r, t: r),
        ("ANNUAL", lambda r, t: math.log(1 + r)),
        ("SEMIANNUAL", lambda r, t: 2 * math.log(1 + r / 2)),
        ("SIMPLE", lambda r, t: math.log(1 + r * t) / t),
    ],
)
def test_zero_rates_of_any_compounding_become_continuous(compounding, rate_of_time):
    points = [{"tenor": "6M", "value": 0.04}, {"date": "2029-03-28", "value": 0.05}]
    market = build_market(
        document(curves=[{"name": "C", "currency": "USD", "compounding": compounding, "points": points}]), base_currency="USD"
    )
    curve = market.curves[0]
    assert curve.pillar_labels == ("6M", "2029-03-28")
    assert curve.pillar_days.tolist() == [184, 1826]
    for day, given, rate in zip(curve.pillar_days, (0.04, 0.05), curve.zero_rates, strict=True):
        assert rate == pytest.approx(rate_of_time(given, day / 365), abs=1e-16)


def test_discount_factors_are_met_at_their_pillars_under_both_interpolations():
    for interpolation in ("LINEAR_ZERO", "LOG_LINEAR_DISCOUNT"):
        points = [{"tenor": "1M", "value": 0.996}, {"tenor": "1Y", "value": 0.95}, {"tenor": "30Y", "value": 1.02}]
        given = {"name": "C", "currency": "EUR", "quoted_as": "discount_factors", "interpolation": interpolation, "points": points}
        curve = build_market(document(curves=[given]), base_currency="EUR").curves[0]
        assert discount_factors(curve, days=curve.pillar_days) == pytest.approx([0.996, 0.95, 1.02], abs=1e-15)


def test_curves_are_numbered_by_name_and_listed_as_they_are_numbered():
    names = ["b", "a", "C"]
    curves = [{"name": name, "currency": "USD", "points": [{"tenor": "1Y", "value": 0.01}]} for name in names]
    spreads = [{"name": name, "points": [{"tenor": "5Y", "value": 0.02}]} for name in ("z", "y")]
    snapshot = document(curves=curves, spread_curves=spreads)
    market = build_market(snapshot, base_currency="USD")
    rows = market_curve_rows(snapshot).to_pylist()
    assert [curve.name for curve in market.curves] == [*sorted(names), "y", "z"]
    assert [row["kind"] for row in rows] == ["discount"] * 3 + ["spread"] * 2
    assert [(row["curve_no"], row["name"], row["currency"]) for row in rows] == [
        (number, curve.name, curve.currency) for number, curve in enumerate(market.curves)
    ]
    assert [row["zero_rates"] for row in rows] == [curve.zero_rates.tolist() for curve in market.curves]


# ---------------------------------------------------------------------------------------------------------- exchange rates


def test_rates_are_inverted_and_triangulated_to_any_base():
    snapshot = document(fx_spots=quotes(EURUSD=1.25, GBPUSD=1.5, USDJPY=150.0))
    in_euro = build_market(snapshot, base_currency="EUR").fx_to_base
    assert in_euro == pytest.approx({"EUR": 1.0, "USD": 0.8, "GBP": 1.2, "JPY": 1 / 187.5}, rel=1e-15)
    assert fx_conversions(snapshot, base_currency="JPY")["GBP"].path == ("GBP", "USD", "JPY")


def test_direct_quote_wins_over_a_cross_and_dollar_over_euro_over_others():
    direct = document(fx_spots=quotes(EURUSD=1.25, USDJPY=150.0, EURJPY=187.0))
    assert fx_conversions(direct, base_currency="JPY")["EUR"].rate == 187.0
    crosses = quotes(CHFAUD=1.6, GBPAUD=2.0, EURCHF=0.96, EURGBP=0.768)
    assert fx_conversions(document(fx_spots=crosses), base_currency="AUD")["EUR"].path == ("EUR", "CHF", "AUD")
    with_dollar = [*crosses, *quotes(EURUSD=1.25, USDAUD=1.2288)]
    assert fx_conversions(document(fx_spots=with_dollar), base_currency="AUD")["EUR"].path == ("EUR", "USD", "AUD")


def test_path_does_not_depend_on_the_order_of_quotes():
    given = quotes(EURUSD=1.25, USDJPY=150.0, EURJPY=187.5, GBPUSD=1.5, EURGBP=0.8333, GBPJPY=225.0)
    one, other = (fx_conversions(document(fx_spots=order), base_currency="CHF") for order in (given, given[::-1]))
    assert one == other
    one, other = (fx_conversions(document(fx_spots=order), base_currency="JPY") for order in (given, given[::-1]))
    assert one == other


def test_currency_without_a_path_has_no_rate():
    market = build_market(document(fx_spots=quotes(EURUSD=1.25, AUDNZD=1.09)), base_currency="USD")
    assert set(market.fx_to_base) == {"USD", "EUR"}


def test_unknown_base_currency_is_refused():
    with pytest.raises(InvalidRequest, match="'DOLLAR'"):
        build_market(document(), base_currency="DOLLAR")


def test_spot_is_carried_back_to_today_by_both_curves():
    """A forward to the spot date, made of today's rate and both curves, gives back the quote: 28 March 2024 + 2 TARGET days is 3 April."""
    curves = [
        {"name": "USD-G", "currency": "USD", "points": [{"tenor": "1Y", "value": 0.05}]},
        {"name": "EUR-G", "currency": "EUR", "points": [{"tenor": "1Y", "value": 0.02}]},
    ]
    spot = {"pair": "EURUSD", "rate": 1.08, "spot_lag_days": 2, "calendar": "TARGET"}
    parts = {"curves": curves, "fx_spots": [spot], "fx_discount_curves": {"EUR": "EUR-G", "USD": "USD-G"}}
    today = build_market(document(**parts), base_currency="USD").fx_to_base["EUR"]
    days = (datetime.date(2024, 4, 3) - AS_OF).days
    assert today == pytest.approx(1.08 * math.exp(-0.05 * days / 365) / math.exp(-0.02 * days / 365), rel=1e-15)
    dated = parts | {"fx_spots": [{"pair": "EURUSD", "rate": 1.08, "spot_date": "2024-04-03"}]}
    assert build_market(document(**dated), base_currency="USD").fx_to_base["EUR"] == today
    without = parts | {"fx_discount_curves": {"EUR": "EUR-G"}}
    assert build_market(document(**without), base_currency="USD").fx_to_base["EUR"] == 1.08


def test_forward_over_a_us_holiday_is_worth_its_closed_form():
    """EURUSD dealt on 3 July 2024: the 4th does not count, spot is the 5th, the month ends on 5 August, in market and contract."""
    curves = [
        {"name": "USD-G", "currency": "USD", "points": [{"tenor": "1Y", "value": 0.05}]},
        {"name": "EUR-G", "currency": "EUR", "points": [{"tenor": "1Y", "value": 0.02}]},
    ]
    spot = {"pair": "EURUSD", "rate": 1.08, "calendar": "TARGET+US_FED"}
    discounting = {"EUR": "EUR-G", "USD": "USD-G"}
    today = document(as_of="2024-07-03", curves=curves, fx_spots=[spot], fx_discount_curves=discounting)
    forward = {
        "base_currency": "EUR", "quote_currency": "USD", "notional": 1e6, "contract_rate": 1.0815, "calendar": "TARGET+US_FED",
        "base_discount_curve": "EUR-G", "quote_discount_curve": "USD-G",
    }  # fmt: skip
    rows = [forward | {"trade_date": "2024-07-03", "tenor": "1M"}, forward | {"delivery_date": "2024-08-05"}]
    pv = value_contracts("FX_FWD", contracts_of(pricer("FX_FWD").columns, rows), market=build_market(today, base_currency="USD")).values[
        Measure.PV
    ]
    closed_form = 1e6 * (1.08 * math.exp((0.05 - 0.02) * 31 / 365) - 1.0815) * math.exp(-0.05 * 33 / 365)
    assert pv == pytest.approx([closed_form, closed_form], abs=1e-6)
    assert closed_form == pytest.approx(1_249.63, abs=0.005)


# --------------------------------------------------------------------------------------------------------------- bootstrap

PAR_YIELDS = {"3M": 0.054, "6M": 0.0526, "1Y": 0.0479, "2Y": 0.0423, "3Y": 0.0401, "5Y": 0.0384, "10Y": 0.0388, "30Y": 0.0403}


def ql_curve(zero_rates, as_of):
    start = ql.Date(as_of.day, as_of.month, as_of.year)
    ql.Settings.instance().evaluationDate = start
    days = [add_tenor(to_day(as_of), tenor) - to_day(as_of) for tenor in zero_rates]
    rates = list(zero_rates.values())
    curve = ql.ZeroCurve([start, *[start + day for day in days]], [rates[0], *rates], ql.Actual365Fixed(), ql.NullCalendar(), ql.Linear())
    return ql.YieldTermStructureHandle(curve), start


@pytest.mark.parametrize("as_of", [datetime.date(2023, 12, 29), datetime.date(2024, 8, 31), datetime.date(2024, 2, 29)])
@pytest.mark.parametrize("coupons_per_year", [1, 2, 4])
def test_bonds_at_their_par_yields_are_worth_par_in_quantlib(as_of, coupons_per_year):
    par = {tenor: rate for tenor, rate in PAR_YIELDS.items() if coupons_per_year > 1 or tenor.endswith("Y")}
    zero_rates = zero_rates_of_par_yields(par, as_of=as_of, coupons_per_year=coupons_per_year)
    handle, start = ql_curve(zero_rates, as_of)
    for tenor, par_yield in par.items():
        maturity = start + ql.Period(tenor)
        months = 12 // coupons_per_year
        if maturity <= start + ql.Period(months, ql.Months):
            years = (maturity - start) / 365
            assert handle.discount(maturity) * (1 + par_yield * years) == pytest.approx(1.0, abs=1e-12)
            continue
        flows = [start + ql.Period(months * k, ql.Months) for k in range(1, 12 * 60 // months)]
        coupons = sum(handle.discount(day) for day in flows if day <= maturity) * par_yield / coupons_per_year
        assert coupons + handle.discount(maturity) == pytest.approx(1.0, abs=1e-10)


def test_bootstrap_refuses_tenors_out_of_order_and_between_coupons():
    with pytest.raises(ValueError, match="increase"):
        zero_rates_of_par_yields({"2Y": 0.04, "1Y": 0.04}, as_of=AS_OF)
    with pytest.raises(ValueError, match="whole number"):
        zero_rates_of_par_yields({"1Y": 0.04, "16M": 0.04}, as_of=AS_OF)
    with pytest.raises(ValueError, match="no zero rate"):
        zero_rates_of_par_yields({"1Y": 9.0}, as_of=AS_OF)


# -------------------------------------------------------------------------------------------------------------------- demo


def test_demo_curves_give_back_the_published_par_yields():
    market = build_market(demo_market(), base_currency="USD")
    curves: dict[str, Curve] = {curve.name: curve for curve in market.curves}
    for quoted in published_yields()["curves"]:
        curve = curves[quoted["name"]]
        for tenor, percent in quoted["percent"].items():
            if quoted["quoted"] != "par_semiannual" or tenor in ("3M", "6M"):
                continue
            months = int(tenor.removesuffix("Y")) * 12
            days = np.array([add_tenor(market.as_of, f"{month}M") - market.as_of for month in range(6, months + 1, 6)])
            factors = discount_factors(curve, days=days)
            assert 200 * (1 - factors[-1]) / factors.sum() == pytest.approx(percent, abs=1e-6)


def test_demo_names_a_source_for_every_number_and_marks_what_is_not_as_published():
    snapshot = demo_market()
    for part in (*snapshot.curves, *snapshot.spread_curves, *snapshot.fx_spots):
        assert part.source
    assert {curve.quality for curve in snapshot.spread_curves} == {"estimated"}
    assert {curve.currency for curve in snapshot.curves} == {*DEMO_CURRENCIES, "AUD"}


def test_demo_exchange_rates_are_the_ecb_s_of_that_day():
    """ECB euro foreign exchange reference rates, 29 December 2023."""
    published = {"EURUSD": 1.1050, "EURJPY": 156.33, "EURGBP": 0.86905, "EURCHF": 0.9260, "EURCAD": 1.4642}
    assert demo_market().as_of == datetime.date(2023, 12, 29)
    assert {spot.pair: spot.rate for spot in demo_market().fx_spots} == published
