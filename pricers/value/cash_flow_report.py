"""The cash-flow report: the present value of one row, flow by flow."""

import datetime
from dataclasses import dataclass

import numpy as np

from pricers.contract.columns import Contracts
from pricers.core.binding import KINDS, bind_market
from pricers.core.compiled import Compiled, compile_cashflows
from pricers.core.nodes import FACTOR, node_table
from pricers.core.points import point_values
from pricers.core.special_values import SpecialValues
from pricers.flows.cashflows import Cashflows
from pricers.flows.special_factors import SpecialKind
from pricers.kernels.vector_math import exp_of
from pricers.market.curves import DAYS_PER_YEAR
from pricers.market.market import CurveKind, Market
from pricers.market.units import PriceUnit, price_unit
from pricers.measures import Measure
from pricers.registry import PricerSpec, pricer
from pricers.status import RowStatus
from pricers.time.dates import NO_DATE, to_date
from pricers.value.valuation import value_cashflows


@dataclass(frozen=True)
class ExplainedTerm:
    """One point of a flow's node."""

    curve: str | None
    """None for the contract's own credit spread."""
    kind: CurveKind | None
    date: datetime.date
    sign: int
    """1: the factor discounts; -1: the flow is divided by it."""
    factor: float | None = None
    """What the point multiplies the flow's amount by: exp(-sign × exponent). None for a point of the flow's special factor."""


@dataclass(frozen=True)
class ExplainedFlow:
    """One flow after the valuation date and what it is worth today."""

    pay_date: datetime.date
    leg: int
    """Counts from 0."""
    currency: str
    """Or the security, as `price/NAME`, of which `amount` is a quantity and `pv` the value in units of it."""
    interest: float
    """Signed, in `currency`, as are the next two."""
    principal: float
    amount: float
    """interest + principal."""
    terms: tuple[ExplainedTerm, ...]
    """All points that the flow's value rests on; the product of their factors and special_factor is discount_factor ×
    spread_factor."""
    discount_curve: str
    """The first rate curve among the terms; empty where nothing discounts."""
    spread_curve: str | None
    """The first spread curve among the terms."""
    discount_factor: float
    """Of the rate curves alone, growth that is compounded or averaged included."""
    spread_factor: float
    """Of the spread curve and the contract's own credit spread together, and of what is paid on default; 1 without any of these."""
    special_kind: SpecialKind | None
    """What multiplies the flow besides exponentials of its terms; None for nothing."""
    special_factor: float
    """The special factor alone, 1 without one."""
    pv: float
    """amount × discount_factor × spread_factor, in `currency`."""
    pv_base: float
    """The same in base currency at today's exchange rate."""


@dataclass(frozen=True)
class Explanation:
    """`pv` is the sum of the flows' `pv` where all are in one currency, `pv_base` that of their `pv_base`.

    A row without a value has a status and no flows.
    """

    status: RowStatus
    currency: str | None
    """Of `pv`."""
    pv: float
    pv_base: float
    flows: tuple[ExplainedFlow, ...]


def explain(product: PricerSpec | str, contracts: Contracts, row: int, *, market: Market) -> Explanation:
    """Every remaining flow of one row.

    Args:
        product: a cash-flow product's name or specification.
        contracts: a batch with the product's columns.
        row: which of its rows, counting from 0.
        market: market data; its date is the valuation date.
    Returns:
        The flows leg by leg in order of payment, and what the row is worth.
    Raises:
        IndexError: no such row.
        ValueError: the product is not a sum of fixed cash flows.
    """
    spec = pricer(product) if isinstance(product, str) else product
    if spec.lower is None:
        raise ValueError(f"product {spec.product!r} is not a sum of fixed cash flows: there are none to list")
    if not 0 <= row < contracts.row_count:
        raise IndexError(f"row {row} of {contracts.row_count}")
    lowered = spec.lower(contracts.take(np.array([row])), as_of=market.as_of, fixings=market.fixings)
    compiled = compile_cashflows(lowered, measures=spec.measures)
    valuation = value_cashflows(compiled, market=market, measures=frozenset({Measure.PV}))
    status = RowStatus(int(valuation.status[0]))
    flows: list[ExplainedFlow] = []
    if status is RowStatus.OK:
        binding = bind_market(compiled, market=market)
        table = node_table(compiled, binding=binding, market=market)
        factors = np.stack([table.values[:, FACTOR], table.discount_factor], axis=1)
        exponents = point_values(compiled, binding=binding, market=market).exponent
        specials = _specials_of_nodes(compiled, market)
        for leg in range(compiled.leg_set.size):
            fx = float(binding.fx[compiled.leg_set[leg]])
            flows.extend(_flows_of_leg(lowered.cashflows, compiled, leg, factors=factors, exponents=exponents, specials=specials, fx=fx))
    return Explanation(
        status=status,
        currency=lowered.native_currency[0],
        pv=float(valuation.values[Measure.PV][0]),
        pv_base=float(valuation.values[Measure.PV_BASE][0]),
        flows=tuple(flows),
    )


