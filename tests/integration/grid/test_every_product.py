"""Every product of cash flows from HTTP upload to every kind of result: a new product is in all of them, or a test here fails."""

import copy
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from pricers import CurveKind, Market, Measure, contracts_of, known_products, pricer, value_contracts
from pricers.measures import ADDITIVE_MEASURES, SCALAR_MEASURES
from pricers.time.calendars import calendar_tables, is_business_day
from pricers.time.dates import to_day
from riskray.market.build import build_market
from riskray.market.reader import parse_market
from riskray.models.run import RunState
from riskray.store.checks import check_invariants
from riskray.store.runs import get_run
from tests.fixtures.local_grid import LocalGrid
from tests.fixtures.services import Api, opened_api

pytestmark = [pytest.mark.ray, pytest.mark.postgres]

AS_OF = date(2026, 3, 16)
FIRST_FIXING = date(2025, 1, 2)
BASE = "EUR"
TENORS = ("1M", "6M", "1Y", "2Y", "5Y", "10Y", "30Y")
CHANGED_CURVE = "USD-SOFR"
LADDERED = frozenset({"RATE", "SPREAD", "HAZARD", "INFLATION", "CURRENCY", "PRICE"})


def _flow_products() -> tuple[str, ...]:
    """Products of this repository that are cash flows, those that other tests register left out."""
    specs = [pricer(name) for name in known_products()]
    return tuple(spec.product for spec in specs if spec.lower is not None and spec.lower.__module__.startswith("pricers.products."))


PRODUCTS = _flow_products()
ALSO: dict[str, tuple[str, ...]] = {
    "AMORT_LOAN": ("spread_curve",),
    "CREDIT_DEFAULT_SWAP": ("trade_date", "start_date"),
    "CROSS_CURRENCY_SWAP": ("convention", "fx_reset_index"),
    "FIXED_BOND": ("spread_curve",),
    "FLOATING_LOAN": ("spread_curve",),
    "FX_FWD": ("contract_rate", "delivery_date", "calendar"),
    "INTEREST_RATE_SWAP": ("convention", "fixed_rate"),
    "MONEY_MARKET": ("spread_curve",),
    "NON_MATURITY_DEPOSIT": ("interest_rate", "runoff_dates", "runoff_shares"),
    "REPO": ("maturity_date",),
    "REVOLVING_CREDIT": ("drawn_balance", "commitment_fee_rate", "spread", "spread_curve"),
}
"""Columns that are not required and whose examples stand in the position too."""
TERMS: dict[str, dict[str, Any]] = {
    "CROSS_CURRENCY_SWAP": {"pay_leg_notional": 11e6},
    "INFLATION_LINKED_BOND": {"index": "EU-HICPXT"},
    "INFLATION_SWAP": {"index": "EU-HICPXT"},
    "FX_SWAP": {"far_rate": 1.092, "near_date": "2026-03-20"},
}


def position(product: str) -> dict[str, Any]:
    """The required columns' examples, and those of `ALSO`."""
    columns, also = pricer(product).columns, ALSO.get(product, ())
    terms = {column.name: column.example for column in columns if column.required or column.name in also}
    return {"position_id": product, "product": product, "book": f"BOOK-{product[0]}"} | terms | TERMS.get(product, {})


_HICP = [(f"{2024 + month // 12}-{month % 12 + 1:02d}", round(125.0 * 1.0017**month, 2)) for month in range(25)]
"""By month, from January 2024 to January 2026, the last that is published."""


def _curve(name: str, currency: str, level: float, interpolation: str = "LOG_LINEAR_DISCOUNT") -> dict[str, Any]:
    points = [{"tenor": tenor, "value": level + 0.001 * number} for number, tenor in enumerate(TENORS)]
    return {"name": name, "currency": currency, "interpolation": interpolation, "points": points}


def _points(level: float) -> list[dict[str, Any]]:
    return [{"tenor": tenor, "value": level} for tenor in ("1Y", "5Y", "10Y")]


def _fixings(index: str, calendar: str, value: float) -> list[dict[str, Any]]:
    tables, days = calendar_tables((calendar,)), range((AS_OF - FIRST_FIXING).days)
    dates = [FIRST_FIXING + timedelta(days=day) for day in days]
    return [
        {"index": index, "fixing_date": day.isoformat(), "value": round(value + 1e-5 * number, 6)}
        for number, day in enumerate(dates)
        if is_business_day(to_day(day), np.int64(0), tables)
    ]


