"""Nodes of any number of points, signs and kinds of curve, against plain numpy exponentials of interpolated zero rates."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from pricers import (
    OWN,
    Cashflows,
    Curve,
    CurveKind,
    InflationBase,
    Lowered,
    Market,
    Measure,
    RowStatus,
    Scenarios,
    Shape,
    Term,
    Text,
    factors_of,
    present_values,
    value_cashflows,
)
from pricers.core.compiled import Compiled, compile_cashflows
from pricers.core.shapes import canonical
from pricers.value.netting import LadderGrid, Ladders, NodeSums, failing_nodes, merge_ladders, net_flows, value_ladders
from pricers.value.pnl_attribution import explain_pnl

AS_OF = 20_000
BP = 1e-4
PILLARS = np.array([30, 91, 365, 730, 1826, 3652], np.int32)
KINDS = (CurveKind.RATE, CurveKind.SPREAD, CurveKind.HAZARD, CurveKind.INFLATION)
MEASURES = frozenset({Measure.PV, Measure.PV_BASE, Measure.DV01, Measure.CS01, Measure.THETA_1D, Measure.FX_DELTA, Measure.KEY_RATE_DV01})
SCENARIOS = 70


def _curve(name: str, kind: CurveKind, currency: str, rng: np.random.Generator) -> Curve:
    days = PILLARS[: rng.integers(1, PILLARS.size + 1)]
    interpolation = "LINEAR_ZERO" if rng.random() < 0.5 else "LOG_LINEAR_DISCOUNT"
    base = None
    if kind is CurveKind.INFLATION:
        factors = rng.uniform(0.99, 1.01, 12)
        base = InflationBase("INDEX", -61, rng.uniform(0.8, 1.25), tuple((factors / factors.prod() ** (1 / 12)).tolist()))
    labels = tuple(f"{d}D" for d in days)
    return Curve(name, kind, currency, interpolation, labels, days, rng.uniform(-0.01, 0.05, days.size), base)  # type: ignore[arg-type]


def _market(rng: np.random.Generator, *, as_of: int = AS_OF) -> Market:
    curves = [
        *(_curve(f"{currency}-{name}", CurveKind.RATE, currency, rng) for currency in ("EUR", "USD") for name in ("D", "F", "G")),
        *(_curve(f"S{n}", CurveKind.SPREAD, "", rng) for n in range(2)),
        *(_curve(f"H{n}", CurveKind.HAZARD, "", rng) for n in range(2)),
        _curve("I", CurveKind.INFLATION, "", rng),
    ]
    return Market(as_of, "EUR", tuple(curves), {"EUR": 1.0, "USD": 0.9})


def _shape(rng: np.random.Generator, currency: str, own: int) -> Shape:
    """Signs on rate curves that add up to 1 for the currency (or 0), and to 0 for the other one; anything else at will."""

    def lag() -> int:
        return int(rng.choice([-40, 0, 0, 1, 30, 90, 181, 700]))

    terms = [Term(f"{currency}-D", lag())] if rng.random() < 0.9 else []
    for each in ("EUR", "USD"):
        for _ in range(rng.integers(0, 3)):
            terms += [Term(f"{each}-{rng.choice(['D', 'F', 'G'])}", lag(), 1), Term(f"{each}-{rng.choice(['D', 'F', 'G'])}", lag(), -1)]
    for kind, names in ((CurveKind.SPREAD, ("S0", "S1")), (CurveKind.HAZARD, ("H0", "H1")), (CurveKind.INFLATION, ("I",))):
        for _ in range(rng.integers(0, 2)):
            terms.append(Term(str(rng.choice(names)), max(lag(), 0), int(rng.choice([1, -1, 2])), kind))
    if own:
        terms += [Term(OWN, lag(), 1)] * own
    shape = tuple(terms[i] for i in rng.permutation(len(terms)))
    return shape if canonical(shape)[1] == 0 else _shape(rng, currency, own)  # the latest point on the anchor, which is not in the past


@dataclass(frozen=True)
class Book:
    lowered: Lowered
    compiled: Compiled
    leg_row: np.ndarray
    flow_leg: np.ndarray


def _book(seed: int, *, rows: int = 12, only: Shape | None = None) -> Book:
    rng = np.random.default_rng(seed)
    shapes: list[Shape] = []
    leg_counts = rng.integers(1, 4, rows)
    legs = int(leg_counts.sum())
    currency = [str(rng.choice(["EUR", "USD"])) if only is None else "EUR" for _ in range(legs)]
    own, leg_shape = rng.integers(0, 3, legs), np.empty(legs, np.int32)
    flow_counts, flow_shape = rng.integers(0, 9, legs), []
    for leg in range(legs):
        mine = [only if only is not None else _shape(rng, currency[leg], int(own[leg])) for _ in range(rng.integers(1, 4))]
        leg_shape[leg] = len(shapes) if rng.random() < 0.7 else -1
        flow_shape.append(len(shapes) + rng.integers(0, len(mine), flow_counts[leg]))
        shapes += mine
    count = int(flow_counts.sum())
    anchor = (AS_OF + rng.choice([1, 2, 29, 30, 31, 200, 365, 366, 1000, 3652, 3653, 6000], count)).astype(np.int32)
    amount = rng.normal(0.0, 1e6, count)
    flows = Cashflows(
        row_count=rows, leg_offsets=np.concatenate([[0], np.cumsum(leg_counts)]), leg_currency=Text.of(list(currency)),
        leg_credit_spread=np.where(rng.random(legs) < 0.5, 0.0, rng.uniform(-0.01, 0.05, legs)),
        flow_offsets=np.concatenate([[0], np.cumsum(flow_counts)]), shapes=tuple(shapes), leg_shape=leg_shape,
        pay_day=anchor, ex_day=anchor, amount=amount, principal=np.zeros(count),
        flow_shape=np.concatenate(flow_shape).astype(np.int32), anchor_day=anchor,
    )  # fmt: skip
    status = np.full(rows, RowStatus.OK, np.uint8)
    lowered = Lowered(AS_OF, status, Text.of(["EUR"] * rows), flows, None)
    return Book(
        lowered,
        compile_cashflows(lowered, measures=MEASURES),
        np.repeat(np.arange(rows), leg_counts),
        np.repeat(np.arange(legs), flow_counts),
    )


def _month(day: int) -> int:
    """Months since 1970-01 of a day after the valuation date."""
    return int(np.datetime64(AS_OF + day, "D").astype("datetime64[M]").astype(int))


def _zero_rate_time(curve: Curve, day: float, zero_rates: np.ndarray) -> float:
    """Zero rate × time by interpolating, independently of the library; of INFLATION in months from the base month."""
    days, per_year = curve.pillar_days.astype(float), 365.0
    if curve.base is not None:
        base, per_year = curve.base.day, 12.0
        days, day = np.array([float(_month(base + int(d)) - _month(base)) for d in days]), _month(int(day)) - _month(base)
    if curve.interpolation == "LINEAR_ZERO" or days.size == 1:
        return float(np.interp(day, days, zero_rates)) * day / per_year
    exponents = np.append(0.0, zero_rates * days / per_year)
    knots = np.append(0.0, days)
    if day <= days[0]:
        return float(zero_rates[0]) * day / per_year
    if day > days[-1]:
        slope = (exponents[-1] - exponents[-2]) / (knots[-1] - knots[-2])
        return float(exponents[-1] + slope * (day - knots[-1]))
    return float(np.interp(day, knots, exponents))


Bump = dict[str, np.ndarray]


def _exponent(term: Term, anchor: int, market: Market, *, bump: Bump, days_on: int) -> float:
    """Of one term on a day `days_on` after the valuation date, zero rates by time to maturity."""
    day = anchor - term.lag - AS_OF
    curve = market.curves[market.curve_index[term.curve]]
    rates = curve.zero_rates + bump.get(term.curve, np.zeros(curve.zero_rates.size))
    if term.kind is CurveKind.INFLATION:
        assert curve.base is not None
        seasonal = curve.base.seasonality[_month(day) % 12] / curve.base.seasonality[_month(curve.base.day) % 12]
        return _zero_rate_time(curve, day, rates) + np.log(curve.base.level * seasonal)
    if day < 0 and term.kind is CurveKind.RATE:  # a running overnight accrual
        return -_zero_rate_time(curve, days_on, rates)
    return _zero_rate_time(curve, max(day - days_on, 0), rates)


def _values(book: Book, market: Market, *, bump: Bump | None = None, own: float = 0.0, days_on: int = 0, fx: float = 1.0) -> np.ndarray:
    """Base-currency value of each row, by plain exponentials; `own` is added to every contract's credit spread where OWN is."""
    flows, rows = book.lowered.cashflows, np.zeros(book.lowered.cashflows.row_count)
    assert flows.flow_shape is not None
    assert flows.anchor_day is not None
    for flow in range(flows.amount.size):
        leg = book.flow_leg[flow]
        exponent = 0.0
        for term in flows.shapes[int(flows.flow_shape[flow])]:
            day = int(flows.anchor_day[flow]) - term.lag - AS_OF
            if term.curve == OWN:
                exponent += term.sign * (flows.leg_credit_spread[leg] * (day - days_on) + own * day) / 365.0
            else:
                exponent += term.sign * _exponent(term, int(flows.anchor_day[flow]), market, bump=bump or {}, days_on=days_on)
        price = 1.0 if flows.leg_currency[int(leg)] == "EUR" else market.fx_to_base["USD"] * fx
        rows[book.leg_row[leg]] += flows.amount[flow] * np.exp(-exponent) * price
    return rows


