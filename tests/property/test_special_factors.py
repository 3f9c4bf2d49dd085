"""Nodes with special factors, against plain Python exponentials, day by day, of interpolated zero rates."""

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from pricers import (
    Cashflows,
    Curve,
    CurveKind,
    InflationBase,
    Lowered,
    Market,
    Measure,
    RowStatus,
    Scenarios,
    Term,
    Text,
    factors_of,
    present_values,
    value_cashflows,
)
from pricers.contract.columns import NO_DATE
from pricers.core.compiled import Compiled, compile_cashflows
from pricers.core.special_values import SpecialChanges, SpecialValues
from pricers.flows.special_factors import SpecialFactors, SpecialKind
from pricers.value.netting import LadderGrid, Ladders, failing_nodes, merge_ladders, net_flows, value_ladders
from pricers.value.pnl_attribution import explain_pnl

AS_OF = 20_000
BP = 1e-4
PILLARS = np.array([30, 91, 365, 730, 1826, 3652], np.int32)
MEASURES = frozenset({Measure.PV, Measure.PV_BASE, Measure.DV01, Measure.CS01, Measure.THETA_1D, Measure.FX_DELTA, Measure.KEY_RATE_DV01})
SCENARIOS = 67
NODES, WEIGHTS = np.polynomial.legendre.leggauss(6)
ON_RATES = (SpecialKind.RFR_PRODUCT, SpecialKind.ARITHMETIC_AVERAGE)
ON_INDEX = (SpecialKind.INDEX_RATIO,)
ON_DEFAULT = (SpecialKind.PROTECTION, SpecialKind.DEFAULT_ACCRUAL)


def _curve(name: str, kind: CurveKind, currency: str, rng: np.random.Generator) -> Curve:
    days = PILLARS[: rng.integers(1, PILLARS.size + 1)] + (0 if kind is CurveKind.RATE else int(rng.integers(0, 9)))
    is_linear = name.endswith("F") and rng.random() < 0.5  # only growth is read from these
    low, high = (-0.01, 0.05) if kind is CurveKind.RATE else (0.001, 0.08)
    rates = rng.uniform(low, high, days.size)
    return Curve(name, kind, currency, "LINEAR_ZERO" if is_linear else "LOG_LINEAR_DISCOUNT", tuple(f"{d}D" for d in days), days, rates)


def _index_curve(rng: np.random.Generator) -> Curve:
    days, factors = np.array([365, 730, 1826, 3652], np.int32), rng.uniform(0.99, 1.01, 12)
    base = InflationBase("INDEX", -80, rng.uniform(80.0, 130.0), tuple((factors / factors.prod() ** (1 / 12)).tolist()))
    return Curve("I", CurveKind.INFLATION, "", "LINEAR_ZERO", ("1Y", "2Y", "5Y", "10Y"), days, rng.uniform(-0.01, 0.04, 4), base)


def _market(rng: np.random.Generator, *, as_of: int = AS_OF) -> Market:
    curves = [
        *(_curve(f"{currency}-{name}", CurveKind.RATE, currency, rng) for currency in ("EUR", "USD") for name in ("D", "F")),
        *(_curve(f"H{n}", CurveKind.HAZARD, "", rng) for n in range(2)),
        _curve("S", CurveKind.SPREAD, "", rng),
        _index_curve(rng),
    ]
    return Market(as_of, "EUR", tuple(curves), {"EUR": 1.0, "USD": 0.9})


@dataclass(frozen=True)
class Special:
    """One special factor as a person would write it down; days count from the valuation date."""

    kind: SpecialKind
    rate: str
    hazard: str | None
    constant: float
    entries: tuple[tuple[int, int, float, float], ...]


def _growth(rng: np.random.Generator, currency: str) -> Special:
    kind = ON_RATES[int(rng.integers(0, 2))]
    first = int(rng.choice([-5, 0, 1, 28, 360, 3640]))
    days = first + np.concatenate([[0], np.cumsum(rng.choice([1, 1, 1, 3], rng.integers(1, 40)))])
    entries = [
        (int(start), int(end), float(rng.choice([1.0, 1.0, 3.0, 1 / 3])), float(rng.choice([0.0, 1e-4]))) for start, end in pairwise(days)
    ]
    entries += entries[-1:] * int(rng.integers(0, 3))  # a lockout
    constant = float(rng.uniform(0.9, 1.1)) if kind is SpecialKind.RFR_PRODUCT else float(rng.uniform(-0.01, 0.01))
    return Special(kind, f"{currency}-{rng.choice(['D', 'F'])}", None, constant, tuple(entries))


