"""Legs of swaps in QuantLib: coupons and exchanges of notionals."""

from typing import Any

import QuantLib as ql

from pricers import Market
from tests.oracles import accuracy_bonds
from tests.oracles import quantlib_terms as terms
from tests.oracles.quantlib_floating import FloatingOracle, floating_coupons

Flows = list[Any]


def leg_terms(contract: dict[str, Any], prefix: str) -> dict[str, Any]:
    """One leg's terms as those of a bond, whose schedule it has."""
    leg = {name.removeprefix(prefix): value for name, value in contract.items() if name.startswith(prefix) and value is not None}
    return leg | {"issue_date": contract["start_date"], "maturity_date": contract["maturity_date"]}


def quantlib_coupons(leg: dict[str, Any], *, notional: float, oracle: FloatingOracle, market: Market) -> tuple[Flows, list[float]]:
    """The coupons of a leg and the notional of each. Raises RuntimeError if QuantLib refuses it."""
    schedule = accuracy_bonds.quantlib_schedule(leg)
    counter = terms.day_counter(leg["day_count"], maturity=leg["maturity_date"], calendar=leg["calendar"], schedule=schedule)
    nominals = []
    steps = list(zip(leg.get("notional_dates", ()), leg.get("notional_amounts", ()), strict=True))
    for start in list(schedule.dates())[:-1]:
        begun = [amount for day, amount in steps if day <= terms.day_of(start)]
        nominals.append(begun[-1] if begun else notional)
    if "rate" in leg:
        coupons = ql.FixedRateLeg(
            schedule, counter, nominals, [leg["rate"]], paymentAdjustment=terms.CONVENTIONS[leg["payment_convention"]],
            paymentCalendar=terms.CALENDARS[leg["calendar"]], paymentLag=leg["payment_lag"],
        )  # fmt: skip
        return list(coupons), nominals
    curve = leg.get("forecast_curve", market.fixings.indices[leg["index"]].forecast_curve)
    index = oracle.index(leg["index"], curve, market)
    return list(floating_coupons(leg, schedule=schedule, nominals=nominals, index=index, counter=counter)), nominals


def quantlib_exchanges(
    coupons: Flows, nominals: list[float], *, first_day: Any, days: list[Any], initial: bool, intermediate: bool, final: bool
) -> Flows:
    """The exchanges of the notionals of one leg.

    Args:
        first_day: of the initial exchange.
        days: of the exchange at the end of each period.
    """
    flows = [ql.SimpleCashFlow(-nominals[0], first_day)] if initial else []
    for number, day in enumerate(days):
        is_last = number == len(coupons) - 1
        repaid = nominals[number] - (0.0 if is_last else nominals[number + 1])
        if repaid and (final if is_last else intermediate):
            flows.append(ql.SimpleCashFlow(repaid, day))
    return flows
