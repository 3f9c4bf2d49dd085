"""Random contracts of all products under every kind of shock, against QuantLib on equally bumped curves."""

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest

from pricers.market.market import Curve, CurveKind, Market, Scenarios
from pricers.measures import Measure
from pricers.value.revaluation import present_values
from pricers.value.valuation import value_cashflows
from riskray.market.build import build_market
from riskray.market.reader import parse_market
from riskray.models.scenario import StressDefinition
from riskray.portfolio.generate import generate_portfolio
from riskray.portfolio.generated_terms import CONVENTIONS
from riskray.runs.loading import prepare_positions
from riskray.scenario.bind import bind_scenarios
from riskray.scenario.stress import stress_matrix
from tests.oracles.quantlib_portfolio import QuantlibSample, contract_rows

AS_OF = date(2024, 3, 28)
TENORS = ("3M", "1Y", "2Y", "5Y", "10Y", "30Y", "60Y")  # the last beyond every contract: QuantLib extrapolates otherwise
POSITIONS = 120
SHOCKS: dict[str, dict[str, Any]] = {
    "parallel": {"type": "parallel", "shift": {"bp": 100}},
    "parallel relative": {"type": "parallel", "shift": {"relative": -0.2}},
    "one curve": {"type": "parallel", "curves": ["EUR-*"], "shift": {"bp": -75}},
    "steepener": {"type": "steepener", "short": {"bp": -25}, "long": {"bp": 50}},
    "twist": {"type": "twist", "size": {"bp": 40}},
    "key rate": {"type": "tenors", "shifts": {"5Y": {"bp": 1}}},
    "tenors": {"type": "tenors", "shifts": {"2Y": {"relative": 0.1}, "10Y": {"bp": -30}}},
    "spread": {"type": "parallel", "target": "spread", "shift": {"bp": 60}},
    "spread relative": {"type": "steepener", "target": "spread", "short": {"relative": 0.5}, "long": {"relative": 0.1}},
    "credit": {"type": "credit", "bp": 50},
    "fx": {"type": "fx", "currencies": ["EUR", "JPY"], "relative": -0.12},
}
COMBINATION = ("twist", "spread", "credit", "fx")


@pytest.fixture(scope="module")
def market() -> Market:
    rng = np.random.default_rng(5)
    level = {currency: conventions.rate for currency, conventions in CONVENTIONS.items()}

    def points(start: float) -> list[dict[str, Any]]:
        return [{"tenor": tenor, "value": start + move} for tenor, move in zip(TENORS, rng.normal(0.0, 0.002, len(TENORS)), strict=True)]

    document = {
        "name": "random",
        "as_of": AS_OF.isoformat(),
        "curves": [{"name": f"{name}-GOVT", "currency": name, "points": points(rate)} for name, rate in level.items()],
        "spread_curves": [{"name": f"{name}-CORP-{rating}", "points": points(0.015)} for name in level for rating in ("A", "BBB", "BB")],
        "fx_spots": [{"pair": f"{name}USD", "rate": conventions.usd_value} for name, conventions in CONVENTIONS.items() if name != "USD"],
    }
    return build_market(parse_market(document), base_currency="USD")


@pytest.fixture(scope="module")
def scenarios(market: Market) -> tuple[list[str], Scenarios]:
    definition = StressDefinition.model_validate(
        {
            "scenarios": [{"name": name, "shocks": [shock]} for name, shock in SHOCKS.items()],
            "combinations": [{"name": "combination", "of": list(COMBINATION)}],
        }
    )
    matrix = stress_matrix(definition, market=market)
    return list(matrix.labels), bind_scenarios(matrix, market=market).scenarios


def moved(curve: Curve, shock: dict[str, Any]) -> Curve:
    """A curve under one shock, worked out here by hand."""
    rates = curve.zero_rates.copy()
    days = dict(zip(curve.pillar_labels, curve.pillar_days.tolist(), strict=True))
    for place, label in enumerate(curve.pillar_labels):
        match shock["type"]:
            case "parallel":
                size = shock["shift"]
            case "tenors":
                size = shock["shifts"].get(label, {"bp": 0.0})
            case "steepener":  # from 2 to 10 years
                share = min(max((days[label] - days["2Y"]) / (days["10Y"] - days["2Y"]), 0.0), 1.0)
                size = {kind: (1.0 - share) * shock["short"][kind] + share * shock["long"][kind] for kind in shock["short"]}
            case "twist":  # about 5 years, between 1 and 30
                end = days["1Y"] if days[label] < days["5Y"] else days["30Y"]
                share = min(abs(days[label] - days["5Y"]) / abs(end - days["5Y"]), 1.0)
                size = {"bp": (-share if end < days["5Y"] else share) * shock["size"]["bp"]}
        rates[place] += size["bp"] * 1e-4 if "bp" in size else size["relative"] * curve.zero_rates[place]
    return replace(curve, zero_rates=rates)