def _default(rng: np.random.Generator, currency: str) -> Special:
    kind = ON_DEFAULT[int(rng.integers(0, 2))]
    days = np.cumsum([int(rng.choice([-60, -1, 0, 1, 200])), *rng.choice([1, 90, 91, 92, 700], rng.integers(1, 9))])
    accrued = 1.0 / 730.0
    entries = [
        (int(start), int(end), float(rng.choice([1.0, 0.5])), accrued if kind is SpecialKind.DEFAULT_ACCRUAL else 0.0)
        for start, end in pairwise(days)
    ]
    return Special(kind, f"{currency}-D", f"H{rng.integers(0, 2)}", 0.0, tuple(entries))


def _ratio(rng: np.random.Generator) -> Special:
    """Of the levels of two months, each interpolated, some known, with a floor or none."""
    first = int(rng.choice([-70, -10, 40, 400]))
    later, part = first + int(rng.choice([180, 365, 3000])), rng.random(2)
    base = (first, first + 31) if rng.random() < 0.6 else (NO_DATE, NO_DATE)
    level = 1.0 if base[0] != NO_DATE else float(rng.uniform(80.0, 130.0))
    entries = [
        (base[0], later, 1.0 - part[1], level * (1.0 - part[0])),
        (base[1], later + 31, part[1], level * part[0]),
        *([(NO_DATE, NO_DATE, 2.0, 0.5)] if rng.random() < 0.5 else []),
    ]
    floor = float(rng.choice([-np.inf, 0.0, 1.02, 1.5]))
    return Special(SpecialKind.INDEX_RATIO, "I", None, floor, tuple(entries))


@dataclass(frozen=True)
class Flow:
    row: int
    currency: str
    amount: float
    day: int
    terms: tuple[Term, ...]
    special: Special | None


def _flows(seed: int, *, rows: int = 10, kinds: tuple[SpecialKind, ...] = (*ON_RATES, *ON_INDEX, *ON_DEFAULT)) -> list[Flow]:
    rng = np.random.default_rng(seed)
    flows: list[Flow] = []
    made: list[Special] = []
    for row in range(rows):
        currency = str(rng.choice(["EUR", "USD"]))
        for _ in range(rng.integers(1, 6)):
            special: Special | None = None
            if rng.random() < 0.8:
                shared = [each for each in made if each.rate.startswith((currency, "I"))]
                special = shared[int(rng.integers(0, len(shared)))] if shared and rng.random() < 0.3 else None
                if special is None:
                    kind = kinds[int(rng.integers(0, len(kinds)))]
                    special = _ratio(rng) if kind in ON_INDEX else (_default if kind in ON_DEFAULT else _growth)(rng, currency)
                made.append(special)
            day = int(rng.choice([1, 30, 200, 365, 1000, 4000]))
            discounting = (Term(f"{currency}-D"), *((Term("S", kind=CurveKind.SPREAD),) if rng.random() < 0.3 else ()))
            if rng.random() < 0.3:
                discounting = (*discounting, Term(f"{currency}-F", 20), Term(f"{currency}-F", 0, -1))
            terms = () if special is not None and special.kind in ON_DEFAULT else discounting
            flows.append(Flow(row, currency, float(rng.normal(0.0, 1e6)), day, terms, special))
    return flows


def _absolute(day: int) -> int:
    return day if day == NO_DATE else AS_OF + day


