"""The measure dictionary: the meaning, unit, currency and sign of every number that riskray reports.

`docs/measures.md` is generated from this file. Amounts are signed: we receive positive ones. Rates are decimals.
Zero rates are continuously compounded on ACT/365F from the valuation date; 1 bp is 0.0001.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

BASIS_POINT = 1e-4
FX_SHIFT = 0.01
PRICE_SHIFT = 0.01
RECOVERY_SHIFT = 0.01


class Measure(StrEnum):
    """Names of the measures; the value is the column name everywhere (SQL, Arrow, JSON)."""

    PV = "pv"
    PV_BASE = "pv_base"
    CLEAN_PRICE = "clean_price"
    DIRTY_PRICE = "dirty_price"
    ACCRUED_INTEREST = "accrued_interest"
    YIELD_TO_MATURITY = "yield_to_maturity"
    MACAULAY_DURATION = "macaulay_duration"
    MODIFIED_DURATION = "modified_duration"
    CONVEXITY = "convexity"
    Z_SPREAD = "z_spread"
    WEIGHTED_AVERAGE_LIFE = "weighted_average_life"
    DV01 = "dv01"
    CS01 = "cs01"
    FX_DELTA = "fx_delta"
    THETA_1D = "theta_1d"
    KEY_RATE_DV01 = "key_rate_dv01"
    GAMMA = "gamma"
    IE01 = "ie01"
    PAR_RATE = "par_rate"
    BREAKEVEN_SPREAD = "breakeven_spread"
    JUMP_TO_DEFAULT = "jump_to_default"
    RECOVERY01 = "recovery01"
    UNDRAWN_AMOUNT = "undrawn_amount"
    INDEX_RATIO = "index_ratio"


@dataclass(frozen=True)
class MeasureDefinition:
    """One entry of the dictionary.

    `currency`: the position's native currency, the run's base currency, or none for a pure number.
    `additive`: whether the measure may be summed over positions.
    `label`: head of a column, where the title is too long. `example`: of one bond of a million; the examples fit together.
    """

    measure: Measure
    title: str
    unit: str
    currency: Literal["native", "base", "none"]
    additive: bool
    bump: str
    shape: Literal["none", "parallel", "bucketed"]
    definition: str
    sign: str
    label: str
    example: float | None


def _definition(
    measure: Measure,
    title: str,
    *,
    unit: str,
    currency: Literal["native", "base", "none"],
    definition: str,
    sign: str,
    additive: bool = False,
    bump: str = "nothing",
    shape: Literal["none", "parallel", "bucketed"] = "none",
    label: str = "",
    example: float | None = None,
) -> MeasureDefinition:
    return MeasureDefinition(measure, title, unit, currency, additive, bump, shape, definition, sign, label or title, example)


MEASURES: dict[Measure, MeasureDefinition] = {
    entry.measure: entry
    for entry in (
        _definition(
            Measure.PV, "Present value", label="PV", example=1_024_530.25, unit="native currency", currency="native",
            definition="Sum over the remaining cash flows of amount × discount factor × credit spread factor, on the valuation date. "
            "Flows paid on or before the valuation date are excluded. The legs of a two-currency position are converted at today's "
            "exchange rate.",
            sign="positive is an asset",
        ),
        _definition(
            Measure.PV_BASE, "Present value in base currency", label="PV base", example=1_107_619.65,
            unit="base currency", currency="base", additive=True,
            definition="`pv` times today's exchange rate from the native to the run's base currency.", sign="positive is an asset",
        ),
        _definition(
            Measure.CLEAN_PRICE, "Clean price", example=102.34, unit="per 100 of outstanding notional", currency="none",
            definition="Dirty price less accrued interest, on the settlement date.", sign="positive, whether we own or owe",
        ),
        _definition(
            Measure.DIRTY_PRICE, "Dirty price", example=102.45, unit="per 100 of outstanding notional", currency="none",
            definition="Value on the settlement date of the flows after it (those trading ex-coupon excluded), discounted to the "
            "settlement date on the "
            "discount curve with spreads.",
            sign="positive, whether we own or owe",
        ),
        _definition(
            Measure.ACCRUED_INTEREST, "Accrued interest", example=0.11, unit="per 100 of outstanding notional", currency="none",
            definition="Interest accrued from the start of the current period to the settlement date; negative in the ex-coupon period.",
            sign="positive, whether we own or owe",
        ),
        _definition(
            Measure.YIELD_TO_MATURITY, "Yield to maturity", example=0.0263, unit="decimal a year", currency="none",
            definition="The rate, compounded at the payment frequency on the contract's own day count, at which the remaining flows "
            "are worth the dirty "
            "price on the settlement date: the given market price where the contract has one, else the model price.",
            sign="as quoted",
        ),
        _definition(
            Measure.MACAULAY_DURATION, "Macaulay duration", example=6.43, unit="years", currency="none",
            definition="Mean time to payment from the settlement date, weighted by flows discounted at the yield.", sign="positive",
        ),
        _definition(
            Measure.MODIFIED_DURATION, "Modified duration", example=6.27, unit="years", currency="none",
            definition="-(dP/dy)/P of the dirty price P with respect to the yield y.", sign="positive",
        ),
        _definition(
            Measure.CONVEXITY, "Convexity", example=46.1, unit="years squared", currency="none",
            definition="(d²P/dy²)/P of the dirty price P with respect to the yield y.", sign="positive",
        ),
        _definition(
            Measure.Z_SPREAD, "Z-spread", example=0.0021, unit="decimal a year, continuously compounded, ACT/365F", currency="none",
            definition="The constant addition to the zero rates of the discount curve (without the contract's own spreads) at which "
            "the flows are worth the "
            "dirty price on the settlement date: the given market price where the contract has one, else the model price.",
            sign="positive is a discount to the curve",
        ),
        _definition(
            Measure.WEIGHTED_AVERAGE_LIFE, "Weighted average life", example=6.96, unit="years, ACT/365F", currency="none",
            definition="Mean time from the valuation date to the remaining repayments of principal, weighted by their amounts.",
            sign="positive",
        ),
        _definition(
            Measure.DV01, "DV01", example=-694.2, unit="base currency", currency="base", additive=True, shape="parallel",
            bump="every zero rate of every discount curve, +1 bp",
            definition="Base-currency PV after the bump less PV before it, at unchanged exchange rates.", sign="negative for a long bond",
        ),
        _definition(
            Measure.CS01, "CS01", example=-694.2, unit="base currency", currency="base", additive=True, shape="parallel",
            bump="every contract's credit spread (zero, continuously compounded) and every hazard rate, +1 bp",
            definition="Base-currency PV after the bump less PV before it; null for products without credit spread.",
            sign="negative for a long bond",
        ),
        _definition(
            Measure.FX_DELTA, "FX delta", example=11_076.2, unit="base currency", currency="base", additive=True, shape="parallel",
            bump="the base-currency price of every foreign currency, +1 %",
            definition="Base-currency PV after the bump less PV before it. By currency of the flows it is the sensitivity "
                       "to the CURRENCY factors; a rollup by currency puts a position, with all its legs, under its native currency.",
            sign="positive if the position gains when foreign currencies rise",
        ),
        _definition(
            Measure.THETA_1D, "Theta, one day", label="theta 1d", example=79.8, unit="base currency", currency="base", additive=True,
            bump="the valuation date, +1 calendar day; zero rates by time to maturity, spreads and exchange rates unchanged",
            definition="Base-currency value on the next day of the flows that today's PV counts, those paid on that day as cash, less PV "
                       "today. A coupon that goes ex-coupon on the next day counts, because the present holder receives it.",
            sign="positive if the position gains with the passage of time",
        ),
        _definition(
            Measure.KEY_RATE_DV01, "Key-rate DV01", unit="base currency, one number for each pillar of each discount curve",
            currency="base", additive=True, shape="bucketed",
            bump="the zero rate of one pillar of one discount curve, +1 bp, through the curve's own interpolation",
            definition="Base-currency PV after the bump less PV before it; exact, not a linearisation. The sum over pillars is "
            "close to DV01, "
            "not equal: bumps compound. It is the sensitivity to the RATE factors of a run.",
            sign="negative for a long bond",
        ),
        _definition(
            Measure.GAMMA, "Gamma", example=4.4, unit="base currency a squared bp", currency="base", shape="parallel",
            bump="every zero rate of every rate curve, +1 bp and -1 bp",
            definition="Base-currency PV after the one bump plus PV after the other less twice the PV before them: the second derivative, "
            "without a factor of one half. Null for bonds with a convexity and for products that do not state it, so it is not summed.",
            sign="positive for a swap that receives the fixed rate",
        ),
        _definition(
            Measure.IE01, "Inflation 01", label="IE01", example=0.0, unit="base currency", currency="base", additive=True,
            shape="parallel", bump="every zero-coupon inflation rate of every inflation curve, +1 bp; nominal rates unchanged",
            definition="Base-currency PV after the bump less PV before it; null for products without inflation.",
            sign="positive for a long linker",
        ),
        _definition(
            Measure.PAR_RATE, "Par rate", example=0.0268, unit="decimal a year", currency="none",
            definition="The fixed rate of a swap with one fixed leg at which both legs together, without upfront amounts, are worth 0: the "
            "contract's rate less the legs' PV over the PV of 1 paid a year on the fixed leg's notional. Of stepped rates, the first "
            "period's.",
            sign="as quoted",
        ),
        _definition(
            Measure.BREAKEVEN_SPREAD, "Breakeven spread", example=0.0012, unit="decimal a year", currency="none",
            definition="The margin over the index of a swap's floating leg (of two, the receive leg) at which both legs together, without "
            "upfront amounts, are worth 0. Of a credit default swap, the premium rate at which premium and protection are worth the same. "
            "Null where the margin is compounded.",
            sign="as quoted",
        ),
        _definition(
            Measure.JUMP_TO_DEFAULT, "Jump to default", label="JTD", example=0.0, unit="base currency", currency="base", additive=True,
            bump="the reference entity defaults on the valuation date, with the contract's recovery rate",
            definition="What is paid on that default, premium accrued deducted, less the PV of all flows that end with it. A default "
            "before the first day of protection pays nothing.",
            sign="positive for bought protection",
        ),
        _definition(
            Measure.RECOVERY01, "Recovery 01", example=0.0, unit="base currency", currency="base", additive=True,
            bump="the contract's recovery rate, +1 % of notional; hazard rates times (1 - recovery before) / (1 - recovery after), which "
            "keeps par spreads to first order",
            definition="Base-currency PV after the bump less PV before it.", sign="either",
        ),
        _definition(
            Measure.UNDRAWN_AMOUNT, "Undrawn amount", example=3_000_000.0, unit="base currency", currency="base", additive=True,
            definition="Commitment less drawn balance on the valuation date, at today's exchange rate.", sign="positive where we lend",
        ),
        _definition(
            Measure.INDEX_RATIO, "Index ratio", example=1.0, unit="pure number", currency="none",
            definition="Reference index of the settlement date over that of the contract's base date.", sign="positive",
        ),
    )
}  # fmt: skip

BOND_MEASURES: frozenset[Measure] = frozenset(tuple(Measure)[: tuple(Measure).index(Measure.KEY_RATE_DV01) + 1])
"""Those of an instrument with a price, a yield and a credit spread."""
SCALAR_MEASURES: tuple[Measure, ...] = tuple(measure for measure in Measure if measure is not Measure.KEY_RATE_DV01)
ADDITIVE_MEASURES: tuple[Measure, ...] = tuple(measure for measure in SCALAR_MEASURES if MEASURES[measure].additive)
