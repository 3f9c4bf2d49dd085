"""A sample of a generated portfolio as QuantLib instruments, revalued under scenarios by relinking curves: the peer of `benchmarks.var`."""

import multiprocessing
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any, Final

import numpy as np
import pyarrow as pa
import QuantLib as ql

from pricers import Curve, Market, Scenarios, pricer
from pricers.flows.swap_legs import PREFIXES
from pricers.market.conventions import SWAP_CONVENTIONS
from pricers.value.revaluation import present_values
from riskray.runs.loading import prepare_positions
from tests.oracles.accuracy_bonds import quantlib_bond
from tests.oracles.quantlib_loans import LoanOracle
from tests.oracles.quantlib_market import QuantlibMarket
from tests.oracles.quantlib_terms import date_of, term_structure, with_spreads

TOLERANCE: Final = 1e-6  # of the value: looser than in the accuracy benchmarks, because it only proves that both value one contract
_EPOCH: Final = date(1970, 1, 1)
_KNOWN: Final = frozenset(
    {"AMORT_LOAN", "CREDIT_DEFAULT_SWAP", "CROSS_CURRENCY_SWAP", "FIXED_BOND", "FLOATING_RATE_BOND", "FX_FWD", "INTEREST_RATE_SWAP"}
)
_OF_CONVENTION: Final = ("frequency", "day_count", "calendar", "accrual_convention", "payment_convention", "payment_lag")
CURRENCIES: Final = {
    "EUR": ql.EURCurrency(), "USD": ql.USDCurrency(), "GBP": ql.GBPCurrency(), "JPY": ql.JPYCurrency(), "CHF": ql.CHFCurrency(),
    "CAD": ql.CADCurrency(),
}  # fmt: skip


def quantlib_rate(
    tables: Mapping[str, pa.Table], *, market: Market, scenarios: Scenarios, scenario_count: int, processes: int
) -> dict[str, float]:
    """Valuations per second of parallel processes, each of which values all instruments of the sample under `scenario_count` scenarios.

    Instruments and shifted curves are built before the clock starts; relinking the curves is timed, as it notifies the instruments.
    """
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes) as pool:
        barrier = context.Manager().Barrier(processes)
        arguments = (dict(tables), market, scenarios, scenario_count, barrier)
        answers = pool.starmap(_measure, [arguments] * processes)
    seconds = max(answer["seconds"] for answer in answers)
    return {**answers[0], "seconds": seconds, "rate": sum(answer["valuations"] for answer in answers) / seconds}


def _measure(tables: dict[str, pa.Table], market: Market, scenarios: Scenarios, scenario_count: int, barrier: Any) -> dict[str, float]:
    sample = QuantlibSample(market)
    compared, left_out = 0, 0
    for product, table in tables.items():
        positions = prepare_positions(table, product=product, first_position_no=0, market=market)
        assert positions.compiled is not None
        ours = present_values(positions.compiled, market=market, scenarios=Scenarios(count=1))[:, 0]
        for row, expected in zip(contract_rows(product, table), ours.tolist(), strict=True):
            if np.isnan(expected):
                continue
            instrument = sample.instrument(product, row)
            if (
                instrument is None
                or abs(abs(instrument.NPV() * sample.fx(product, row)) - abs(expected)) > TOLERANCE * abs(expected) + 1e-2
            ):
                left_out += 1
                continue
            compared += 1
            sample.instruments.append(instrument)
    shifted = [sample.structures(scenarios, scenario) for scenario in range(scenario_count)]
    barrier.wait()
    started = time.perf_counter()
    for structures in shifted:
        for handle, structure in structures:
            handle.linkTo(structure)
        for instrument in sample.instruments:
            instrument.NPV()
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "valuations": compared * scenario_count, "instruments": compared, "left_out": left_out}