def _lowered(flows: list[Flow], *, as_of: int = AS_OF) -> Lowered:
    """One leg a row and currency; every flow has a special factor of its own in the table, so that equal ones must be found."""
    rows = max(flow.row for flow in flows) + 1
    legs = [next(flow.currency for flow in flows if flow.row == row) for row in range(rows)]
    counts = [sum(flow.row == row for flow in flows) for row in range(rows)]
    shapes = list({flow.terms for flow in flows})
    table = [flow.special for flow in flows if flow.special is not None]
    entries = [entry for each in table for entry in each.entries]
    number = np.cumsum([flow.special is not None for flow in flows]) - 1
    pay_day = np.array([AS_OF + flow.day for flow in flows], np.int32)
    specials = SpecialFactors(
        kind=np.array([each.kind for each in table], np.int8), rate_curve=Text.of([each.rate for each in table]),
        hazard_curve=Text.of([each.hazard for each in table]), constant=np.array([each.constant for each in table], np.float64),
        offsets=np.cumsum([0, *(len(each.entries) for each in table)], dtype=np.int64),
        start_day=np.array([_absolute(e[0]) for e in entries], np.int32), end_day=np.array([_absolute(e[1]) for e in entries], np.int32),
        weight=np.array([e[2] for e in entries], np.float64), addend=np.array([e[3] for e in entries], np.float64),
    )  # fmt: skip
    cashflows = Cashflows(
        row_count=rows, leg_offsets=np.arange(rows + 1), leg_currency=Text.of(list(legs)), leg_credit_spread=np.zeros(rows),
        flow_offsets=np.cumsum([0, *counts], dtype=np.int64), shapes=tuple(shapes), leg_shape=np.full(rows, -1, np.int32),
        pay_day=pay_day, ex_day=pay_day, amount=np.array([flow.amount for flow in flows]), principal=np.zeros(len(flows)),
        flow_shape=np.array([shapes.index(flow.terms) for flow in flows], np.int32), specials=specials,
        flow_special=np.where([flow.special is not None for flow in flows], number, -1).astype(np.int32),
    )  # fmt: skip
    return Lowered(as_of, np.full(rows, RowStatus.OK, np.uint8), Text.of(list(legs)), cashflows, None)


def _compiled(flows: list[Flow]) -> Compiled:
    return compile_cashflows(_lowered(flows), measures=MEASURES)


# ------------------------------------------------------------------------------------------------------------------ plain Python

Bump = dict[str, np.ndarray]


def _month(day: int) -> int:
    return int(np.datetime64(AS_OF + int(day), "D").astype("datetime64[M]").astype(int))


