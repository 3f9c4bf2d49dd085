"""Market documents to what pricers and the store take: arrays by curve, and exchange rates to one base currency."""

import pyarrow as pa

from pricers.market.fixings import Fixings
from pricers.market.market import KIND_ORDER, Curve, CurveKind, Market, Price, days_to_pillars
from pricers.time.dates import to_day
from riskray.errors import InvalidRequest
from riskray.market.credit_curves import hazard_curve
from riskray.market.fixings import fixing_table, visible_fixings
from riskray.market.fx import FxConversion, conversions, todays_rates
from riskray.market.index_checks import indices_of, listed_fixings
from riskray.market.inflation_curves import inflation_curve
from riskray.market.quote_moves import quoted_curves
from riskray.market.zero_rates import discount_curve, spread_curve
from riskray.models.instrument import CURRENCIES
from riskray.models.market_data import MarketDocument

CURVE_SCHEMA = pa.schema(
    [
        ("kind", pa.string()),
        ("curve_no", pa.int16()),
        ("name", pa.string()),
        ("currency", pa.string()),
        ("pillar_labels", pa.list_(pa.string())),
        ("pillar_days", pa.list_(pa.int32())),
        ("zero_rates", pa.list_(pa.float64())),
    ]
)

STORED_KINDS = {CurveKind.RATE: "discount", CurveKind.SPREAD: "spread", CurveKind.HAZARD: "hazard", CurveKind.INFLATION: "inflation"}
"""A curve's kind as the table market_curve has it."""


def build_market(document: MarketDocument, *, base_currency: str, fixings: pa.Table | None = None) -> Market:
    """The pricers' view of a document: curves sorted by kind and name, today's exchange rates to the base currency, indices and prices.

    A currency without a path of quotes to the base currency is left out; its positions fail with MISSING_FX. Of the fixings, those that
    were published by the document's date are visible (see `riskray.market.fixings.published_by`).

    Args:
        fixings: the table that the document names (FIXING_SCHEMA); None where it names none.
    Raises:
        InvalidRequest: no such currency.
        ValueError: the document names a fixing table that is not given.
    """
    return Market(
        as_of=to_day(document.as_of),
        base_currency=base_currency,
        curves=_curves(document),
        fx_to_base={currency: conversion.rate for currency, conversion in fx_conversions(document, base_currency=base_currency).items()},
        fixings=market_fixings(document, fixings),
        prices={price.name: Price(price.value, price.currency) for price in document.spot_prices},
        quotes=quoted_curves(document),
    )


def market_fixings(document: MarketDocument, table: pa.Table | None) -> Fixings:
    """The indices that a document knows, with what it sees of the fixings that it lists or of the table that it names."""
    indices = indices_of(document)
    if isinstance(document.fixings, str):
        if table is None:
            raise ValueError(f"market {document.name!r} reads the fixing table {document.fixings!r}, which is not given")
    elif document.fixings:
        table = fixing_table(listed_fixings(document))
    return Fixings({}, indices) if table is None else visible_fixings(table, as_of=to_day(document.as_of), indices=indices)


def fx_conversions(document: MarketDocument, *, base_currency: str) -> dict[str, FxConversion]:
    """How each currency converts to the base currency (see `riskray.market.fx`). Raises InvalidRequest for an unknown currency."""
    if base_currency not in CURRENCIES:
        message = f"base currency {base_currency!r} is not an ISO 4217 currency code in capitals"
        raise InvalidRequest(message, [{"loc": ["base_currency"], "msg": message, "code": "unknown_currency"}])
    curves = {curve.name: curve for curve in _curves(document)}
    return conversions(todays_rates(document, curves), base_currency=base_currency)


def market_curve_rows(document: MarketDocument) -> pa.Table:
    """The document's curves by number, as results refer to them; columns of CURVE_SCHEMA."""
    rows = [
        {
            "kind": STORED_KINDS[curve.kind],
            "curve_no": number,
            "name": curve.name,
            "currency": curve.currency,
            "pillar_labels": list(curve.pillar_labels),
            "pillar_days": days_to_pillars(curve).tolist(),
            "zero_rates": curve.zero_rates.tolist(),
        }
        for number, curve in enumerate(_curves(document))
    ]
    return pa.Table.from_pylist(rows, schema=CURVE_SCHEMA)


def _curves(document: MarketDocument) -> tuple[Curve, ...]:
    """All curves by kind, then by name: a curve's place is its number in results."""
    as_of = document.as_of
    curves = [
        *(discount_curve(curve, as_of=as_of) for curve in document.curves),
        *(spread_curve(curve, as_of=as_of) for curve in document.spread_curves),
        *(hazard_curve(curve, as_of=as_of) for curve in document.credit_curves),
        *(inflation_curve(curve, as_of=as_of) for curve in document.inflation_curves),
    ]
    return tuple(sorted(curves, key=lambda curve: (KIND_ORDER[curve.kind], curve.name)))
