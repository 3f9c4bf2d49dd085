"""Index definitions: what ships is consistent, and a definition that contradicts itself is refused."""

import pytest

from pricers import STANDARD_INDICES, Fixings, Index, IndexKind
from pricers.time.calendar_names import is_calendar
from pricers.time.calendars import BUSINESS_DAY_CONVENTIONS
from pricers.time.day_count import DAY_COUNTS
from pricers.time.tenors import parse_tenor

HELD = [
    "USD-SOFR", "USD-TERM-SOFR-3M", "EUR-ESTR", "EUR-EURIBOR-1M", "EUR-EURIBOR-3M", "EUR-EURIBOR-6M", "EUR-EURIBOR-12M", "GBP-SONIA",
    "CHF-SARON", "JPY-TONA", "CAD-CORRA", "AUD-AONIA", "US-CPI-U", "EU-HICPXT", "UK-RPI",
]  # fmt: skip


@pytest.mark.parametrize("name", HELD)
def test_indices_that_people_hold_are_shipped(name):
    assert Fixings.none().index(name) is not None


@pytest.mark.parametrize("index", STANDARD_INDICES.values(), ids=lambda index: index.name)
def test_conventions_of_every_shipped_index_are_known(index):
    assert is_calendar(index.fixing_calendar)
    assert is_calendar(index.value_calendar)
    assert index.day_count in DAY_COUNTS
    assert index.convention in BUSINESS_DAY_CONVENTIONS
    assert index.kind is not IndexKind.TERM or parse_tenor(index.tenor).months > 0


def test_an_index_forecasts_from_the_curve_of_its_name_unless_it_names_another():
    assert Index("EUR-ESTR", IndexKind.OVERNIGHT, "EUR").forecast_curve == "EUR-ESTR"
    assert Index("EUR-ESTR", IndexKind.OVERNIGHT, "EUR", forecast_curve="EUR-OIS").forecast_curve == "EUR-OIS"


@pytest.mark.parametrize(
    ("kind", "terms", "message"),
    [
        (IndexKind.TERM, {}, "of kind TERM has a tenor"),
        (IndexKind.OVERNIGHT, {"tenor": "3M"}, "of kind TERM has a tenor"),
        (IndexKind.FX, {}, "of kind FX has a quote currency"),
        (IndexKind.OVERNIGHT, {"quote_currency": "USD"}, "of kind FX has a quote currency"),
    ],
)
def test_contradicting_definitions_are_refused_with_the_index(kind, terms, message):
    with pytest.raises(ValueError, match=f"'MY-INDEX'.*{message}"):
        Index("MY-INDEX", kind, "EUR", **terms)
