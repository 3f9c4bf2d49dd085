"""Indices and fixings of a market document: read from every format, checked, and built into the market that pricers see."""

import json
from typing import Any

import pytest

from pricers.market.indices import STANDARD_INDICES
from riskray.errors import InvalidRequest
from riskray.market.build import build_market
from riskray.market.fixing_files import read_fixings
from riskray.market.fixings import fixing_table
from riskray.market.reader import FORMATS, canonical_json, market_id, parse_market, read_market, read_market_upload, write_market
from riskray.market.stored import stored_market
from tests.fixtures.stored_snapshots import market_document

EURIBOR = {"index": "EUR-EURIBOR-6M", "fixing_date": "2024-03-27", "value": 0.0385, "source": "EMMI"}
SOFR = {"index": "USD-SOFR", "fixing_date": "2024-03-27", "value": 0.0533, "published_at": "2024-03-28"}
OWN = {"name": "BANK-3M", "kind": "TERM", "currency": "EUR", "tenor": "3m", "fixing_calendar": "TARGET", "end_of_month": True}


def document(**parts: Any) -> dict[str, Any]:
    return market_document() | parts


def problem_of(**parts: Any) -> tuple[list[Any], str, str]:
    with pytest.raises(InvalidRequest) as refused:
        parse_market(document(**parts))
    [problem] = refused.value.problems
    return problem["loc"], problem["code"], problem["msg"]


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"fixings": "eod"},
        {"fixings": [SOFR, EURIBOR]},
        {"indices": [OWN, {"name": "USD-SOFR", "forecast_curve": "USD-GOVT"}]},
        {"indices": [OWN], "fixings": [EURIBOR]},
    ],
)
def test_file_reads_back_to_the_same_hash(format: str, parts: dict[str, Any]) -> None:
    parsed = parse_market(document(**parts))
    assert market_id(read_market(write_market(parsed, format=format), format=format)) == market_id(parsed)
    assert market_id(stored_market(canonical_json(parsed))) == market_id(parsed)
    assert (market_id(parsed) == market_id(parse_market(document()))) == (not parts)


def test_document_without_indices_and_fixings_keeps_the_text_it_had_before() -> None:
    parts: dict[str, Any]
    for parts in ({}, {"indices": []}, {"fixings": []}, {"fixings": None}):
        assert set(json.loads(canonical_json(parse_market(document(**parts))))) == {
            "name", "as_of", "description", "curves", "spread_curves", "fx_spots", "fx_discount_curves",
        }  # fmt: skip


def test_order_of_indices_and_fixings_and_equal_rows_do_not_change_the_content() -> None:
    other = {"name": "BANK-1M", "kind": "TERM", "currency": "EUR", "tenor": "1M"}
    one = parse_market(document(indices=[OWN, other], fixings=[SOFR, EURIBOR]))
    assert market_id(parse_market(document(indices=[other, OWN], fixings=[EURIBOR, SOFR, EURIBOR]))) == market_id(one)


def test_market_has_its_own_indices_and_those_of_the_standard_with_what_it_changes() -> None:
    market = build_market(parse_market(document(indices=[OWN, {"name": "USD-SOFR", "forecast_curve": "USD-GOVT"}])), base_currency="USD")
    own, sofr = market.fixings.index("BANK-3M"), market.fixings.index("USD-SOFR")
    assert own is not None
    assert (own.tenor, own.forecast_curve, own.value_calendar, own.end_of_month) == ("3M", "BANK-3M", "TARGET", True)
    assert sofr is not None
    assert (sofr.forecast_curve, sofr.fixing_calendar, sofr.publication_lag_days) == ("USD-GOVT", "US_SOFR", 1)
    assert market.fixings.index("EUR-ESTR") == STANDARD_INDICES["EUR-ESTR"]
    plain = build_market(parse_market(document()), base_currency="USD").fixings
    assert plain.content_hash != market.fixings.content_hash
    assert dict(plain.indices) == dict(STANDARD_INDICES)


