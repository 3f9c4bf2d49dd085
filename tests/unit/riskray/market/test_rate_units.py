"""Zero rates in per cent: refused in every format and place, unless they are insisted on; and what was stored stays readable."""

import datetime
import io
import json
import math

import pyarrow.csv
import pyarrow.parquet
import pytest

from pricers import Measure, contracts_of, pricer, value_contracts
from riskray.errors import InvalidRequest
from riskray.market.build import build_market
from riskray.market.reader import content_hash, market_id, parse_market, read_market, read_market_upload, write_market
from riskray.market.stored import stored_market
from riskray.models.rate_units import LOW_RATE_CURRENCIES, rate_limit_by_name


def document(*rates, currency="EUR", **parts):
    points = [{"tenor": f"{year}Y", "value": rate} for year, rate in rates]
    return {"name": "m", "as_of": "2024-03-28", "curves": [{"name": "CURVE", "currency": currency, "points": points} | parts]}


def problems_of(data, **options):
    with pytest.raises(InvalidRequest) as caught:
        read_market(data, **options)
    return caught.value.problems


PER_CENT = b"kind,name,currency,tenor_or_date,value,compounding\nsnapshot,m,,2024-03-28,,\n" + (
    b"zero_rate,EUR-G,EUR,1Y,2.0,ANNUAL\nzero_rate,EUR-G,EUR,30Y,4.25,ANNUAL\n"
)


def as_parquet(text):
    sink = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.csv.read_csv(io.BytesIO(text)), sink)
    return sink.getvalue()


@pytest.mark.parametrize(("format", "data"), [("csv", PER_CENT), ("parquet", as_parquet(PER_CENT))])
def test_table_in_per_cent_is_refused_by_row_with_what_to_write(format, data):
    first, second = problems_of(data, format=format)
    assert (first["loc"], second["loc"]) == (["rows", 2, "value"], ["rows", 3, "value"])
    assert second["msg"].startswith("EUR-G, 30Y: zero rate 4.25 is beyond 0.25 and looks like per cent; write 0.0425")
    assert "rates_unchecked" in second["msg"]
    insisted = read_market(data, format=format, rates_unchecked=True)
    assert [point.value for point in insisted.curves[0].points] == [2.0, 4.25]


def test_the_same_rates_in_decimals_value_the_bond_by_its_closed_form():
    """3 % a year, ten years from 13 March 2025, valued a year later."""
    decimals = PER_CENT.replace(b",2.0,", b",0.02,").replace(b",4.25,", b",0.0425,").replace(b"2024-03-28", b"2026-03-13")
    market = build_market(read_market(decimals, format="csv"), base_currency="EUR")
    bond = {
        "notional": 1e6, "currency": "EUR", "coupon_rate": 0.03, "frequency": "ANNUAL", "day_count": "30E/360", "discount_curve": "EUR-G",
        "issue_date": "2025-03-13", "maturity_date": "2035-03-13",
    }  # fmt: skip
    pv = value_contracts("FIXED_BOND", contracts_of(pricer("FIXED_BOND").columns, [bond]), market=market).values[Measure.PV][0]
    start = datetime.date(2026, 3, 13)
    days = [(datetime.date(2026 + year, 3, 13) - start).days for year in range(1, 10)]
    last_pillar = (datetime.date(2056, 3, 13) - start).days
    rates = [math.log(1.02) + (math.log(1.0425) - math.log(1.02)) * (day - 365) / (last_pillar - 365) for day in days]
    factors = [math.exp(-rate * day / 365) for rate, day in zip(rates, days, strict=True)]
    assert pv == pytest.approx(1e6 * (0.03 * sum(factors) + factors[-1]), rel=1e-12)
    assert pv == pytest.approx(1_032_757.80, abs=0.005)


