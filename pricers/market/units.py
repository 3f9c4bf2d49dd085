"""What the amounts of a leg count: units of a currency, or of a security whose price the market has.

A unit is a text, so that it can stand wherever a currency does: the code of a currency, or `price/NAME`. The price of a security that has
a benchmark also moves with the benchmark's price: a scenario that moves the benchmark by x moves it by beta × x, unless the scenario moves
the security's own price, which then is all of its move.
"""

from functools import lru_cache
from typing import Final, NamedTuple

_PREFIX: Final = "price/"
_SEPARATOR: Final = "\t"  # no name has a control character


class PriceUnit(NamedTuple):
    """One unit of a security."""

    price: str
    """Name of the price in `Market.prices`."""
    benchmark: str = ""
    """Name of the price that this one moves with; empty: none."""
    beta: float = 1.0

    @property
    def text(self) -> str:
        """The unit as the currency of a leg."""
        return _PREFIX + (_SEPARATOR.join((self.price, self.benchmark, repr(self.beta))) if self.benchmark else self.price)


@lru_cache(maxsize=65_536)
def price_unit(unit: str) -> PriceUnit | None:
    """The security that a unit counts; None for a currency.

    >>> price_unit(PriceUnit("ACME", "SX5E", 1.2).text), price_unit("EUR")
    (PriceUnit(price='ACME', benchmark='SX5E', beta=1.2), None)
    """
    if not unit.startswith(_PREFIX):
        return None
    price, *rest = unit.removeprefix(_PREFIX).split(_SEPARATOR)
    return PriceUnit(price, rest[0], float(rest[1])) if rest else PriceUnit(price)