def document() -> dict[str, Any]:
    """A market with everything that the examples of columns name."""
    euro = {"EUR-ESTR": 0.02, "EUR-EURIBOR-3M": 0.021, "EUR-EURIBOR-6M": 0.022, "EUR-XCCY": 0.0195}
    dollar = {"USD-SOFR": 0.036, "SOFR": 0.0362, "USD-EUR-XCCY": 0.0355}
    return {
        "name": "close",
        "as_of": AS_OF.isoformat(),
        "curves": [
            *(_curve(name, "EUR", level) for name, level in euro.items()),
            *(_curve(name, "USD", level) for name, level in dollar.items()),
        ],
        "spread_curves": [
            {"name": name, "points": _points(level)}
            for name, level in {"EUR-CORP-A": 0.009, "EUR-SME-BB": 0.021, "EUR-LIQUIDITY": 0.001}.items()
        ],
        "credit_curves": [{"name": "ACME-SNRFOR", "recovery_rate": 0.4, "points": _points(0.015)}],
        "inflation_curves": [
            {
                "name": "EU-HICPXT",
                "index": "EU-HICPXT",
                "base_date": f"{_HICP[-1][0]}-01",
                "base_index_value": _HICP[-1][1],
                "points": _points(0.021),
            },
        ],
        "fx_spots": [{"pair": "EURUSD", "rate": 1.0811}],
        "fixings": [
            *_fixings("EUR-EURIBOR-3M", "TARGET", 0.0203),
            *_fixings("EUR-EURIBOR-6M", "TARGET", 0.0214),
            *_fixings("EUR-ESTR", "TARGET", 0.0193),
            *_fixings("USD-SOFR", "US_SOFR", 0.0361),
            *_fixings("EUR-USD-ECB", "TARGET", 1.05),
            *({"index": "EU-HICPXT", "fixing_date": f"{day}-01", "value": level} for day, level in _HICP),
        ],
        "spot_prices": [{"name": "DE0007164600", "value": 143.2, "currency": "EUR"}],
    }


def changed_document() -> dict[str, Any]:
    """The market with one curve moved."""
    changed = copy.deepcopy(document()) | {"name": "changed"}
    for curve in changed["curves"]:
        if curve["name"] == CHANGED_CURVE:
            curve["points"] = [{**point, "value": point["value"] + 0.002} for point in curve["points"]]
    return changed


SHOCKS: dict[str, dict[str, Any]] = {
    "RATE": {"type": "parallel", "shift": {"bp": 100}},
    "SPREAD": {"type": "parallel", "target": "spread", "shift": {"bp": 50}},
    "HAZARD": {"type": "parallel", "target": "hazard", "shift": {"bp": 30}},
    "INFLATION": {"type": "parallel", "target": "inflation", "shift": {"bp": 25}},
    "CURRENCY": {"type": "fx", "currencies": ["USD"], "relative": 0.1},
    "PRICE": {"type": "price", "prices": ["*"], "relative": -0.2},
}


def shocked(market: Market, kind: str) -> Market:
    """The market after the shock of a kind."""
    if kind == "CURRENCY":
        return replace(market, fx_to_base={**market.fx_to_base, "USD": market.fx_to_base["USD"] * 1.1})
    if kind == "PRICE":
        return replace(market, prices={name: price._replace(value=price.value * 0.8) for name, price in market.prices.items()})
    moved = {curve.name for curve in market.curves if curve.kind is CurveKind(kind)}
    size = SHOCKS[kind]["shift"]["bp"] * 1e-4
    curves = [replace(curve, zero_rates=curve.zero_rates + size) if curve.name in moved else curve for curve in market.curves]
    return replace(market, curves=tuple(curves))


