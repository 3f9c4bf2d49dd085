"""The cash-flow report: the present value of one row, flow by flow."""

import datetime
from dataclasses import dataclass

import numpy as np

from pricers.cashflows import Cashflows
from pricers.columns import Contracts
from pricers.compiled import compile_cashflows
from pricers.dates import to_date
from pricers.market import Market
from pricers.measures import Measure
from pricers.nodes import DISCOUNT_FACTOR, FACTOR, bind, node_table
from pricers.registry import PricerSpec, pricer
from pricers.status import RowStatus
from pricers.valuation import value_cashflows


@dataclass(frozen=True)
class ExplainedFlow:
    """One flow after the valuation date and what it is worth today."""

    pay_date: datetime.date
    leg: int
    """Counts from 0."""
    currency: str
    interest: float
    """Signed, in `currency`, as are the next two."""
    principal: float
    amount: float
    """interest + principal."""
    discount_curve: str
    spread_curve: str | None
    discount_factor: float
    """Of the discount curve alone."""
    spread_factor: float
    """Of the spread curve and the contract's own credit spread together; 1 without either."""
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
    lowered = spec.lower(contracts.take(np.array([row])), as_of=market.as_of)
    compiled = compile_cashflows(lowered, measures=spec.measures)
    valuation = value_cashflows(compiled, market=market, measures=frozenset({Measure.PV}))
    status = RowStatus(int(valuation.status[0]))
    flows: list[ExplainedFlow] = []
    if status is RowStatus.OK:
        binding = bind(compiled, market=market)
        table = node_table(compiled, binding=binding, market=market)
        for leg in range(compiled.leg_group.size):
            fx = float(binding.fx[compiled.leg_group[leg]])
            flows.extend(_flows_of_leg(lowered.cashflows, leg, weight=compiled.weight, nodes=table[compiled.flow_node], fx=fx))
    return Explanation(
        status=status,
        currency=lowered.native_currency[0],
        pv=float(valuation.values[Measure.PV][0]),
        pv_base=float(valuation.values[Measure.PV_BASE][0]),
        flows=tuple(flows),
    )


def _flows_of_leg(cashflows: Cashflows, leg: int, *, weight: np.ndarray, nodes: np.ndarray, fx: float) -> list[ExplainedFlow]:
    flows = []
    for flow in range(cashflows.flow_offsets[leg], cashflows.flow_offsets[leg + 1]):
        day, amount, principal = (float(column[flow]) for column in (cashflows.pay_day, cashflows.amount, cashflows.principal))
        discount_factor, factor = float(nodes[flow, DISCOUNT_FACTOR]), float(nodes[flow, FACTOR])
        pv = float(weight[flow]) * factor  # as it enters the row's PV, to the last bit
        own_spread = float(weight[flow]) / amount if amount != 0.0 else 1.0
        curve_spread = factor / discount_factor if discount_factor > 0.0 else 1.0  # a flow too far away to be worth anything
        flows.append(
            ExplainedFlow(
                pay_date=to_date(int(day)),
                leg=leg,
                currency=str(cashflows.leg_currency[leg]),
                interest=amount - principal,
                principal=principal,
                amount=amount,
                discount_curve=str(cashflows.leg_discount_curve[leg]),
                spread_curve=cashflows.leg_spread_curve[leg],
                discount_factor=discount_factor,
                spread_factor=own_spread * curve_spread,
                pv=pv,
                pv_base=pv * fx,
            )
        )
    return flows