def _gross(book: Book) -> float:
    return float(np.abs(book.lowered.cashflows.amount).sum())


def _bumps(market: Market, kinds: Sequence[CurveKind]) -> Bump:
    return {curve.name: np.full(curve.zero_rates.size, BP) for curve in market.curves if curve.kind in kinds}


SEEDS = range(6)


@pytest.mark.parametrize("seed", SEEDS)
def test_value_and_parallel_bumps_and_theta_are_those_of_plain_exponentials(seed: int) -> None:
    market, book = _market(np.random.default_rng(100 + seed)), _book(seed)
    found, today, tolerance = value_cashflows(book.compiled, market=market), _values(book, market), 1e-12 * _gross(book)
    assert (found.status == RowStatus.OK).all()
    np.testing.assert_allclose(found.values[Measure.PV_BASE], today, rtol=0, atol=tolerance)
    parallel = _values(book, market, bump=_bumps(market, (CurveKind.RATE,))) - today
    np.testing.assert_allclose(found.values[Measure.DV01], parallel, rtol=0, atol=tolerance)
    credit = _values(book, market, bump=_bumps(market, (CurveKind.HAZARD,)), own=BP) - today
    np.testing.assert_allclose(found.values[Measure.CS01], credit, rtol=0, atol=tolerance)
    assert not np.allclose(credit, parallel)
    np.testing.assert_allclose(found.values[Measure.THETA_1D], _values(book, market, days_on=1) - today, rtol=0, atol=tolerance)
    np.testing.assert_allclose(found.values[Measure.FX_DELTA], _values(book, market, fx=1.01) - today, rtol=0, atol=tolerance)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_pillar_of_every_curve_is_a_bump(seed: int) -> None:
    market, book = _market(np.random.default_rng(100 + seed)), _book(seed)
    found, today, tolerance = value_cashflows(book.compiled, market=market), _values(book, market), 1e-12 * _gross(book)
    factors = factors_of(market)
    ladders: dict[tuple[int, str], np.ndarray] = {}
    for row in range(found.status.size):
        numbers = found.factor_nos[found.factor_offsets[row] : found.factor_offsets[row + 1]]
        assert (np.diff(numbers) > 0).all()
        for entry, number in enumerate(numbers.tolist(), int(found.factor_offsets[row])):
            ladders[row, factors[number].name] = found.sensitivities[found.bucket_offsets[entry] : found.bucket_offsets[entry + 1]]
    for curve in market.curves:
        for pillar in range(curve.zero_rates.size):
            bump = np.zeros(curve.zero_rates.size)
            bump[pillar] = BP
            expected = _values(book, market, bump={curve.name: bump}) - today
            for row, change in enumerate(expected.tolist()):
                ladder = ladders.get((row, curve.name))
                assert (0.0 if ladder is None else ladder[pillar]) == pytest.approx(change, abs=tolerance)
    for row, change in enumerate((_values(book, market, fx=1.01) - today).tolist()):
        assert ladders.get((row, "USD"), np.zeros(1))[0] == pytest.approx(change, abs=tolerance)


