"""What a scenario moves: names of factors and what they stand for.

    zero/<discount curve>/<pillar>     the curve's zero rate at the pillar
    spread/<spread curve>/<pillar>     the curve's zero spread at the pillar
    hazard/<credit curve>/<pillar>     the curve's zero hazard rate at the pillar
    inflation/<inflation curve>/<pillar>   the continuously compounded growth rate of the index from its base month to the pillar
    quote/<quote>                      a quote of an instrument, in its unit; the curves that it determines follow
    credit                             every contract's own credit spread
    fx/<currency>                      the price of one unit of the currency in the set's numeraire
    price/<name>                       the price of a security or the level of an index, in its own currency

A move is absolute (added, decimal) or relative (a fraction of today's value). Moves of exchange rates and prices are relative, those of
`credit` and of quotes absolute. In files a column is headed by the name, a relative curve move by the name and " relative".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from pricers.market.market import Curve, CurveKind, Market
from riskray.errors import InvalidRequest
from riskray.models.instrument import CURRENCIES
from riskray.models.scenario import MoveKind

FactorType = Literal["zero", "spread", "hazard", "inflation", "quote", "credit", "fx", "price"]
_RELATIVE_SUFFIX = " relative"
_CREDIT = "credit"
CURVE_KINDS: Final[Mapping[FactorType, CurveKind]] = {
    "zero": CurveKind.RATE,
    "spread": CurveKind.SPREAD,
    "hazard": CurveKind.HAZARD,
    "inflation": CurveKind.INFLATION,
}
"""The kind of curve that factors of each type move, in the order of a market's factors."""


@dataclass(frozen=True, order=True)
class Factor:
    """One thing that moves, and how."""

    name: str
    kind: MoveKind

    @property
    def type(self) -> FactorType:
        """zero, spread, hazard, inflation, quote, credit, fx or price."""
        return factor_type(self.name)

    @property
    def curve(self) -> str:
        """The curve of a factor that moves one. A curve's name may hold slashes, a pillar's label never does."""
        return curve_and_pillar(self.name)[0]

    @property
    def pillar(self) -> str:
        """The label of the pillar."""
        return curve_and_pillar(self.name)[1]

    @property
    def quote(self) -> str:
        """The quote of a quote factor."""
        return self.name.removeprefix("quote/")

    @property
    def currency(self) -> str:
        """The currency of an FX factor."""
        return self.name.removeprefix("fx/")

    @property
    def price(self) -> str:
        """The name of a price factor's price."""
        return self.name.removeprefix("price/")

    @property
    def header(self) -> str:
        """The factor as the head of a column."""
        return self.name + (_RELATIVE_SUFFIX if self.kind is MoveKind.RELATIVE and self.type in CURVE_KINDS else "")


def factor_type(name: str) -> FactorType:
    """The type that a name begins with. Raises InvalidRequest."""
    start, _, rest = name.partition("/")
    match start:
        case "zero" | "spread" | "hazard" | "inflation" as kind if rest.rpartition("/")[0] and rest.rpartition("/")[2]:
            return kind
        case "quote" if rest:
            return "quote"
        case "credit" if name == _CREDIT:
            return "credit"
        case "fx" if rest in CURRENCIES:
            return "fx"
        case "price" if rest:
            return "price"
    curves = ", ".join(f"{kind}/<curve>/<pillar>" for kind in CURVE_KINDS)
    message = f"{name!r} is not a factor; write {curves}, quote/<quote>, credit, fx/<currency> or price/<name>"
    raise InvalidRequest(message, [{"loc": ["factors", name], "msg": message, "code": "unknown_factor"}])


def curve_and_pillar(name: str) -> tuple[str, str]:
    """Curve and pillar of the name of a factor that moves a curve."""
    curve, _, pillar = name.partition("/")[2].rpartition("/")
    return curve, pillar


def parse_factor(header: str) -> Factor:
    """The factor of a column's head. Raises InvalidRequest for what is no factor."""
    text = header.strip()
    name = text.removesuffix(_RELATIVE_SUFFIX).strip()
    kind = factor_type(name)
    if kind in ("credit", "quote") and name != text:
        message = f"{header!r}: {'quotes' if kind == 'quote' else 'credit spreads'} move by absolute amounts only"
        raise InvalidRequest(message, [{"loc": ["factors", header], "msg": message, "code": "not_allowed"}])
    return Factor(name, MoveKind.RELATIVE if kind in ("fx", "price") or name != text else MoveKind.ABSOLUTE)


def pillar_name(kind: FactorType, curve: str, pillar: str) -> str:
    """Name of the factor of a curve's pillar."""
    return f"{kind}/{curve}/{pillar}"


def quote_name(quote: str) -> str:
    """Name of the factor of a quote."""
    return f"quote/{quote}"


def fx_name(currency: str) -> str:
    """Name of the factor of a currency's price."""
    return f"fx/{currency}"


def price_name(price: str) -> str:
    """Name of the factor of a price."""
    return f"price/{price}"


def curves_of(market: Market, target: FactorType) -> tuple[Curve, ...]:
    """The market's curves that factors of this type move; none for types that move no curve."""
    return market.of_kind(CURVE_KINDS[target]) if target in CURVE_KINDS else ()


def curve_of(market: Market, factor: Factor) -> Curve | None:
    """The market's curve that a factor moves; None where it moves none or the market does not have it."""
    place = market.resolve(factor.curve, CURVE_KINDS[factor.type]) if factor.type in CURVE_KINDS else None
    return None if place is None else market.curves[place]


def market_factor_names(market: Market) -> tuple[str, ...]:
    """Every factor that the market has, in the order of its curves, then credit, then currencies and prices by name."""
    pillars = [
        pillar_name(kind, curve.name, label) for kind in CURVE_KINDS for curve in curves_of(market, kind) for label in curve.pillar_labels
    ]
    currencies = [fx_name(currency) for currency in sorted({market.base_currency, *market.fx_to_base})]
    return (*pillars, _CREDIT, *currencies, *(price_name(name) for name in sorted(market.prices)))


def quote_factor_names(market: Market) -> tuple[str, ...]:
    """The quotes whose curves the market has: moved beside the factors of `market_factor_names`, never counted among what does not move."""
    return () if market.quotes is None else tuple(quote_name(name) for name in market.quotes.basis_points)