def test_market_sees_the_fixings_that_it_lists_or_those_of_its_table() -> None:
    listed = build_market(parse_market(document(fixings=[SOFR, EURIBOR])), base_currency="USD").fixings
    rows = [SOFR, EURIBOR, EURIBOR | {"fixing_date": "2024-04-02", "value": 0.04}]
    table = fixing_table(read_fixings(json.dumps(rows).encode(), format="json", indices=STANDARD_INDICES))
    named = build_market(parse_market(document(fixings="fix-1")), base_currency="USD", fixings=table).fixings
    assert named.content_hash == listed.content_hash  # the fixing of April is not there in March
    assert {name: series.values.tolist() for name, series in named.series.items()} == {"EUR-EURIBOR-6M": [0.0385], "USD-SOFR": [0.0533]}
    with pytest.raises(ValueError, match="reads the fixing table 'fix-1', which is not given"):
        build_market(parse_market(document(fixings="fix-1")), base_currency="USD")


@pytest.mark.parametrize(
    ("fixing", "field", "code", "words"),
    [
        (EURIBOR | {"index": "EURIBOR6M"}, "index", "unknown_index", "did you mean EUR-EURIBOR-6M?"),
        (EURIBOR | {"value": 3.85}, "value", "out_of_range", "looks like per cent; write 0.0385"),
        (EURIBOR | {"fixing_date": "2024-03-29"}, "fixing_date", "holiday", "holiday of TARGET"),
        (EURIBOR | {"fixing_date": "2024-03-23"}, "fixing_date", "weekend", "Saturday is a weekend"),
        (EURIBOR | {"fixing_date": "2024-04-02"}, "fixing_date", "look_ahead", "after 2024-03-28, the market's own"),
        (EURIBOR | {"published_at": "2024-04-02"}, "published_at", "look_ahead", "published on 2024-04-02 by published_at"),
        (SOFR | {"fixing_date": "2024-03-28", "published_at": None}, "published_at", "look_ahead", "publication lag of 1 day"),
        ({"index": "US-CPI-U", "fixing_date": "2024-03-01", "value": 312.3}, "published_at", "look_ahead", "published on 2024-04-15"),
        ({"index": "US-CPI-U", "fixing_date": "2024-01-31", "value": 312.3}, "fixing_date", "not_a_month", "2024-01-01"),
        ({"index": "EUR-USD-ECB", "fixing_date": "2024-03-27", "value": 0.0}, "value", "not_positive", "as an exchange rate is"),
        (EURIBOR | {"value": "x"}, "value", "float_parsing", "'x'"),
    ],
)
def test_listed_fixing_that_cannot_be_is_refused_in_json_and_in_tables(fixing: dict[str, Any], field: str, code: str, words: str) -> None:
    later = {"as_of": "2024-04-02"} if code == "holiday" else {}  # for one fault alone
    loc, found, message = problem_of(fixings=[SOFR | {"fixing_date": "2024-03-26"}, fixing], **later)
    assert (loc, found) == (["fixings", 1, field], code)
    assert words in message
    assert message.startswith(f"fixings.1.{field}: ")
    column = {"index": "name", "fixing_date": "tenor_or_date"}.get(field, field)
    cells = {"kind": "fixing", "name": fixing["index"], "tenor_or_date": fixing["fixing_date"], "value": fixing["value"],
             "source": fixing.get("source", ""), "published_at": fixing.get("published_at") or ""}  # fmt: skip
    text = write_market(parse_market(document(fixings=[EURIBOR | {"fixing_date": "2024-03-21"}], **later)), format="csv").decode()
    row = ",".join(str(cells.get(name, "")) for name in text.split("\n", 1)[0].split(","))
    with pytest.raises(InvalidRequest) as refused:
        read_market(f"{text}{row}\n".encode(), format="csv")
    assert [problem["loc"] for problem in refused.value.problems] == [["rows", len(text.splitlines()), column]]


def test_two_values_of_one_day_are_refused() -> None:
    loc, code, message = problem_of(fixings=[EURIBOR, EURIBOR | {"value": 0.0386}])
    assert (loc, code) == (["fixings", 1, "value"], "duplicate")
    assert "0.0386, but 0.0385 in another entry" in message