_Special = tuple[SpecialKind, float, tuple[ExplainedTerm, ...]]


def _specials_of_nodes(compiled: Compiled, market: Market) -> dict[int, _Special]:
    """Kind, value and points of the special factor of each node that has one. Growth divides by the end of its period, and a
    ratio by the index of its base; what is paid on default is discounted to it."""
    found: dict[int, _Special] = {}
    if compiled.specials is None:
        return found
    specials = compiled.specials.specials
    factors, today = specials.factors, SpecialValues(specials, market=market).today
    for node, special in zip(compiled.specials.node.tolist(), compiled.specials.special.tolist(), strict=True):
        kind = SpecialKind(int(factors.kind[special]))
        entries = slice(int(factors.offsets[special]), int(factors.offsets[special + 1]))
        rate, hazard = factors.rate_curve[special], factors.hazard_curve[special]
        terms: list[ExplainedTerm] = []
        if kind is SpecialKind.INDEX_RATIO:
            for days, sign in ((factors.start_day[entries], 1), (factors.end_day[entries], -1)):
                months = [to_date(compiled.as_of + int(day)) for day in days if day != NO_DATE]
                terms += [ExplainedTerm(rate, CurveKind.INFLATION, month, sign) for month in months]
        elif entries.stop > entries.start:
            first, last = (compiled.as_of + int(day) for day in (factors.start_day[entries][0], factors.end_day[entries][-1]))
            if hazard is None:
                terms = [ExplainedTerm(rate, CurveKind.RATE, to_date(first), 1), ExplainedTerm(rate, CurveKind.RATE, to_date(last), -1)]
            else:
                terms = [ExplainedTerm(name, each, to_date(last), 1) for name, each in ((rate, CurveKind.RATE), (hazard, CurveKind.HAZARD))]
        found[node] = kind, float(today[special]), tuple(terms)
    return found


def _flows_of_leg(
    cashflows: Cashflows,
    compiled: Compiled,
    leg: int,
    *,
    factors: np.ndarray,
    exponents: np.ndarray,
    specials: dict[int, _Special],
    fx: float,
) -> list[ExplainedFlow]:
    flows, weight = [], compiled.weight
    first = int(compiled.flow_offsets[np.flatnonzero(compiled.sets.leg_order == leg)[0]])
    for stored, flow in enumerate(range(cashflows.flow_offsets[leg], cashflows.flow_offsets[leg + 1]), first):
        day, amount, principal = (float(column[flow]) for column in (cashflows.pay_day, cashflows.amount, cashflows.principal))
        node = int(compiled.flow_node[stored])
        factor, discount_factor = factors[node].tolist()
        special_kind, special_factor, special_terms = specials.get(node, (None, 1.0, ()))
        terms = _terms(compiled, node, exponents, own_spread=float(cashflows.leg_credit_spread[leg])) + special_terms
        named = {kind: [term.curve for term in terms if term.kind is kind] for kind in (CurveKind.RATE, CurveKind.SPREAD)}
        pv = float(weight[stored]) * factor  # as it enters the row's PV, to the last bit
        own_spread = float(weight[stored]) / amount if amount != 0.0 else 1.0
        curve_spread = factor / discount_factor if discount_factor != 0.0 else 1.0  # a flow too far away to be worth anything
        flows.append(
            ExplainedFlow(
                pay_date=to_date(int(day)),
                leg=leg,
                currency=_shown_unit(str(cashflows.leg_currency[leg])),
                interest=amount - principal,
                principal=principal,
                amount=amount,
                terms=terms,
                discount_curve=str(next(iter(named[CurveKind.RATE]), "")),
                spread_curve=next(iter(named[CurveKind.SPREAD]), None),
                discount_factor=discount_factor,
                spread_factor=own_spread * curve_spread,
                special_kind=special_kind,
                special_factor=special_factor,
                pv=pv,
                pv_base=pv * fx,
            )
        )
    return flows


def _shown_unit(unit: str) -> str:
    """The currency, or `price/NAME` of a security."""
    security = price_unit(unit)
    return unit if security is None else PriceUnit(security.price).text


def _terms(compiled: Compiled, node: int, exponents: np.ndarray, *, own_spread: float) -> tuple[ExplainedTerm, ...]:
    nodes, points = compiled.nodes, compiled.points
    terms = []
    for term in range(nodes.offsets[node], nodes.offsets[node + 1]):
        point = nodes.point[term]
        curves = compiled.sets.curves
        kind, name = curves[points.curve[point]] if points.curve[point] < len(curves) else (None, None)
        if kind is None and own_spread == 0.0:
            continue
        days, sign = int(points.day[point]), int(nodes.sign[term])
        exponent = own_spread * days / DAYS_PER_YEAR if kind is None else float(exponents[point])
        day = to_date(compiled.as_of + days)
        terms.append(ExplainedTerm(name, None if kind is None else KINDS[kind], day, sign, float(exp_of(np.array([-sign * exponent]))[0])))
    return tuple(terms)