def _scenarios(market: Market, rng: np.random.Generator, *, size: float = 0.01) -> Scenarios:
    return Scenarios(
        SCENARIOS,
        shifts={curve.name: rng.normal(0.0, size, (curve.zero_rates.size, SCENARIOS)) for curve in market.curves if rng.random() < 0.8},
        credit_spread_shift=rng.normal(0.0, size, SCENARIOS),
        fx_factors={"USD": rng.uniform(0.8, 1.2, SCENARIOS)},
    )


def _under(book: Book, market: Market, scenarios: Scenarios, scenario: int) -> np.ndarray:
    credit, fx = scenarios.credit_spread_shift, scenarios.fx_factors["USD"]
    assert credit is not None
    bump = {name: shift[:, scenario] for name, shift in scenarios.shifts.items()}
    return _values(book, market, bump=bump, own=float(credit[scenario]), fx=float(fx[scenario]))


@pytest.mark.parametrize("seed", SEEDS)
def test_scenarios_are_revaluations_and_nets_are_their_sums(seed: int) -> None:
    rng = np.random.default_rng(200 + seed)
    market, book = _market(np.random.default_rng(100 + seed)), _book(seed)
    scenarios, tolerance = _scenarios(market, rng), 1e-10 * _gross(book)
    vectors = present_values(book.compiled, market=market, scenarios=scenarios)
    chosen = [0, 1, 63, 64, 69]
    for scenario in chosen:
        np.testing.assert_allclose(vectors[:, scenario], _under(book, market, scenarios, scenario), rtol=0, atol=tolerance)
    grid, cells = LadderGrid(market=market, scenarios=scenarios), rng.integers(-1, 3, book.compiled.row_count).astype(np.int32)
    netted = net_flows(book.compiled, grid=grid, cell_of_row=cells, skip_failing=True)
    assert (netted.status == RowStatus.OK).all()
    assert any(isinstance(ladder, NodeSums) for ladder in netted.ladders.ladders.values())
    found = value_ladders(netted.ladders, grid=grid, cell_count=3)
    today = value_cashflows(book.compiled, market=market).values[Measure.PV_BASE]
    for cell in range(3):
        np.testing.assert_allclose(found.pv_base[cell], today[cells == cell].sum(), rtol=0, atol=1e-8)
        pnl = (vectors - today[:, None])[cells == cell].sum(axis=0)
        np.testing.assert_allclose(found.pnl[cell], pnl, rtol=0, atol=tolerance)