@pytest.mark.parametrize(
    ("currency", "rate", "is_taken"),
    [
        *((currency, 0.25, True) for currency in sorted(LOW_RATE_CURRENCIES)),
        *((currency, sign * 0.2501, False) for currency in sorted(LOW_RATE_CURRENCIES) for sign in (1, -1)),
        ("TRY", 0.45, True),
        ("ARS", 1.33, True),
        ("TRY", 2.01, False),
        ("BRL", -2.01, False),
    ],
)
def test_limit_depends_on_the_currency(currency, rate, is_taken):
    given = document((1, rate), currency=currency)
    if is_taken:
        assert parse_market(given).curves[0].points[0].value == rate
    else:
        (problem,) = read_problems(given)
        assert (problem["loc"], problem["code"]) == (["curves", 0, "points", 0, "value"], "out_of_range")


def read_problems(given):
    with pytest.raises(InvalidRequest) as caught:
        parse_market(given)
    return caught.value.problems


@pytest.mark.parametrize(
    ("rate", "write"), [(4.25, "per cent; write 0.0425"), (-0.5, "per cent; write -0.005"), (425.0, "points; write 0.0425")]
)
def test_message_names_the_likely_unit(rate, write):
    (problem,) = read_problems(document((1, 0.02), (2, rate)))
    assert problem["msg"].startswith(f"CURVE, 2Y: zero rate {rate:g} is beyond 0.25")
    assert write in problem["msg"]


@pytest.mark.parametrize("compounding", ["CONTINUOUS", "ANNUAL", "SEMIANNUAL", "SIMPLE"])
def test_rates_are_judged_as_they_are_typed(compounding):
    """0.26 compounded annually is 0.231 continuously."""
    assert "zero rate 0.26" in read_problems(document((1, 0.26), compounding=compounding))[0]["msg"]


def test_discount_factors_are_no_rates():
    factors = document((1, 0.98), (30, 0.3), quoted_as="discount_factors")
    assert len(parse_market(factors).curves[0].points) == 2


@pytest.mark.parametrize("format", ["json", "csv", "parquet"])
def test_insisted_rates_are_stored_and_read_back_to_the_same_snapshot(format):
    insisted = parse_market(document((1, 0.3)) | {"rates_checked": False})
    assert insisted.rates_checked is False
    data = write_market(insisted, format=format)
    if format != "json":  # which says itself that it insists
        assert problems_of(data, format=format)
    again = read_market(data, format=format, rates_unchecked=format != "json")
    assert content_hash(again) == content_hash(insisted)


def test_insisting_where_nothing_needs_it_changes_no_content():
    plain = document((1, 0.03))
    assert market_id(parse_market(plain | {"rates_checked": False})) == market_id(parse_market(plain))
    assert b"rates_checked" not in write_market(parse_market(plain | {"rates_checked": False}), format="json")


@pytest.mark.parametrize("word", ["false", 0, None])
def test_insisting_needs_a_boolean(word):
    assert read_problems(document((1, 0.3)) | {"rates_checked": word})[0]["loc"] == ["rates_checked"]


def test_partial_market_leaves_the_curve_in_per_cent_out_whole():
    given = document((1, 2.0), (2, 0.02))
    given["curves"].append({"name": "GOOD", "currency": "USD", "points": [{"tenor": "1Y", "value": 0.05}]})
    data = read_market_upload(json.dumps(given).encode(), format="json", allow_partial=True)
    assert [curve.name for curve in data.document.curves] == ["GOOD"]
    assert "looks like per cent" in data.problems[0]["msg"]


def test_market_stored_before_there_was_a_net_is_read():
    """Its text has no word about checks."""
    text = write_market(parse_market(document((1, 0.3)) | {"rates_checked": False}), format="json").decode()
    old = text.replace(',"rates_checked":false', "")
    assert "rates_checked" not in old
    assert stored_market(old).curves[0].points[0].value == 0.3


@pytest.mark.parametrize(
    ("curve", "limit"), [("EUR-GOVT", 0.25), ("EUR", 0.25), ("govt_USD.3M", 0.25), ("TRY-GOVT", 2.0), ("SOFR", 2.0), ("TRY-USD-XCCY", 2.0)]
)
def test_currency_of_a_history_is_what_the_curves_name_says(curve, limit):
    assert rate_limit_by_name(curve) == limit