class Plain:
    """A market, bumped, on a day `days_on` after the valuation date, rates by time to maturity."""

    def __init__(self, market: Market, bump: Bump | None = None, *, days_on: int = 0, fx: float = 1.0) -> None:
        self.market, self.bump, self.days_on, self.fx = market, bump or {}, days_on, fx

    def exponent(self, name: str, time: float) -> float:
        """Zero rate × time of a curve at a time to maturity in days."""
        curve = self.market.curves[self.market.curve_index[name]]
        rates = curve.zero_rates + self.bump.get(name, np.zeros(curve.zero_rates.size))
        days = curve.pillar_days.astype(float)
        if curve.interpolation == "LINEAR_ZERO" or days.size == 1:
            return float(np.interp(time, days, rates)) * time / 365.0
        exponents, knots = np.append(0.0, rates * days / 365.0), np.append(0.0, days)
        if time > days[-1]:
            return float(exponents[-1] + (exponents[-1] - exponents[-2]) / (knots[-1] - knots[-2]) * (time - knots[-1]))
        return float(np.interp(time, knots, exponents))

    def _running(self, name: str, day: int) -> float:
        """The exponent of an accrual's day: before today it is 0, and tomorrow a day has been earned at today's forward."""
        return -self.exponent(name, self.days_on) if day <= 0 else self.exponent(name, max(day - self.days_on, 0))

    def _level(self, name: str, day: int) -> float:
        """The index in the month of a day; 1 on no day."""
        if day == NO_DATE:
            return 1.0
        curve = self.market.curves[self.market.curve_index[name]]
        assert curve.base is not None
        base, month, *pillars = (_month(each) for each in (curve.base.day, day, *(curve.pillar_days + curve.base.day)))
        rates = curve.zero_rates + self.bump.get(name, np.zeros(curve.zero_rates.size))
        growth = float(np.interp(month - base, np.array(pillars) - base, rates)) * (month - base) / 12.0
        return curve.base.level * curve.base.seasonality[month % 12] / curve.base.seasonality[base % 12] * math.exp(growth)

    def special(self, special: Special) -> float:
        if special.kind in ON_INDEX:
            above = math.fsum(weight * self._level(special.rate, end) for _, end, weight, _ in special.entries)
            below = math.fsum(addend * self._level(special.rate, start) for start, _, _, addend in special.entries)
            return max(special.constant, above / below)
        if special.kind in ON_RATES:
            grown = [
                weight * math.expm1(self._running(special.rate, end) - self._running(special.rate, start)) + addend
                for start, end, weight, addend in special.entries
            ]
            if special.kind is SpecialKind.RFR_PRODUCT:
                return special.constant * math.prod(1.0 + each for each in grown)
            return special.constant + math.fsum(grown)
        return special.constant + math.fsum(self._default(special, *entry) for entry in special.entries)

    def _default(self, special: Special, start: int, end: int, weight: float, addend: float) -> float:
        """Day by day, each by Gauss and Legendre's formula."""
        assert special.hazard is not None
        total = 0.0
        for day in range(max(start - self.days_on, 0), max(end - self.days_on, 0)):
            hazard = self.exponent(special.hazard, day + 1) - self.exponent(special.hazard, day)
            low = self.exponent(special.hazard, day) + self.exponent(special.rate, day)
            forward = hazard + self.exponent(special.rate, day + 1) - self.exponent(special.rate, day)
            for node, part in zip((NODES + 1.0) / 2.0, WEIGHTS / 2.0, strict=True):
                accrued = addend + (day + self.days_on + node - start) / 365.0 if special.kind is SpecialKind.DEFAULT_ACCRUAL else 1.0
                total += part * accrued * hazard * math.exp(-low - forward * node)
        return weight * total

    def rows(self, flows: list[Flow]) -> np.ndarray:
        """Base-currency value of each row."""
        values, known = np.zeros(max(flow.row for flow in flows) + 1), {}
        for flow in flows:
            total = 0.0
            for term in flow.terms:
                day = flow.day - term.lag
                total += term.sign * (self._running(term.curve, day) if day < 0 else self.exponent(term.curve, max(day - self.days_on, 0)))
            if flow.special is not None and flow.special not in known:
                known[flow.special] = self.special(flow.special)
            factor = 1.0 if flow.special is None else known[flow.special]
            price = 1.0 if flow.currency == "EUR" else self.market.fx_to_base["USD"] * self.fx
            values[flow.row] += flow.amount * math.exp(-total) * factor * price
        return values


def _gross(flows: list[Flow]) -> float:
    return sum(abs(flow.amount) for flow in flows)


def _up(market: Market, kind: CurveKind) -> Bump:
    return {curve.name: np.full(curve.zero_rates.size, BP) for curve in market.of_kind(kind)}


# ------------------------------------------------------------------------------------------------------------------------- tests

CASES = [(seed, ON_RATES) for seed in range(4)] + [(seed, ON_INDEX) for seed in range(3)] + [(seed, ON_DEFAULT) for seed in range(2)]


@pytest.mark.parametrize(("seed", "kinds"), CASES)
def test_value_bumps_and_theta_are_those_of_plain_exponentials(seed: int, kinds: tuple[SpecialKind, ...]) -> None:
    market, flows = _market(np.random.default_rng(100 + seed)), _flows(seed, kinds=kinds)
    compiled = _compiled(flows)
    assert compiled.specials is not None
    found, today, tolerance = value_cashflows(compiled, market=market), Plain(market).rows(flows), 1e-12 * _gross(flows)
    assert (found.status == RowStatus.OK).all()
    np.testing.assert_allclose(found.values[Measure.PV_BASE], today, rtol=0, atol=tolerance)
    for measure, kind in ((Measure.DV01, CurveKind.RATE), (Measure.CS01, CurveKind.HAZARD)):
        expected = Plain(market, _up(market, kind)).rows(flows) - today
        np.testing.assert_allclose(found.values[measure], expected, rtol=0, atol=tolerance)
    np.testing.assert_allclose(found.values[Measure.THETA_1D], Plain(market, days_on=1).rows(flows) - today, rtol=0, atol=tolerance)
    np.testing.assert_allclose(found.values[Measure.FX_DELTA], Plain(market, fx=1.01).rows(flows) - today, rtol=0, atol=tolerance)