def test_small_moves_keep_their_relative_accuracy_when_netted() -> None:
    market = _market(np.random.default_rng(1))
    book = _book(7, only=(Term("EUR-D"), Term("EUR-F", 90), Term("EUR-F", 0, -1)))
    shift = {"EUR-F": np.full((market.curves[market.curve_index["EUR-F"]].zero_rates.size, 1), 1e-9)}
    grid = LadderGrid(market=market, scenarios=Scenarios(1, shifts=shift))
    cells = np.zeros(book.compiled.row_count, np.int32)
    netted = net_flows(book.compiled, grid=grid, cell_of_row=cells, skip_failing=True)
    found = value_ladders(netted.ladders, grid=grid, cell_count=1)
    assert found.pnl[0, 0] != 0.0
    twice = LadderGrid(market=grid.market, scenarios=Scenarios(1, shifts={"EUR-F": 2.0 * shift["EUR-F"]}))
    assert value_ladders(netted.ladders, grid=twice, cell_count=1).pnl[0, 0] == pytest.approx(2.0 * found.pnl[0, 0], rel=1e-7)


def _equal(left: Ladders, right: Ladders) -> bool:
    return list(left.ladders) == list(right.ladders) and all(
        np.array_equal(a, b) for key in left.ladders for a, b in zip(left.ladders[key].arrays(), right.ladders[key].arrays(), strict=True)
    )


