"""The valued inputs: markets, portfolios and a history, generated once and stored in the file.

The main portfolio is the generator's mix of all products with more broken rows than usual; the later one lacks some of its positions and
has others. `terms` holds random contracts over all conventions of every product on curves with either interpolation. `failing` holds rows
for each reason why a position has no value.
"""

import io
import json
import zlib
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.csv

from pricers import CurveKind
from pricers.market.market import Curve
from riskray.market.reader import write_market
from riskray.portfolio.batches import decode_batch, prepare_portfolio
from riskray.portfolio.generate import generate_portfolio
from riskray.portfolio.writer import write_portfolio
from riskray.snapshots.demo import demo_market
from tests.oracles import accuracy_bonds, accuracy_fx, accuracy_loans, random_markets

BROKEN_FRACTION: Final = 0.02
TURNOVER: Final = 0.01
"""Share of the positions that only one of the two main portfolios has."""
HISTORY_DATES: Final = 251
LATER_DAYS: Final = 33
TERMS_AS_OF: Final = date(2024, 2, 29)
TERMS_SHARE: Final = 20
"""Number of positions of the main portfolio for each row per product on random terms."""
_FORWARD_CURRENCIES: Final = tuple(accuracy_fx.CURRENCIES)


def make_inputs(positions: int, *, seed: int) -> dict[str, bytes]:
    """Contents by name of file."""
    document = demo_market()
    market = _of_core_products(json.loads(write_market(document, format="json")))
    tables = generate_portfolio(positions, seed=seed, as_of=document.as_of, broken_fraction=BROKEN_FRACTION)
    return {
        "market.json": json.dumps(market).encode(),
        "market-later.json": json.dumps(_later_market(market, as_of=document.as_of + timedelta(LATER_DAYS))).encode(),
        "portfolio.parquet": _parquet({name: _part(table, 0.0, 1.0 - TURNOVER) for name, table in tables.items()}),
        "portfolio-later.parquet": _parquet({name: _part(table, TURNOVER, 1.0) for name, table in tables.items()}),
        "history.csv": _history(market, last=document.as_of, seed=seed),
        **_random_terms(max(positions // TERMS_SHARE, 20), seed=seed),
        "failing.json": json.dumps(_failing()).encode(),
    }


def _of_core_products(market: dict[str, Any]) -> dict[str, Any]:
    """The part of the demo's market that bonds, loans and forwards read, which earlier versions have too."""
    others = ("quotes", "credit_curves", "inflation_curves", "fixings", "indices", "spot_prices")
    kept = {name: part for name, part in market.items() if name not in others}
    return kept | {"curves": [curve for curve in market["curves"] if not curve.get("instruments")]}


def _part(table: pa.Table, first: float, last: float) -> pa.Table:
    """The rows from one share of the table to another."""
    bounds = [round(share * table.num_rows) for share in (first, last)]
    return table.slice(bounds[0], bounds[1] - bounds[0])


def _parquet(tables: dict[str, pa.Table]) -> bytes:
    batches = ((batch.product, decode_batch(batch.payload)) for batch in prepare_portfolio(tables).batches)
    return b"".join(write_portfolio(batches, format="parquet", products=list(tables)))


def _later_market(market: Mapping[str, Any], *, as_of: date) -> dict[str, Any]:
    """The market some weeks later: every point of every curve and every exchange rate has changed."""

    def moved(curves: Sequence[Mapping[str, Any]], bp: float) -> list[dict[str, Any]]:
        return [
            {
                **curve,
                "points": [{**point, "value": point["value"] + 1e-4 * (bp - k) + 1e-5 * c} for k, point in enumerate(curve["points"])],
            }
            for c, curve in enumerate(curves)
        ]

    spots = [{**spot, "rate": spot["rate"] * (1.01 + 0.003 * number)} for number, spot in enumerate(market["fx_spots"])]
    curves = {"curves": moved(market["curves"], 12.0), "spread_curves": moved(market["spread_curves"], 9.0)}
    return {**market, **curves, "name": "later", "as_of": as_of.isoformat(), "fx_spots": spots}


def _history(market: Mapping[str, Any], *, last: date, seed: int) -> bytes:
    """Random walks that end at the market's own numbers; each factor's depends on its name and the seed alone."""
    days = [last - timedelta(days) for days in range(2 * HISTORY_DATES) if (last - timedelta(days)).weekday() < 5]
    dates = sorted(days[:HISTORY_DATES])
    ends = {
        f"{prefix}/{curve['name']}/{point['tenor']}": (point["value"], 4e-4 if prefix == "zero" else 0.012 * point["value"])
        for prefix, curves in (("zero", market["curves"]), ("spread", market["spread_curves"]))
        for curve in curves
        for point in curve["points"]
    }
    ends |= {f"fx/{currency}": (1.1, 0.005) for currency in market["fx_discount_curves"] if currency != "USD"}
    columns: dict[str, Any] = {"date": [day.isoformat() for day in dates]}
    for name, (end, volatility) in ends.items():
        steps = np.random.default_rng([seed, zlib.crc32(name.encode())]).normal(0.0, volatility / HISTORY_DATES**0.5, HISTORY_DATES)
        columns[name] = end + np.cumsum(steps) - np.sum(steps)
    sink = io.BytesIO()
    pyarrow.csv.write_csv(pa.table(columns), sink)
    return sink.getvalue()


# ------------------------------------------------------------------------------------------------- contracts on any terms


def _random_terms(count: int, *, seed: int) -> dict[str, bytes]:
    as_of = int(np.datetime64(TERMS_AS_OF, "D").astype(np.int64))
    rng = np.random.default_rng(seed)
    bonds_market = accuracy_bonds.random_market(as_of, rng=rng)
    market = random_markets.random_market(as_of, currencies=_FORWARD_CURRENCIES, seed=seed)
    bonds = [accuracy_bonds.random_contract(as_of, rng=rng) for _ in range(count)]
    for bond in bonds:
        accuracy_bonds.add_sinking(bond, rng=rng)
    loans = accuracy_loans.random_loans(count, as_of=as_of, rng=rng)
    forwards = accuracy_fx.random_forwards(count, as_of=as_of, market=market, rng=rng)
    products = {"FIXED_BOND": bonds, "AMORT_LOAN": loans, "FX_FWD": forwards}
    rows = [_row(contract, product, number) for product, contracts in products.items() for number, contract in enumerate(contracts)]
    document = {
        "name": "terms",
        "as_of": TERMS_AS_OF.isoformat(),
        "curves": [_curve(curve) for curve in (*bonds_market.of_kind(CurveKind.RATE), *market.curves)],
        "spread_curves": [_curve(curve) for curve in bonds_market.of_kind(CurveKind.SPREAD)],
        "fx_spots": [
            {"pair": f"{currency}EUR", "rate": rate, "spot_lag_days": 0}
            for currency, rate in market.fx_to_base.items()
            if currency != "EUR"
        ],
    }
    return {"terms.json": json.dumps(rows).encode(), "market-terms.json": json.dumps(document).encode()}


def _row(contract: Mapping[str, Any], product: str, number: int) -> dict[str, Any]:
    """A contract as in a file: days as dates, and null terms absent."""
    fields = {name: _dated(name, value) for name, value in contract.items() if value is not None}
    place = {"product": product, "position_id": f"{product}-{number:06d}", "book": f"B{number % 7}", "counterparty": f"C{number % 11}"}
    return place | fields


def _dated(name: str, value: Any) -> Any:
    if name.endswith("_date"):
        return str(np.datetime64(value, "D"))
    return [str(np.datetime64(day, "D")) for day in value] if name.endswith("_dates") else value


def _curve(curve: Curve) -> dict[str, Any]:
    points = [
        {"date": str(np.datetime64(TERMS_AS_OF, "D") + int(days)), "value": float(rate)}
        for days, rate in zip(curve.pillar_days, curve.zero_rates, strict=True)
    ]
    currency = {"currency": curve.currency} if curve.currency else {}
    return {"name": curve.name, **currency, "interpolation": curve.interpolation, "points": points}


# ---------------------------------------------------------------------------------------------------------------- failures


def _failing() -> list[dict[str, Any]]:
    """Rows on the demo's market, each with its fault as the name of its book; the first row of each product is valid."""
    bond = {
        "product": "FIXED_BOND", "currency": "USD", "notional": 1e6, "coupon_rate": 0.03, "issue_date": "2020-01-15",
        "maturity_date": "2030-01-15", "discount_curve": "USD-GOVT",
    }  # fmt: skip
    loan = {
        "product": "AMORT_LOAN", "currency": "EUR", "notional": 1e6, "interest_rate": 0.03, "start_date": "2020-01-15",
        "maturity_date": "2030-01-15", "discount_curve": "EUR-GOVT", "amortisation": "LINEAR", "frequency": "ANNUAL",
    }  # fmt: skip
    forward = {
        "product": "FX_FWD", "base_currency": "EUR", "quote_currency": "USD", "notional": 1e6, "contract_rate": 1.1,
        "delivery_date": "2025-06-16", "base_discount_curve": "EUR-GOVT", "quote_discount_curve": "USD-GOVT",
    }  # fmt: skip
    flaws: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "sound bond": (bond, {}),
        "sound loan": (loan, {}),
        "sound forward": (forward, {}),
        "missing curve": (bond, {"discount_curve": "USD-LIBOR"}),
        "missing curve of a leg": (forward, {"quote_discount_curve": "USD-LIBOR"}),
        "missing spread curve": (bond, {"spread_curve": "USD-CORP-CCC"}),
        "discount curve as spread curve": (bond, {"spread_curve": "USD-GOVT"}),
        "spread curve as discount curve": (bond, {"discount_curve": "USD-CORP-A"}),
        "curve of another currency": (bond, {"discount_curve": "EUR-GOVT"}),
        "curve of another currency in a loan": (loan, {"discount_curve": "USD-GOVT"}),
        "missing exchange rate": (bond, {"currency": "AUD", "discount_curve": "AUD-GOVT"}),
        "matured bond": (bond, {"maturity_date": "2023-01-15"}),
        "matured loan": (loan, {"maturity_date": "2023-01-15"}),
        "delivered forward": (forward, {"delivery_date": "2023-06-16"}),
        "dates out of order": (bond, {"issue_date": "2031-01-15"}),
        "loan's dates out of order": (loan, {"start_date": "2031-01-15"}),
        "date out of range": (bond, {"maturity_date": "2500-01-15"}),
        "BUS/252 without calendar": (loan, {"day_count": "BUS/252"}),
        "one currency twice": (forward, {"quote_currency": "EUR", "quote_discount_curve": "EUR-GOVT"}),
        "rate and amount that do not fit": (forward, {"quote_amount": 5e6}),
        "principal above the notional": (
            loan, {"amortisation": "CUSTOM", "principal_dates": ["2025-01-15"], "principal_amounts": [2e6]},
        ),
        "sinking above the notional": (bond, {"sinking_dates": ["2025-01-15"], "sinking_amounts": [2e6]}),
        "balloon of a bullet": (loan, {"amortisation": "BULLET", "balloon_amount": 1e5}),
        "not finite": (bond, {"credit_spread": -1e4}),
        "refused when read": (bond, {"maturity_date": "soon"}),
    }  # fmt: skip
    return [
        {"position_id": f"F-{number:03d}", "book": flaw, "counterparty": "C", **contract, **changes}
        for number, (flaw, (contract, changes)) in enumerate(flaws.items())
    ]