@pytest.mark.parametrize(("seed", "kinds"), CASES)
def test_every_pillar_of_every_curve_is_a_bump(seed: int, kinds: tuple[SpecialKind, ...]) -> None:
    market, flows = _market(np.random.default_rng(100 + seed)), _flows(seed, rows=5, kinds=kinds)
    found, today, tolerance = value_cashflows(_compiled(flows), market=market), Plain(market).rows(flows), 1e-12 * _gross(flows)
    factors, ladders = factors_of(market), {}
    for row in range(found.status.size):
        for entry in range(found.factor_offsets[row], found.factor_offsets[row + 1]):
            part = slice(found.bucket_offsets[entry], found.bucket_offsets[entry + 1])
            ladders[row, factors[found.factor_nos[entry]].name] = found.sensitivities[part]
    for curve in market.curves:
        for pillar in range(curve.zero_rates.size):
            bump = np.zeros(curve.zero_rates.size)
            bump[pillar] = BP
            expected = Plain(market, {curve.name: bump}).rows(flows) - today
            for row, change in enumerate(expected.tolist()):
                ladder = ladders.get((row, curve.name))
                assert (0.0 if ladder is None else ladder[pillar]) == pytest.approx(change, abs=tolerance)


def _scenarios(market: Market, rng: np.random.Generator, *, size: float = 0.01) -> Scenarios:
    return Scenarios(
        SCENARIOS,
        shifts={curve.name: rng.normal(0.0, size, (curve.zero_rates.size, SCENARIOS)) for curve in market.curves if rng.random() < 0.8},
        fx_factors={"USD": rng.uniform(0.8, 1.2, SCENARIOS)},
    )


@pytest.mark.parametrize(("seed", "kinds"), CASES)
def test_scenarios_are_revaluations_and_nets_are_their_sums(seed: int, kinds: tuple[SpecialKind, ...]) -> None:
    rng = np.random.default_rng(200 + seed)
    market, flows = _market(np.random.default_rng(100 + seed)), _flows(seed, kinds=kinds)
    compiled, scenarios, tolerance = _compiled(flows), _scenarios(market, rng), 1e-10 * _gross(flows)
    vectors = present_values(compiled, market=market, scenarios=scenarios)
    for scenario in (0, 63, 66):
        bump = {name: shift[:, scenario] for name, shift in scenarios.shifts.items()}
        expected = Plain(market, bump, fx=float(scenarios.fx_factors["USD"][scenario])).rows(flows)
        np.testing.assert_allclose(vectors[:, scenario], expected, rtol=0, atol=tolerance)
    grid, cells = LadderGrid(market=market, scenarios=scenarios), rng.integers(-1, 3, compiled.row_count).astype(np.int32)
    netted = net_flows(compiled, grid=grid, cell_of_row=cells, skip_failing=True)
    assert (netted.status == RowStatus.OK).all()
    found = value_ladders(netted.ladders, grid=grid, cell_count=3)
    today = value_cashflows(compiled, market=market).values[Measure.PV_BASE]
    for cell in range(3):
        np.testing.assert_allclose(found.pv_base[cell], today[cells == cell].sum(), rtol=0, atol=1e-8)
        pnl = (vectors - today[:, None])[cells == cell].sum(axis=0)
        np.testing.assert_allclose(found.pnl[cell], pnl, rtol=0, atol=tolerance)


def test_merging_in_any_order_and_through_bytes_gives_the_same_bits() -> None:
    rng = np.random.default_rng(5)
    market = _market(rng)
    grid = LadderGrid(market=market, scenarios=_scenarios(market, rng))
    parts = []
    for seed in range(4):
        compiled = _compiled(_flows(seed % 3))  # the last has the nodes of the first
        cells = rng.integers(0, 3, compiled.row_count).astype(np.int32)
        parts.append(net_flows(compiled, grid=grid, cell_of_row=cells, skip_failing=True).ladders)
    together = merge_ladders(parts)
    pairs = [merge_ladders(parts[2:][::-1]), Ladders.from_bytes(merge_ladders(parts[:2]).to_bytes())]
    for other in (merge_ladders(parts[::-1]), merge_ladders(pairs)):
        assert list(other.ladders) == list(together.ladders)
        assert other.to_bytes() == together.to_bytes()
    found, paired = (value_ladders(each, grid=grid, cell_count=3) for each in (together, merge_ladders(pairs)))
    np.testing.assert_array_equal(found.pnl, paired.pnl)
    assert np.abs(found.pnl).min(axis=1).max() > 0.0


