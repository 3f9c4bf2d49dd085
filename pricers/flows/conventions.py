"""Conventions that a contract may leave to its day count."""

from typing import Final

import numpy as np
from jaxtyping import Bool, Float

from pricers.contract.columns import Column, Contracts
from pricers.time.calendars import UNADJUSTED
from pricers.time.day_count import THIRTY_360_US, THIRTY_E_360_ISDA
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