@dataclass(frozen=True)
class Valued:
    """Every product valued by a run, and again by itself."""

    api: Api
    run_id: str
    changed_run_id: str
    """Under the market with another curve, reusing what does not depend on it."""
    reused_count: int
    market: Market
    changed_market: Market
    rows: dict[str, dict[str, Any]]
    """By product, as HTTP gives them."""

    def get(self, path: str, **params: Any) -> Any:
        answer = self.api.http.get(f"/api/v1/results/{path}", params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def worth(self, product: str, market: Market) -> dict[Measure, float]:
        """All scalar measures of the product's position under a market."""
        spec = pricer(product)
        contracts = contracts_of(spec.columns, [{k: v for k, v in position(product).items() if k in spec.columns}])
        found = value_contracts(spec, contracts, market=market)
        assert found.status[0] == 0, (product, found.status, found.messages)
        return {measure: float(values[0]) for measure, values in found.values.items()}


def _uploaded(api: Api, path: str, body: Any, **params: Any) -> dict[str, Any]:
    answer = api.http.post(path, json=body, params=params)
    assert answer.status_code in (200, 201), answer.text
    found: dict[str, Any] = answer.json()
    return found


def _run(api: Api, grid: LocalGrid, **request: Any) -> Any:
    body = {"portfolio": "every", "base_currency": BASE, **request}
    run_id = _uploaded_run(api, body)
    run = grid.drive(get_run(grid.database, run_id=run_id))
    failures = api.http.get(f"/api/v1/results/{run_id}/failures").json()
    assert run.state is RunState.SUCCEEDED, failures
    return run


def _uploaded_run(api: Api, body: dict[str, Any]) -> str:
    answer = api.http.post("/api/v1/runs", json=body)
    assert answer.status_code in (200, 201, 202), answer.text
    return str(answer.json()["run_id"])


@pytest.fixture(scope="module")
def valued(grid: LocalGrid) -> Iterator[Valued]:
    with opened_api(str(grid.settings.database_url.get_secret_value())) as api:  # type: ignore[union-attr]
        api.grid.is_asleep = True
        for market in (document(), changed_document()):
            _uploaded(api, "/api/v1/market-data/snapshots", market)
        _uploaded(api, "/api/v1/portfolios", [position(product) for product in PRODUCTS], name="every")
        scenarios = [{"name": kind, "shocks": [shock]} for kind, shock in SHOCKS.items()]
        definition = {"kind": "stress", "numeraire": BASE, "scenarios": scenarios}
        _uploaded(api, "/api/v1/scenarios/sets", {"name": "one of each", "market": "close", "definition": definition})
        run = _run(api, grid, market="close", scenario_set="one of each", vectors="position")
        changed = _run(api, grid, market="changed", reuse_from=run.run_id)
        rows = api.http.get(f"/api/v1/results/{run.run_id}/positions", params={"limit": 1000}).json()["data"]
        today, other = (build_market(parse_market(each), base_currency=BASE) for each in (document(), changed_document()))
        assert check_invariants(grid.database) == []
        yield Valued(api, run.run_id, changed.run_id, changed.progress.reused_count, today, other, {row["product"]: row for row in rows})


@pytest.mark.parametrize("product", PRODUCTS)
def test_row_in_postgres_has_the_numbers_of_the_pricer(valued: Valued, product: str) -> None:
    row, worth = valued.rows[product], valued.worth(product, valued.market)
    assert row["pv_base"] != 0.0
    for measure in SCALAR_MEASURES:
        expected = None if np.isnan(worth[measure]) else worth[measure]
        assert row[measure.value] == expected, measure
        assert (expected is None) or measure in pricer(product).measures, measure


@pytest.mark.parametrize("product", PRODUCTS)
def test_value_is_explained_flow_by_flow(valued: Valued, product: str) -> None:
    found = valued.get(f"{valued.run_id}/positions/{product}/explain")
    assert found["pv_base"] == valued.rows[product]["pv_base"]
    assert sum(flow["pv_base"] for flow in found["flows"]) == pytest.approx(found["pv_base"], rel=1e-9, abs=1e-6)


@pytest.mark.parametrize("product", PRODUCTS)
def test_scenarios_of_every_kind_are_revaluations(valued: Valued, product: str) -> None:
    rows = valued.get(f"{valued.run_id}/stress/positions", limit=1000)["data"]
    pnl = next(row["pnl"] for row in rows if row["position_id"] == product)
    base = valued.worth(product, valued.market)[Measure.PV_BASE]
    moved = [valued.worth(product, shocked(valued.market, kind))[Measure.PV_BASE] - base for kind in SHOCKS]
    assert pnl == pytest.approx(moved, rel=1e-9, abs=1e-4)
    assert any(pnl)


def test_ladders_of_every_kind_are_reachable_and_add_up_to_the_run(valued: Valued) -> None:
    found = valued.get(f"{valued.run_id}/sensitivities", group_by="product")
    assert {row["kind"] for row in found} >= LADDERED
    for kind in LADDERED:
        of_kind = valued.get(f"{valued.run_id}/sensitivities", group_by="", kind=kind)
        by_product = [row["sensitivity"] for row in found if row["kind"] == kind]
        assert sum(row["sensitivity"] for row in of_kind) == pytest.approx(sum(by_product), rel=1e-9)
        totals = valued.get(f"{valued.run_id}/sensitivities", group_by="", kind=kind, by_factor=True)
        assert len({row["factor"] for row in of_kind}) == len(totals)
        for total in totals:
            assert total["bucket"] == "total"
            buckets = [row["sensitivity"] for row in of_kind if row["factor"] == total["factor"]]
            assert total["sensitivity"] == pytest.approx(sum(buckets), rel=1e-9, abs=1e-9)
    for product in PRODUCTS:
        rates = np.array([row["sensitivity"] for row in found if row["kind"] == "RATE" and row["group"]["product"] == product])
        dv01 = valued.rows[product]["dv01"] or 0.0
        assert rates.sum() == pytest.approx(dv01, abs=2e-3 * np.abs(rates).sum() + 1e-6), product  # bumps compound


def test_rollup_by_product_is_the_sum_of_its_positions(valued: Valued) -> None:
    groups = {row["group"]["product"]: row for row in valued.get(f"{valued.run_id}/rollup", group_by="product")}
    assert set(groups) == set(PRODUCTS)
    for product, group in groups.items():
        for measure in ADDITIVE_MEASURES:
            assert group[measure.value] == pytest.approx(valued.rows[product][measure.value] or 0.0, rel=1e-12), (product, measure)


def test_run_after_one_curve_changed_reuses_what_does_not_depend_on_it(valued: Valued) -> None:
    rows = {row["product"]: row for row in valued.get(f"{valued.changed_run_id}/positions", limit=1000)["data"]}
    depends = {name for name in PRODUCTS if valued.worth(name, valued.changed_market) != valued.worth(name, valued.market)}
    assert {"CREDIT_DEFAULT_SWAP", "CROSS_CURRENCY_SWAP"} <= depends
    assert 0 < valued.reused_count <= len(PRODUCTS) - len({name for name in depends if rows[name] != valued.rows[name]})
    for product in PRODUCTS:
        assert rows[product]["pv_base"] == valued.worth(product, valued.changed_market)[Measure.PV_BASE], product


def test_change_of_value_between_the_runs_is_explained(valued: Valued) -> None:
    found = valued.get(f"{valued.run_id}/pnl/{valued.changed_run_id}/positions", limit=1000)["data"]
    assert {row["product"]: row["code"] for row in found} == dict.fromkeys(PRODUCTS)
    for row in found:
        assert row["pnl"] == pytest.approx(row["rates"], rel=1e-9, abs=1e-6), row  # nothing but rates has moved
        assert (row["carry"], row["fixing"]) == pytest.approx((0.0, 0.0), abs=1e-6), row


@pytest.mark.parametrize("read", [pq.read_table])
def test_download_has_every_product_and_measure(valued: Valued, read: Callable[..., Any]) -> None:
    answer = valued.api.http.get(f"/api/v1/results/{valued.run_id}/positions", params={"format": "parquet"})
    table = read(io.BytesIO(answer.content))
    assert set(table.column("product").to_pylist()) == set(PRODUCTS)
    for row in table.select(["product", *(measure.value for measure in SCALAR_MEASURES)]).to_pylist():
        assert {k: v for k, v in row.items() if k != "product"} == {k: valued.rows[row["product"]][k] for k in row if k != "product"}
    assert json.loads(valued.api.http.get(f"/api/v1/runs/{valued.run_id}").content)["progress"]["ok_count"] == len(PRODUCTS)