def test_steps_of_a_pnl_explanation_add_up_and_rates_are_apart_from_credit() -> None:
    rng = np.random.default_rng(4)
    market, flows = _market(np.random.default_rng(104)), _flows(4, rows=16)
    moves = {curve.name: rng.normal(0.0, 0.003, curve.zero_rates.size) for curve in market.curves}
    later = replace(market, curves=tuple(replace(c, zero_rates=c.zero_rates + moves[c.name]) for c in market.curves))
    lowered, compiled = _lowered(flows), _compiled(flows)
    found = explain_pnl(compiled, compiled, known_t1=lowered, market_t0=market, market_t1=later)
    today, tolerance = Plain(market).rows(flows), 1e-10 * _gross(flows)
    of_rates = (*market.of_kind(CurveKind.RATE), *market.of_kind(CurveKind.INFLATION))
    rates = Plain(market, {curve.name: moves[curve.name] for curve in of_rates}).rows(flows)
    np.testing.assert_allclose(found.pv_t0, today, rtol=0, atol=tolerance)
    np.testing.assert_allclose(found.pv_t1, Plain(later).rows(flows), rtol=0, atol=tolerance)
    np.testing.assert_allclose(found.rates, rates - today, rtol=0, atol=tolerance)
    np.testing.assert_allclose(found.credit, Plain(market, moves).rows(flows) - rates, rtol=0, atol=tolerance)
    np.testing.assert_allclose(found.residual, 0.0, atol=tolerance)
    starts = found.bucket_offsets[found.factor_offsets]
    sums = np.array([found.rates_by_pillar[a:b].sum() for a, b in pairwise(starts)])
    np.testing.assert_allclose(sums, found.rates, rtol=0, atol=tolerance)


def test_what_is_paid_on_default_is_no_cash_on_its_day() -> None:
    market = _market(np.random.default_rng(3))
    protection = Special(SpecialKind.PROTECTION, "EUR-D", "H0", 0.0, ((0, 3, 1.0, 0.0),))
    flows = [Flow(0, "EUR", 1e6, 3, (), protection), Flow(0, "EUR", 5.0, 3, (Term("EUR-D"),), None)]
    lowered, later = _lowered(flows), replace(market, as_of=AS_OF + 3)
    none = replace(lowered, as_of=AS_OF + 3, cashflows=replace(
        lowered.cashflows, flow_offsets=np.zeros(2, np.int64), pay_day=np.empty(0, np.int32), ex_day=np.empty(0, np.int32),
        amount=np.empty(0), principal=np.empty(0), flow_shape=np.empty(0, np.int32), specials=None, flow_special=None,
    ), status=np.array([RowStatus.MATURED], np.uint8))  # fmt: skip
    found = explain_pnl(
        compile_cashflows(lowered, measures=MEASURES), compile_cashflows(none, measures=MEASURES), known_t1=lowered,
        market_t0=market, market_t1=later,
    )  # fmt: skip
    assert found.cash_received.tolist() == [5.0]


def test_small_moves_keep_their_relative_accuracy_when_netted() -> None:
    market = _market(np.random.default_rng(1))
    growth = Special(SpecialKind.RFR_PRODUCT, "EUR-F", None, 1.0, tuple((day, day + 1, 1.0, 1e-4) for day in range(30, 60)))
    compiled = _compiled([Flow(0, "EUR", 1e6, 90, (Term("EUR-D"),), growth)])
    size = market.curves[market.curve_index["EUR-F"]].zero_rates.size

    def pnl(shift: float) -> float:
        grid = LadderGrid(market=market, scenarios=Scenarios(1, shifts={"EUR-F": np.full((size, 1), shift)}))
        netted = net_flows(compiled, grid=grid, cell_of_row=np.zeros(1, np.int32), skip_failing=True)
        return float(value_ladders(netted.ladders, grid=grid, cell_count=1).pnl[0, 0])

    assert pnl(1e-12) != 0.0
    assert pnl(2e-12) == pytest.approx(2.0 * pnl(1e-12), rel=1e-10)