@pytest.mark.parametrize(
    ("index", "loc", "words"),
    [
        (OWN | {"day_count": "ACT/36"}, ["indices", 0, "day_count"], "none of ACT/360"),
        (OWN | {"convention": "FORWARD"}, ["indices", 0, "convention"], "none of UNADJUSTED"),
        (OWN | {"fixing_calendar": "MARS"}, ["indices", 0, "fixing_calendar"], "unknown calendar 'MARS'"),
        (OWN | {"value_calendar": "MARS"}, ["indices", 0, "value_calendar"], "unknown calendar 'MARS'"),
        (OWN | {"currency": "EURO"}, ["indices", 0, "currency"], "ISO 4217"),
        (OWN | {"kind": "IBOR"}, ["indices", 0, "kind"], "'TERM', 'OVERNIGHT', 'INFLATION' or 'FX'"),
        (OWN | {"tenor": "3X"}, ["indices", 0, "tenor"], "'3X' is not a tenor"),
        (OWN | {"tenor": ""}, ["indices", 0], "an index of kind TERM has a tenor"),
        (OWN | {"quote_currency": "USD"}, ["indices", 0], "an index of kind FX has a quote currency"),
        (OWN | {"kind": "FX", "tenor": "", "quote_currency": "ZZZ"}, ["indices", 0, "quote_currency"], "ISO 4217"),
        (OWN | {"fixing_lag": 1.5}, ["indices", 0, "fixing_lag"], "integer"),
        (OWN | {"fixing_lag": -1}, ["indices", 0, "fixing_lag"], "greater than or equal to 0"),
        (OWN | {"publication_lag_days": 400}, ["indices", 0, "publication_lag_days"], "less than or equal to 366"),
        (OWN | {"observation_lag_months": 99}, ["indices", 0, "observation_lag_months"], "less than or equal to 24"),
        (OWN | {"interpolation": "CUBIC"}, ["indices", 0, "interpolation"], "'FLAT' or 'LINEAR'"),
        (OWN | {"end_of_month": "perhaps"}, ["indices", 0, "end_of_month"], "boolean"),
        (OWN | {"spot_lag": 2}, ["indices", 0, "spot_lag"], "unknown field"),
        ({"name": "USD-SOFR", "tenor": "3M"}, ["indices", 0], "an index of kind TERM has a tenor"),
    ],
)
def test_definition_that_is_wrong_is_named(index: dict[str, Any], loc: list[Any], words: str) -> None:
    found, _, message = problem_of(indices=[index])
    assert found == loc
    assert words in message


def test_index_defined_twice_is_refused() -> None:
    loc, code, message = problem_of(indices=[OWN, OWN | {"tenor": "6M"}])
    assert (loc, code) == (["indices", 1], "duplicate")
    assert "'BANK-3M' twice" in message


def test_fixings_of_another_form_are_refused() -> None:
    assert problem_of(fixings=7)[0] == ["fixings"]
    assert problem_of(fixings="")[0] == ["fixings"]


def test_table_cannot_both_list_fixings_and_name_a_table() -> None:
    text = write_market(parse_market(document(fixings=[EURIBOR])), format="csv").decode()
    named = ",".join(["fixings", "eod", *[""] * (len(text.split("\n", 1)[0].split(",")) - 2)])
    for data in (f"{text}{named}\n", text.replace("fixing,", f"{named}\nfixing,")):
        with pytest.raises(InvalidRequest, match="fixings are given already") as refused:
            read_market(data.encode(), format="csv")
        assert refused.value.problems[0]["loc"][2] == "kind"


def test_partial_upload_leaves_out_no_index_and_no_fixing() -> None:
    for parts in ({"indices": [OWN | {"day_count": "ACT/36"}]}, {"fixings": [EURIBOR | {"value": 3.85}]}):
        with pytest.raises(InvalidRequest):
            read_market_upload(json.dumps(document(**parts)).encode(), format="json", allow_partial=True)


def test_rate_of_unlikely_size_is_kept_with_the_insistence() -> None:
    loud = parse_market(document(fixings=[EURIBOR | {"value": 0.385}], rates_checked=False))
    assert market_id(read_market(write_market(loud, format="json"), format="json")) == market_id(loud)