def test_merging_in_any_order_and_through_bytes_gives_the_same_bits() -> None:
    rng = np.random.default_rng(5)
    market = _market(rng)
    scenarios = _scenarios(market, rng)
    grid = LadderGrid(market=market, scenarios=scenarios)
    books = [_book(seed) for seed in range(5)]
    cells = [rng.integers(0, 4, book.compiled.row_count).astype(np.int32) for book in books]
    parts = [
        net_flows(book.compiled, grid=grid, cell_of_row=cell, skip_failing=True).ladders for book, cell in zip(books, cells, strict=True)
    ]
    together = merge_ladders(parts)
    pairs = [merge_ladders(parts[3:][::-1]), Ladders.from_bytes(merge_ladders(parts[:3]).to_bytes())]
    assert _equal(together, merge_ladders(parts[::-1]))
    assert _equal(together, merge_ladders(pairs))
    found, other = (value_ladders(each, grid=grid, cell_count=4) for each in (together, merge_ladders(pairs)))
    np.testing.assert_array_equal(found.pnl, other.pnl)


def test_scenario_that_a_float_cannot_hold_fails_the_nodes_that_it_moves_and_no_others() -> None:
    market = _market(np.random.default_rng(11))
    shape = (Term("EUR-D"), Term("EUR-F", 90), Term("EUR-F", 0, -1))
    book = _book(3, only=shape)
    pillars = market.curves[market.curve_index["EUR-F"]].zero_rates.size
    shift = np.zeros((pillars, 3))
    shift[:, 1] = -1e4
    grid = LadderGrid(market=market, scenarios=Scenarios(3, shifts={"EUR-F": shift}))
    kind, scenarios = failing_nodes(book.compiled, grid=grid)
    assert (kind >= 0).any()
    assert scenarios.any(axis=0).tolist() == [False, True, False]
    cells = np.zeros(book.compiled.row_count, np.int32)
    netted = net_flows(book.compiled, grid=grid, cell_of_row=cells, skip_failing=False)
    found = value_ladders(netted.ladders, grid=grid, cell_count=1)
    assert np.isnan(found.pnl[0]).tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("shape", "status"),
    [
        ((Term("USD-D"),), RowStatus.CURVE_CURRENCY_MISMATCH),
        ((Term("EUR-D"), Term("EUR-F", 30)), RowStatus.CURVE_CURRENCY_MISMATCH),
        ((Term("EUR-D"), Term("USD-F", 30), Term("USD-G", 0, -1)), RowStatus.OK),
        ((Term("EUR-D"), Term("USD-F", 30)), RowStatus.CURVE_CURRENCY_MISMATCH),
        ((Term("EUR-F", 30), Term("EUR-F", 0, -1)), RowStatus.OK),
        ((Term("EUR-F", 30), Term("EUR-F", 30, -1)), RowStatus.OK),
        ((Term("S0"),), RowStatus.MISSING_CURVE),
        ((Term("EUR-D"), Term("EUR-F", kind=CurveKind.SPREAD)), RowStatus.MISSING_SPREAD_CURVE),
        ((Term("EUR-D"), Term("MARS", kind=CurveKind.HAZARD)), RowStatus.MISSING_CURVE),
    ],
)
def test_node_that_is_no_amount_of_its_leg_s_currency_or_names_no_such_curve_is_refused(shape: Shape, status: RowStatus) -> None:
    market = _market(np.random.default_rng(1))
    flows = Cashflows(
        row_count=1, leg_offsets=np.array([0, 1]), leg_currency=Text.of(["EUR"]), leg_credit_spread=np.zeros(1),
        flow_offsets=np.array([0, 1]), shapes=(shape,), leg_shape=np.zeros(1, np.int32), pay_day=np.array([AS_OF + 100], np.int32),
        ex_day=np.array([AS_OF + 100], np.int32), amount=np.array([100.0]), principal=np.zeros(1),
    )  # fmt: skip
    lowered = Lowered(AS_OF, np.zeros(1, np.uint8), Text.of(["EUR"]), flows, None)
    assert value_cashflows(compile_cashflows(lowered, measures=MEASURES), market=market).status.tolist() == [status]