def test_ratio_at_its_floor_moves_once_it_is_above() -> None:
    market = _market(np.random.default_rng(1))
    special = Special(SpecialKind.INDEX_RATIO, "I", None, 1.0, ((NO_DATE, 365, 1.0, 1.0),))
    level = Plain(market).special(special)
    floored = replace(special, entries=((NO_DATE, 365, 1.0, level / 0.9999),))
    compiled = _compiled([Flow(0, "EUR", 1.0, 400, (), floored)])
    shifts = {"I": np.full((4, 3), [-0.01, 0.00005, 0.01])}
    found = present_values(compiled, market=market, scenarios=Scenarios(3, shifts=shifts))[0]
    assert found[:2].tolist() == [1.0, 1.0]
    assert found[2] == pytest.approx(0.9999 * math.exp(0.01 * (_month(365) - _month(-80)) / 12), rel=1e-13)
    values = value_cashflows(compiled, market=market)
    assert values.values[Measure.PV].tolist() == [1.0]
    assert values.values[Measure.DV01].tolist() == [0.0]


@pytest.mark.parametrize("kind", [SpecialKind.RFR_PRODUCT, SpecialKind.PROTECTION])
def test_scenario_that_a_float_cannot_hold_fails_the_nodes_that_it_moves(kind: SpecialKind) -> None:
    market = _market(np.random.default_rng(11))
    curve = "EUR-F" if kind in ON_RATES else "H0"
    special = Special(kind, "EUR-F" if kind in ON_RATES else "EUR-D", None if kind in ON_RATES else "H0", float(kind in ON_RATES),
                      ((100, 2000, 1.0, 0.0),))  # fmt: skip
    compiled = _compiled([Flow(0, "EUR", 1e6, 2000, () if kind in ON_DEFAULT else (Term("EUR-D"),), special)])
    shift = np.zeros((market.curves[market.curve_index[curve]].zero_rates.size, 3))
    shift[:, 1] = 1e4 if kind in ON_RATES else -1e4
    grid = LadderGrid(market=market, scenarios=Scenarios(3, shifts={curve: shift}))
    found, scenarios = failing_nodes(compiled, grid=grid)
    assert found.tolist() == [0]
    assert scenarios.tolist() == [[False, True, False]]
    netted = net_flows(compiled, grid=grid, cell_of_row=np.zeros(1, np.int32), skip_failing=False)
    assert np.isnan(value_ladders(netted.ladders, grid=grid, cell_count=1).pnl[0]).tolist() == [False, True, False]
    refused = net_flows(compiled, grid=grid, cell_of_row=np.zeros(1, np.int32), skip_failing=True)
    assert refused.status.tolist() == [RowStatus.NOT_FINITE]


def test_equal_factors_are_one_node_and_plain_growth_telescopes() -> None:
    daily = Special(SpecialKind.RFR_PRODUCT, "EUR-F", None, 1.0, tuple((day, day + 1, 1.0, 0.0) for day in range(30, 120)))
    at_once = Special(SpecialKind.RFR_PRODUCT, "EUR-F", None, 1.0, ((30, 120, 1.0, 0.0),))
    other = Special(SpecialKind.ARITHMETIC_AVERAGE, "EUR-F", None, 1.0, ((30, 120, 1.0, 0.0),))
    flows = [Flow(row, "EUR", 1.0, 130, (Term("EUR-D"),), each) for row, each in enumerate((daily, at_once, daily, other, None))]
    compiled = _compiled(flows)
    assert len(set(compiled.flow_node.tolist())) == 3
    assert compiled.specials is not None
    assert np.diff(compiled.specials.specials.factors.offsets).tolist() == [1, 1]