def moved_market(market: Market, shocks: list[dict[str, Any]]) -> tuple[Market, float]:
    """The market, and the move of the contracts' own spreads."""
    credit = 0.0
    for shock in shocks:
        match shock["type"]:
            case "credit":
                credit += 1e-4 * shock["bp"]
            case "fx":
                factor = dict.fromkeys(shock["currencies"], 1.0 + shock["relative"])
                market = replace(market, fx_to_base={name: rate * factor.get(name, 1.0) for name, rate in market.fx_to_base.items()})
            case _:
                start = shock.get("curves", ["*"])[0].removesuffix("*")
                kind = CurveKind.SPREAD if shock.get("target") == "spread" else CurveKind.RATE
                curves = tuple(
                    moved(curve, shock) if curve.kind is kind and curve.name.startswith(start) else curve for curve in market.curves
                )
                market = replace(market, curves=curves)
    return market, credit


def test_random_contracts_under_every_shock_equal_quantlib(market: Market, scenarios: tuple[list[str], Scenarios]) -> None:
    labels, bound = scenarios
    worlds = [moved_market(market, [SHOCKS[name] for name in (COMBINATION if label == "combination" else (label,))]) for label in labels]
    compared = dict.fromkeys(("AMORT_LOAN", "FIXED_BOND", "FX_FWD"), 0)
    for product, table in generate_portfolio(POSITIONS, seed=11, as_of=AS_OF, broken_fraction=0.0).items():
        prepared = prepare_positions(table, product=product, first_position_no=0, market=market)
        assert prepared.compiled is not None
        ours = present_values(prepared.compiled, market=market, scenarios=bound)
        today = present_values(prepared.compiled, market=market, scenarios=Scenarios(count=1))[:, 0]
        for row, base, values in zip(contract_rows(product, table), today, ours, strict=True):
            expected = quantlib_value(market, product, row, 0.0)
            if expected is None or abs(abs(expected) - abs(base)) > 1e-9 * abs(base) + 1e-6:
                continue  # QuantLib interprets these terms differently; the accuracy benchmarks cover them
            compared[product] += 1
            sign = np.sign(base) * np.sign(expected)
            for label, value, (world, credit) in zip(labels, values, worlds, strict=True):
                theirs = quantlib_value(world, product, row, credit)
                assert theirs is not None
                assert value == pytest.approx(sign * theirs, rel=1e-9, abs=1e-4), (label, row)
    assert all(count >= 15 for count in compared.values()), compared


def quantlib_value(market: Market, product: str, row: dict[str, Any], credit: float) -> float | None:
    """Base currency, but for the sign of the notional."""
    sample = QuantlibSample(market)
    terms = row if product == "FX_FWD" else {**row, "credit_spread": row.get("credit_spread", 0.0) + credit}
    instrument = sample.instrument(product, terms)
    return None if instrument is None else float(instrument.NPV()) * sample.fx(product, row)


def test_ladders_and_dv01_of_random_contracts_equal_quantlib_under_the_same_bumps(market: Market) -> None:
    basis_point = {"bp": 1.0}
    up, _ = moved_market(market, [{"type": "parallel", "shift": basis_point}])
    checked = 0
    for product, table in generate_portfolio(40, seed=12, as_of=AS_OF, broken_fraction=0.0).items():
        prepared = prepare_positions(table, product=product, first_position_no=0, market=market)
        assert prepared.compiled is not None
        found = value_cashflows(prepared.compiled, market=market)
        for number, row in enumerate(contract_rows(product, table)):
            base, before = found.values[Measure.PV_BASE][number], quantlib_value(market, product, row, 0.0)
            if before is None or abs(abs(before) - abs(base)) > 1e-9 * abs(base) + 1e-6:
                continue
            sign = np.sign(base) * np.sign(before)

            def difference(world: Market, credit: float = 0.0, *, row: Any = row, product: str = product, before: float = before) -> float:
                after = quantlib_value(world, product, row, credit)
                assert after is not None
                return after - before

            assert found.values[Measure.DV01][number] == pytest.approx(sign * difference(up), rel=1e-6, abs=1e-3)
            if product != "FX_FWD":
                assert found.values[Measure.CS01][number] == pytest.approx(sign * difference(market, 1e-4), rel=1e-6, abs=1e-3)
            for entry in range(found.factor_offsets[number], found.factor_offsets[number + 1]):
                if found.factor_nos[entry] >= len(market.curves):
                    continue  # a currency
                curve = market.curves[found.factor_nos[entry]]
                ladder = found.sensitivities[found.bucket_offsets[entry] : found.bucket_offsets[entry + 1]]
                assert ladder.size == len(curve.pillar_labels)
                target = "spread" if curve.kind is CurveKind.SPREAD else "zero"
                for label, dv01 in zip(curve.pillar_labels, ladder.tolist(), strict=True):
                    world, _ = moved_market(
                        market, [{"type": "tenors", "target": target, "curves": [curve.name], "shifts": {label: basis_point}}]
                    )
                    assert dv01 == pytest.approx(sign * difference(world), rel=1e-6, abs=1e-3), (product, label)
                    checked += 1
    assert checked >= 200
