"""Position-level valuations per core and second: the scenario kernel against QuantLib-Python on equal bonds.

    python -m benchmarks.kernel --positions 100000 --scenarios 100 --json

Bonds are compiled once, which is reported separately from valuation; QuantLib's bonds are built once too. Then every bond is valued under
every scenario of zero-rate shifts: by one call of `present_values` on one core, and in QuantLib by relinking each curve to the shifted one
and calling NPV of every bond of a sample. Both figures are the best of `REPEATS`, in one process, in processor time.

With `--product`, contracts of that product (see `benchmarks.kernel_products`) are valued in a market of three currencies, whose curves and
exchange rates all move. `ratio` is that of values under scenarios; in QuantLib the shifted curves are built before the clock starts.
`base_ratio` compares one pass that gives every measure and all ladders of each position with QuantLib's single NPV after relinking.
`max_pv_difference` is the largest difference of values, today and under scenarios, as a fraction of the notional.

`roofline` is the kernel's multiply-adds per second over those of plain numpy (`multiply` and `add` into preallocated arrays), at the better
of two sizes: that of the result, and that of the kernel's table of factors.
"""

import argparse
import json
import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import QuantLib as ql

from benchmarks import kernel_products
from benchmarks.kernel_products import PRODUCTS, ProductBenchmark
from pricers import (
    Contracts,
    Curve,
    CurveKind,
    Market,
    Measure,
    RowStatus,
    Scenarios,
    Text,
    compile_contracts,
    contracts_of,
    present_values,
    pricer,
)
from pricers.contract.columns import Ragged
from pricers.time.schedule import FREQUENCIES
from pricers.value.revaluation import TILE_SCENARIOS
from pricers.value.valuation import value_cashflows
from tests.oracles import quantlib_terms as terms
from tests.oracles.accuracy_bonds import quantlib_bond
from tests.oracles.quantlib_market import QuantlibMarket

AS_OF: Final = int(np.datetime64("2026-03-16", "D").astype(np.int64))
CURVES: Final = 8
PILLARS: Final = np.array([91, 182, 365, 730, 1095, 1826, 2557, 3652, 5479, 7305, 10957, 18262], np.int32)
QUANTLIB_POSITIONS_MAX: Final = 1_000  # QuantLib computes about 100,000 NPVs a second, so that more positions would only take longer
QUANTLIB_SCENARIOS_MAX: Final = 100
PRODUCT_SAMPLE: Final = 300
PRODUCT_SCENARIOS: Final = 20
REPEATS: Final = 3
TERMS: Final[dict[str, Any]] = {
    "currency": "EUR", "notional": 1.0, "coupon_rate": 0.0, "issue_date": AS_OF, "maturity_date": AS_OF, "day_count": "ACT/365F",
    "frequency": "SEMIANNUAL", "roll_rule": "BACKWARD", "end_of_month": False, "calendar": "TARGET", "accrual_convention": "UNADJUSTED",
    "payment_convention": "FOLLOWING", "payment_lag": 0, "ex_coupon_days": 0, "ex_coupon_calendar": "NONE", "settlement_lag": 2,
    "settlement_calendar": "TARGET", "redemption": 100.0, "discount_curve": "CURVE-0", "spread_curve": None, "credit_spread": 0.0,
}  # fmt: skip
"""Constant terms that `quantlib_bond` reads; the other terms are drawn at random for each bond."""


