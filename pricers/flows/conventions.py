"""Conventions that a contract may leave to its day count."""

from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Int8

from pricers.contract.columns import Column, Contracts
from pricers.flows.coupon_arrays import QuotingColumns
from pricers.time.calendars import UNADJUSTED
from pricers.time.day_count import BUS_252, DAY_COUNTS, THIRTY_360_US, THIRTY_E_360_ISDA
from pricers.time.schedule import FREQUENCIES, FREQUENCY_DAYS, FREQUENCY_MONTHS, FREQUENCY_PER_YEAR, HALF_MONTH_DAYS

BY_FREQUENCY: Final = 0
BY_DAY_COUNT: Final = 1
COUPON_AMOUNTS: Final = ("BY_FREQUENCY", "BY_DAY_COUNT")
"""What a regular period pays: BY_FREQUENCY the rate over the periods a year, BY_DAY_COUNT the rate times the year fraction of its dates.
The index is the code."""

COUPON_AMOUNT: Final = Column(
    "coupon_amount", "choice", "interest of a regular period: rate ÷ frequency, or rate × year fraction; null: BY_FREQUENCY for 30/360 day "
    "counts with UNADJUSTED periods of months, else BY_DAY_COUNT", allowed=COUPON_AMOUNTS,
)  # fmt: skip


COMPOUNDING_FREQUENCY: Final = Column(
    "compounding_frequency", "choice", "how often a year the rate compounds, whatever the payments; null: interest of a period is simple",
    allowed=FREQUENCIES,
)  # fmt: skip

COMPOUNDED, STREET, TREASURY, JAPANESE_SIMPLE, DISCOUNT, MONEY_MARKET = range(6)
YIELD_CONVENTIONS: Final = ("COMPOUNDED", "STREET", "TREASURY", "JAPANESE_SIMPLE", "DISCOUNT", "MONEY_MARKET")
"""How a yield turns into a price, see `pricers.value.yield_conventions`; the index is the code."""

YIELD_CONVENTION: Final = Column(
    "yield_convention", "choice", "COMPOUNDED throughout; STREET: simple in the last coupon period; TREASURY: simple in a broken first "
    "period; JAPANESE_SIMPLE; DISCOUNT and MONEY_MARKET: of bills", default="COMPOUNDED", allowed=YIELD_CONVENTIONS,
)  # fmt: skip
QUOTING: Final = (
    Column("yield_frequency", "choice", "how often a year the yield compounds; null: frequency", allowed=FREQUENCIES),
    Column("yield_day_count", "choice", "day count of yields; null: day_count", allowed=DAY_COUNTS),
    Column("accrued_day_count", "choice", "day count of accrued interest; null: day_count", allowed=DAY_COUNTS),
)
"""Columns of contracts that say how accrued interest and yields are counted."""


def quoting_of(contracts: Contracts) -> QuotingColumns:
    """Conventions of a batch with the columns `QUOTING`, and `YIELD_CONVENTION` where its product has that."""
    own, frequency = quoted_by_coupon(contracts.array("day_count"), contracts.array("frequency")), contracts.array("yield_frequency")
    accrued, of_yield = contracts.array("accrued_day_count"), contracts.array("yield_day_count")
    has_convention = YIELD_CONVENTION.name in contracts.data
    return QuotingColumns(
        accrued_day_count=np.where(accrued < 0, own.accrued_day_count, accrued).astype(np.int8),
        yield_day_count=np.where(of_yield < 0, own.yield_day_count, of_yield).astype(np.int8),
        yield_convention=contracts.array(YIELD_CONVENTION.name) if has_convention else own.yield_convention,
        yield_frequency=np.where(frequency < 0, own.yield_frequency, np.maximum(FREQUENCY_PER_YEAR[frequency], 1.0)),
    )


def quoted_by_coupon(day_count: Int8[np.ndarray, " row"], frequency: Int8[np.ndarray, " row"]) -> QuotingColumns:
    """Accrued interest and yields that count as coupons do; yields compound as often as coupons are paid."""
    per_year = np.maximum(FREQUENCY_PER_YEAR[frequency], 1.0)
    return QuotingColumns(day_count, day_count, np.full(day_count.size, COMPOUNDED, np.int8), per_year)


def quotes_on_business_days(contracts: Contracts) -> Bool[np.ndarray, " row"]:
    """Whether accrued interest or yields count business days on a calendar that the contract does not name."""
    counts = (contracts.array("accrued_day_count") == BUS_252) | (contracts.array("yield_day_count") == BUS_252)
    return np.asarray(counts & (contracts.text("calendar").codes < 0))


def compoundings_a_year(contracts: Contracts) -> Float[np.ndarray, " row"]:
    """Compounding periods a year of the contract's rate, at least 1; 0 where the interest of a period is simple."""
    given = contracts.array("compounding_frequency")
    return np.asarray(np.where(given < 0, 0.0, np.maximum(FREQUENCY_PER_YEAR[given], 1.0)))


def pays_by_frequency(contracts: Contracts) -> Bool[np.ndarray, " row"]:
    """Whether a regular period pays its rate over the periods a year.

    Left to the day count, that is so on 30/360, where the market pays 2.5 for half a year at 5 % although 28 February to 31 August counts
    183 days. Adjusted periods are counted, because their dates are there to be counted; so are weeks and days.

    Args:
        contracts: a batch with `coupon_amount`, `day_count`, `frequency` and `accrual_convention`.
    """
    given, day_count = contracts.array("coupon_amount"), contracts.array("day_count")
    by_default = (day_count >= THIRTY_360_US) & (day_count <= THIRTY_E_360_ISDA) & (contracts.array("accrual_convention") == UNADJUSTED)
    frequency = contracts.array("frequency")
    by_default &= (FREQUENCY_MONTHS[frequency] > 0) | (FREQUENCY_DAYS[frequency] == HALF_MONTH_DAYS)
    return np.asarray(np.where(given < 0, by_default, given == BY_FREQUENCY))