def test_leg_whose_flows_disagree_on_its_own_spread_is_refused() -> None:
    lowered = _book(0).lowered
    shapes = ((Term("EUR-D"),), (Term("EUR-D"), Term(OWN)))
    changes: dict[str, Any] = {"shapes": shapes, "flow_shape": np.arange(lowered.cashflows.amount.size, dtype=np.int32) % 2}
    cashflows = replace(lowered.cashflows, leg_shape=np.full(lowered.cashflows.leg_shape.size, -1, np.int32), **changes)
    with pytest.raises(ValueError, match="the same sign of its own credit spread"):
        compile_cashflows(replace(lowered, cashflows=cashflows), measures=MEASURES)


def test_shapes_that_make_the_same_nodes_are_one_however_they_are_written() -> None:
    plain = (Term("EUR-D", 0), Term("EUR-F", 91, -1))
    written = (Term("EUR-G", 5), Term("EUR-F", 96, -1), Term("EUR-G", 5, -1), Term("EUR-D", 5))
    lowered = _book(0, only=plain).lowered
    half = np.arange(lowered.cashflows.amount.size) % 2 == 1
    assert lowered.cashflows.anchor_day is not None
    changed = replace(
        lowered.cashflows, shapes=(plain, written), flow_shape=half.astype(np.int32), leg_shape=np.zeros_like(lowered.cashflows.leg_shape),
        anchor_day=np.where(half, lowered.cashflows.anchor_day + 5, lowered.cashflows.anchor_day).astype(np.int32),
    )  # fmt: skip
    alone = replace(changed, shapes=(plain,), flow_shape=np.zeros(half.size, np.int32), anchor_day=lowered.cashflows.anchor_day)
    one, other = (compile_cashflows(replace(lowered, cashflows=flows), measures=MEASURES) for flows in (alone, changed))
    np.testing.assert_array_equal(one.flow_node, other.flow_node)
    assert len(other.shapes) == 1


def test_steps_of_a_pnl_explanation_add_up_and_rates_are_apart_from_credit() -> None:
    rng = np.random.default_rng(4)
    market, book = _market(np.random.default_rng(104)), _book(4)
    moves = {curve.name: rng.normal(0.0, 0.003, curve.zero_rates.size) for curve in market.curves}
    later = replace(market, curves=tuple(replace(c, zero_rates=c.zero_rates + moves[c.name]) for c in market.curves))
    found = explain_pnl(
        book.compiled, book.compiled, known_t1=book.lowered, market_t0=market, market_t1=later,
    )  # fmt: skip
    today, tolerance = _values(book, market), 1e-10 * _gross(book)
    rate_moves = {c.name: moves[c.name] for c in market.curves if c.kind in (CurveKind.RATE, CurveKind.INFLATION)}
    rates = _values(book, market, bump=rate_moves)
    np.testing.assert_allclose(found.rates, rates - today, rtol=0, atol=tolerance)
    np.testing.assert_allclose(found.credit, _values(book, market, bump=moves) - rates, rtol=0, atol=tolerance)
    np.testing.assert_allclose(found.residual, 0.0, atol=tolerance)
    sums = np.array(
        [
            found.rates_by_pillar[a:b].sum()
            for a, b in zip(found.bucket_offsets[found.factor_offsets[:-1]], found.bucket_offsets[found.factor_offsets[1:]], strict=True)
        ]
    )
    np.testing.assert_allclose(sums, found.rates, rtol=0, atol=tolerance)