@pytest.mark.parametrize(
    ("rate", "hazard", "terms", "status"),
    [
        ("EUR-D", "H0", (), RowStatus.OK),
        ("USD-D", "H0", (), RowStatus.CURVE_CURRENCY_MISMATCH),
        ("EUR-D", "H0", (Term("EUR-D"),), RowStatus.CURVE_CURRENCY_MISMATCH),  # discounted twice
        ("EUR-D", "MARS", (), RowStatus.MISSING_CURVE),
        ("MARS", "H0", (), RowStatus.MISSING_CURVE),
        ("EUR-LINEAR", "H0", (), RowStatus.CURVE_INTERPOLATION),
        ("EUR-D", "H-LINEAR", (), RowStatus.CURVE_INTERPOLATION),
        ("USD-F", None, (Term("EUR-D"),), RowStatus.OK),
        ("MARS", None, (Term("EUR-D"),), RowStatus.MISSING_CURVE),
        ("EUR-LINEAR", None, (Term("EUR-D"),), RowStatus.OK),
    ],
)
def test_row_whose_factor_cannot_be_evaluated_has_a_status_and_its_neighbour_a_value(
    rate: str, hazard: str | None, terms: tuple[Term, ...], status: RowStatus
) -> None:
    market = _market(np.random.default_rng(1))
    linear = [
        replace(market.curves[market.curve_index[name]], name=other, interpolation="LINEAR_ZERO", pillar_labels=("30D", "365D"),
                pillar_days=PILLARS[[0, 2]], zero_rates=np.array([0.01, 0.02]))
        for name, other in (("EUR-D", "EUR-LINEAR"), ("H0", "H-LINEAR"))
    ]  # fmt: skip
    market = replace(market, curves=(*market.curves, *linear))
    kind = SpecialKind.RFR_PRODUCT if hazard is None else SpecialKind.PROTECTION
    good = Special(SpecialKind.PROTECTION, "EUR-D", "H1", 0.0, ((0, 300, 1.0, 0.0),))
    flows = [
        Flow(0, "EUR", 1e6, 300, terms, Special(kind, rate, hazard, float(hazard is None), ((0, 300, 1.0, 0.0),))),
        Flow(1, "EUR", 1e6, 300, (), good),
    ]
    compiled = _compiled(flows)
    found = value_cashflows(compiled, market=market)
    assert found.status.tolist() == [status, RowStatus.OK]
    assert found.values[Measure.PV][1] > 0.0
    shift = {"EUR-D": np.full((market.curves[market.curve_index["EUR-D"]].zero_rates.size, 1), 0.01)}
    vectors = present_values(compiled, market=market, scenarios=Scenarios(1, shifts=shift))
    assert np.isnan(vectors[:, 0]).tolist() == [status != RowStatus.OK, False]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hazard_curve": Text.of([None])}, "needs a rate curve and a hazard curve"),
        ({"weight": np.ones(2)}, "have the wrong length"),
        ({"end_day": np.array([AS_OF - 1], np.int32)}, "ends before it starts"),
    ],
)
def test_table_of_factors_that_contradicts_itself_is_refused(change: dict[str, Any], message: str) -> None:
    flow = Flow(0, "EUR", 1e6, 300, (), Special(SpecialKind.PROTECTION, "EUR-D", "H1", 0.0, ((0, 300, 1.0, 0.0),)))
    lowered = _lowered([flow])
    assert lowered.cashflows.specials is not None
    specials = replace(lowered.cashflows.specials, **change)
    with pytest.raises(ValueError, match=message):
        compile_cashflows(replace(lowered, cashflows=replace(lowered.cashflows, specials=specials)), measures=MEASURES)


def test_changes_of_factors_do_not_depend_on_the_order_that_they_are_asked_for() -> None:
    rng = np.random.default_rng(8)
    market, compiled = _market(rng), _compiled(_flows(8, rows=20))
    assert compiled.specials is not None
    values = SpecialValues(compiled.specials.specials, market=market)
    shifts = np.vstack([rng.normal(0.0, 0.01, (int(market.tables.offsets[-1]), 5)), np.zeros((1, 5))])
    every = np.arange(compiled.specials.specials.count, dtype=np.int32)
    chosen = rng.choice(every, 2 * every.size).astype(np.int32)
    in_order = SpecialChanges(values, every).under(shifts)
    np.testing.assert_array_equal(SpecialChanges(values, chosen).under(shifts), in_order[chosen])
    np.testing.assert_array_equal(SpecialChanges(values, chosen).under(shifts, 2, 4), in_order[chosen, 2:4])