def random_bonds(count: int, *, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Random terms of bonds with about 30 remaining coupons each, on eight curves."""
    return {
        "notional": rng.uniform(1e5, 1e7, count),
        "coupon_rate": rng.uniform(0.01, 0.07, count),
        "issue_date": (AS_OF - rng.integers(1, 2_000, count)).astype(np.int32),
        "maturity_date": (AS_OF + rng.integers(300, 9_700, count)).astype(np.int32),
        "frequency": rng.choice(["ANNUAL", "SEMIANNUAL", "QUARTERLY"], count),
        "discount_curve": np.sort(rng.integers(0, CURVES, count)),
    }


def as_contracts(drawn: dict[str, np.ndarray]) -> Contracts:
    """The bonds as contract columns."""
    columns = pricer("FIXED_BOND").columns
    count = drawn["notional"].size
    constant = contracts_of(columns, [TERMS])
    data: dict[str, Any] = {}
    for column in columns:
        one = constant.data[column.name]
        if isinstance(one, Text):
            data[column.name] = Text(np.repeat(one.codes, count), one.names)
        elif isinstance(one, Ragged):
            data[column.name] = Ragged(np.zeros(count + 1, np.int64), one.values)
        else:
            data[column.name] = np.repeat(one, count)
    data.update({name: drawn[name] for name in ("notional", "coupon_rate", "issue_date", "maturity_date")})
    data["frequency"] = np.array([FREQUENCIES.index(name) for name in drawn["frequency"]], np.int8)
    data["discount_curve"] = Text(drawn["discount_curve"].astype(np.int32), tuple(f"CURVE-{i}" for i in range(CURVES)))
    return Contracts(count, data)


def as_terms(drawn: dict[str, np.ndarray], row: int) -> dict[str, Any]:
    """One of the bonds as `quantlib_bond` reads it."""
    differing = {name: values[row].item() for name, values in drawn.items()}
    return {**TERMS, **differing, "discount_curve": f"CURVE-{differing['discount_curve']}"}


def random_market(rng: np.random.Generator) -> Market:
    labels = tuple(f"{day}D" for day in PILLARS)
    rates = 0.02 + 0.002 * np.arange(CURVES)[:, None] + np.cumsum(rng.normal(0.0, 0.001, (CURVES, PILLARS.size)), axis=1)
    curves = tuple(Curve(f"CURVE-{i}", CurveKind.RATE, "EUR", "LINEAR_ZERO", labels, PILLARS, rates[i]) for i in range(CURVES))
    return Market(AS_OF, "EUR", curves, {"EUR": 1.0})


def best_seconds(work: Callable[[], Any]) -> float:
    """Seconds of processor time, which on one core of an idle machine equal wall time."""
    seconds = []
    for _ in range(REPEATS):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return min(seconds)


def quantlib_values(drawn: dict[str, np.ndarray], market: Market, scenarios: Scenarios, *, rows: np.ndarray) -> tuple[np.ndarray, float]:
    """QuantLib's [row, scenario] values of some of the bonds, and their seconds without the construction of the bonds."""
    ql.Settings.instance().evaluationDate = terms.date_of(AS_OF)
    handles = [ql.RelinkableYieldTermStructureHandle() for _ in market.curves]
    engines = [ql.DiscountingBondEngine(handle) for handle in handles]
    bonds = []
    for row in rows.tolist():
        bond = quantlib_bond(as_terms(drawn, row))
        bond.setPricingEngine(engines[int(drawn["discount_curve"][row])])
        bonds.append(bond)
    count = min(scenarios.count, QUANTLIB_SCENARIOS_MAX)
    values = np.empty((len(bonds), count))

    def value_all() -> None:
        for scenario in range(count):
            for handle, curve in zip(handles, market.curves, strict=True):
                moved = Curve(
                    curve.name, curve.kind, curve.currency, curve.interpolation, curve.pillar_labels, curve.pillar_days,
                    curve.zero_rates + scenarios.shifts[curve.name][:, scenario],
                )  # fmt: skip
                handle.linkTo(terms.term_structure(moved, as_of=AS_OF))
            values[:, scenario] = [bond.NPV() for bond in bonds]

    return values, best_seconds(value_all)


def numpy_multiply_adds_per_second(sizes: tuple[int, ...]) -> float:
    """Multiply-adds per second of `x * f + sum` in numpy, at the best of these array sizes."""
    rates = []
    for size in sizes:
        x, f, total, product = (np.full(size, 1.0 + 1e-9 * i) for i in range(4))

        def multiply_add(
            x: np.ndarray = x,
            f: np.ndarray = f,
            total: np.ndarray = total,
            product: np.ndarray = product,
            repeats: int = -(-4_000_000 // size),
        ) -> None:
            for _ in range(repeats):
                np.multiply(x, f, out=product)
                np.add(total, product, out=total)

        rates.append(size * -(-4_000_000 // size) / best_seconds(multiply_add))
    return max(rates)


def measure(positions: int, scenario_count: int, *, seed: int) -> dict[str, Any]:
    """Value the bonds with the kernel and with QuantLib."""
    rng = np.random.default_rng(seed)
    drawn, market = random_bonds(positions, rng=rng), random_market(rng)
    contracts = as_contracts(drawn)
    shifts = {curve.name: rng.normal(0.0, 0.002, (PILLARS.size, scenario_count)) for curve in market.curves}
    scenarios = Scenarios(scenario_count, shifts=shifts)
    compile_contracts("FIXED_BOND", as_contracts(random_bonds(10, rng=rng)), as_of=AS_OF)  # loads the compiled kernels
    start = time.process_time()
    compiled = compile_contracts("FIXED_BOND", contracts, as_of=AS_OF)
    compile_s = time.process_time() - start
    if not np.all(compiled.status == RowStatus.OK):
        raise RuntimeError("a bond of the benchmark has no schedule")
    out = np.empty((positions, scenario_count))
    present_values(compiled, market=market, scenarios=scenarios, out=out)
    seconds = best_seconds(lambda: present_values(compiled, market=market, scenarios=scenarios, out=out))
    rows = np.sort(rng.choice(positions, min(positions, QUANTLIB_POSITIONS_MAX), replace=False))
    expected, quantlib_seconds = quantlib_values(drawn, market, scenarios, rows=rows)
    flows = int(compiled.amount.size)
    table_size = int(np.diff(compiled.node_offsets).max()) * min(TILE_SCENARIOS, scenario_count)
    bare = numpy_multiply_adds_per_second((positions * scenario_count, table_size))
    rate, quantlib_rate = positions * scenario_count / seconds, expected.size / quantlib_seconds
    return {
        "positions": positions,
        "scenarios": scenario_count,
        "flows_per_position": round(flows / positions, 2),
        "compile_s": round(compile_s, 3),
        "value_s": round(seconds, 4),
        "valuations_per_core_second": round(rate),
        "quantlib_valuations_per_core_second": round(quantlib_rate),
        "ratio": round(rate / quantlib_rate, 1),
        "max_relative_difference": float(np.max(np.abs(out[rows, : expected.shape[1]] / expected - 1.0))),
        "multiply_adds_per_second": round(flows * scenario_count / seconds),
        "numpy_multiply_adds_per_second": round(bare),
        "roofline": round(flows * scenario_count / seconds / bare, 3),
    }


def measure_product(product: str, positions: int, scenario_count: int, *, seed: int) -> dict[str, Any]:
    """Value contracts of a product with the kernels and with QuantLib."""
    rng = np.random.default_rng(seed)
    kind, market = PRODUCTS[product], kernel_products.random_market(rng)
    scenarios = kernel_products.random_scenarios(market, scenario_count, rng=rng)
    rows = kind.draw(positions, rng=rng)
    contracts = contracts_of(pricer(product).columns, rows)
    compile_contracts(product, contracts.take(np.arange(1)), as_of=AS_OF, fixings=market.fixings)  # loads the compiled kernels
    start = time.process_time()
    compiled = compile_contracts(product, contracts, as_of=AS_OF, fixings=market.fixings)
    compile_s = time.process_time() - start
    out = np.empty((positions, scenario_count))
    valued = value_cashflows(compiled, market=market)
    if not np.all(valued.status == RowStatus.OK):
        raise RuntimeError(f"a contract of the benchmark has status {RowStatus(int(valued.status.max())).name}")
    present_values(compiled, market=market, scenarios=scenarios, out=out)
    base_seconds = best_seconds(lambda: value_cashflows(compiled, market=market))
    seconds = best_seconds(lambda: present_values(compiled, market=market, scenarios=scenarios, out=out))
    chosen = np.sort(rng.choice(positions, min(positions, PRODUCT_SAMPLE), replace=False))
    count = min(scenario_count, PRODUCT_SCENARIOS)
    sample = [rows[row] for row in chosen.tolist()]
    expected, quantlib_seconds = _quantlib_values(kind, sample, market=market, scenarios=scenarios, count=count)
    ours = np.column_stack([valued.values[Measure.PV_BASE][chosen], out[chosen, :count]])
    sizes = np.array([abs(row["notional"]) * market.fx(row[kind.currency]) for row in sample])
    rate, base_rate, quantlib_rate = positions * scenario_count / seconds, positions / base_seconds, expected[:, 1:].size / quantlib_seconds
    return {
        "product": product,
        "positions": positions,
        "scenarios": scenario_count,
        "flows_per_position": round(compiled.amount.size / positions, 2),
        "nodes": compiled.nodes.offsets.size - 1,
        "compile_s": round(compile_s, 3),
        "value_s": round(seconds, 4),
        "base_s": round(base_seconds, 4),
        "valuations_per_core_second": round(rate),
        "base_valuations_per_core_second": round(base_rate),
        "quantlib_valuations_per_core_second": round(quantlib_rate),
        "ratio": round(rate / quantlib_rate, 1),
        "base_ratio": round(base_rate / quantlib_rate, 2),
        "max_pv_difference": float(np.max(np.abs(ours - expected) / sizes[:, None])),
    }


def _quantlib_values(
    kind: ProductBenchmark, rows: list[dict[str, Any]], *, market: Market, scenarios: Scenarios, count: int
) -> tuple[np.ndarray, float]:
    """QuantLib's base-currency values of some contracts, today and under the first scenarios, and the seconds of the latter."""
    quantlib = QuantlibMarket(market)
    instruments = [kind.instrument(quantlib, row) for row in rows]
    values = np.empty((len(rows), 1 + count))
    values[:, 0] = [instrument.NPV() for instrument in instruments]
    states = [quantlib.structures(scenarios, scenario) for scenario in range(count)]
    factors = [{currency: float(moves[scenario]) for currency, moves in scenarios.fx_factors.items()} for scenario in range(count)]

    def value_all() -> None:
        for scenario in range(count):
            quantlib.set_fx(factors[scenario])
            for handle, structure in states[scenario]:
                handle.linkTo(structure)
            values[:, 1 + scenario] = [instrument.NPV() for instrument in instruments]

    seconds = best_seconds(value_all)
    for line, row in zip(values, rows, strict=True):
        currency, sign = row[kind.currency], np.sign(row["notional"]) if kind.ignores_sign else 1.0
        line *= sign * market.fx(currency) * np.array([1.0, *(factor.get(currency, 1.0) for factor in factors)])
    return values, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--product", choices=sorted(PRODUCTS), help="without it: fixed-rate bonds, with the `roofline`")
    parser.add_argument("--positions", type=int, default=100_000)
    parser.add_argument("--scenarios", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print nothing but the JSON object")
    arguments = parser.parse_args()
    if arguments.product is None:
        result = measure(arguments.positions, arguments.scenarios, seed=arguments.seed)
    else:
        result = measure_product(arguments.product, arguments.positions, arguments.scenarios, seed=arguments.seed)
    if not arguments.json:
        for name, number in result.items():
            print(f"{name:<40}{number}")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