class QuantlibSample:
    """Instruments on relinkable curves of one market."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._loans = LoanOracle(market)
        self._linear = QuantlibMarket(market)
        self._handles: dict[tuple[str, str], Any] = {}
        self.instruments: list[Any] = []

    def instrument(self, product: str, row: dict[str, Any]) -> Any | None:
        """None where QuantLib refuses the terms, and for products that are not among `_KNOWN`."""
        if product not in _KNOWN:
            return None
        try:
            match product:
                case "FX_FWD":
                    return self._forward(row)
                case "INTEREST_RATE_SWAP":
                    return self._linear.swap(with_convention(row))
                case "CROSS_CURRENCY_SWAP":
                    return self._linear.cross_currency_swap(with_convention(row))
                case "CREDIT_DEFAULT_SWAP":
                    return self._linear.default_swap(row)
                case "FLOATING_RATE_BOND":
                    bond = self._linear.floating_bond({**row, "day_count": row.get("day_count", self._day_count(row["index"]))})
                case _:
                    bond = quantlib_bond(row) if product == "FIXED_BOND" else self._loans.bond(row)
        except (RuntimeError, KeyError):
            return None
        if bond is None:
            return None
        handle = self._handle(row["discount_curve"], row.get("spread_curve", ""))
        if row.get("credit_spread", 0.0):
            quote = ql.QuoteHandle(ql.SimpleQuote(row["credit_spread"]))
            handle = ql.YieldTermStructureHandle(ql.ZeroSpreadedTermStructure(handle, quote, ql.Continuous, ql.NoFrequency))
        bond.setPricingEngine(ql.DiscountingBondEngine(handle))
        return bond

    def _day_count(self, index: str) -> str:
        return self._market.fixings.indices[index].day_count

    def fx(self, product: str, row: dict[str, Any]) -> float:
        """Price in base currency of the currency that the instrument's value is in."""
        return self._market.fx(row[{"FX_FWD": "base_currency", "CROSS_CURRENCY_SWAP": "receive_leg_currency"}.get(product, "currency")])

    def structures(self, scenarios: Scenarios, scenario: int) -> list[tuple[Any, Any]]:
        """Every handle and the curve to link it to."""
        of_bonds = [(handle, self._structure(names, scenarios, scenario)) for names, handle in self._handles.items()]
        return of_bonds + self._linear.structures(scenarios, scenario)

    def _forward(self, row: dict[str, Any]) -> Any | None:
        if "contract_rate" not in row or row.get("settlement_type", "DELIVERABLE") != "DELIVERABLE":
            return None
        base, quote = row["base_currency"], row["quote_currency"]
        forward = ql.FxForward(
            abs(row["notional"]), CURRENCIES[base], abs(row["notional"]) * row["contract_rate"], CURRENCIES[quote],
            date_of(row["delivery_date"]), row["notional"] < 0.0, 0, ql.NullCalendar(),
        )  # fmt: skip
        spot = ql.QuoteHandle(ql.SimpleQuote(self._market.fx(base) / self._market.fx(quote)))
        handles = (self._handle(row[f"{leg}_discount_curve"], "") for leg in ("base", "quote"))
        forward.setPricingEngine(ql.DiscountingFxForwardEngine(*handles, spot))
        return forward

    def _handle(self, discount_curve: str, spread_curve: str) -> Any:
        names = (discount_curve, spread_curve)
        if names not in self._handles:
            self._handles[names] = ql.RelinkableYieldTermStructureHandle(self._structure(names, None, 0))
        return self._handles[names]

    def _structure(self, names: tuple[str, str], scenarios: Scenarios | None, scenario: int) -> Any:
        market = self._market
        discount = market.curves[market.curve_index[names[0]]]
        spread = market.curves[market.curve_index[names[1]]] if names[1] else None
        if scenarios is not None:
            discount = _shifted(discount, scenarios.shifts, scenario)
            spread = None if spread is None else _shifted(spread, scenarios.shifts, scenario)
        return with_spreads(term_structure(discount, as_of=market.as_of), spread_curve=spread, credit_spread=0.0, as_of=market.as_of)


def _shifted(curve: Curve, shifts: Mapping[str, np.ndarray], scenario: int) -> Curve:
    shift = shifts.get(curve.name)
    return curve if shift is None else replace(curve, zero_rates=curve.zero_rates + shift[:, scenario])


def with_convention(row: dict[str, Any]) -> dict[str, Any]:
    """A swap's terms with what its convention says of both legs where the row says nothing."""
    found = {"resetting_leg": "NONE", "notional_payment_lag": 0, "pay_leg_notional": abs(row["notional"]), **row}  # the last: where reset
    convention = SWAP_CONVENTIONS[row["convention"]]
    if convention.is_resetting and "resetting_leg" not in row:
        found["resetting_leg"] = "PAY"
    spread = row.get("spread")
    for prefix, leg in zip(PREFIXES, convention.legs, strict=True):
        filled = {name: getattr(leg, name) for name in _OF_CONVENTION}
        filled["end_of_month"] = leg.end_of_month or row[f"{prefix}end_of_month"]
        if leg.index is None:
            filled["rate"] = row["fixed_rate"]
        else:
            filled["index"] = leg.index
            filled["spread"], spread = (row[f"{prefix}spread"] if spread is None else spread), None
        given = {name: row[prefix + name] for name in filled if prefix + name in row and name not in ("end_of_month", "spread")}
        found |= {prefix + name: value for name, value in (filled | given).items()}
    return found


def contract_rows(product: str, table: pa.Table) -> list[dict[str, Any]]:
    """Contract terms with their defaults, dates as day numbers, without those that are not given."""
    columns = pricer(product).columns
    rows = []
    for given in table.to_pylist():
        row = {column.name: column.default if given.get(column.name) is None else given[column.name] for column in columns}
        row = {name: _plain(value) for name, value in row.items() if value is not None}
        rows.append({**row, "calendar": row.get("calendar", "NONE"), "ex_coupon_calendar": row.get("ex_coupon_calendar", "NONE")})
    return rows


def _plain(value: Any) -> Any:
    if isinstance(value, date):
        return (value - _EPOCH).days
    return [_plain(item) for item in value] if isinstance(value, Sequence) and not isinstance(value, str) else value
