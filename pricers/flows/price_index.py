"""Reference levels of price indices: what inflation-linked contracts count by on a day.

The reference level of a day d with an observation lag of n months rests on the levels I of the month m, n months before that of d, and,
if it is interpolated, of the month after [1]:

    FLAT      I(m)
    LINEAR    (1 - f) × I(m) + f × I(m + 1),    f = (day of the month of d - 1) / days in the month of d

A month that is published is a number; one that is not yet is the level of the index's curve of INFLATION on the first day of that month.

References:
    [1] US Treasury, 31 CFR 356, appendix B, section I.B; UK DMO, Formulae for Calculating Gilt Prices from Yields, section 3; QuantLib,
        ql/indexes/inflationindex.cpp (CPI::laggedFixing).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Int32, Int64

from pricers.contract.columns import NO_INTEGER, Column, Contracts
from pricers.market.fixings import Fixings
from pricers.market.indices import Index, IndexKind
from pricers.market.market import months_of
from pricers.status import RowStatus
from pricers.time.dates import NO_DATE, to_date

FLAT, LINEAR = range(2)
INTERPOLATIONS: Final = ("FLAT", "LINEAR")
"""How the level of a day within a month is read; the index is the code."""
LAG_MONTHS_MAX: Final = 24
INDEX_MAX: Final = 1e9  # index points
DECIMALS_MAX: Final = 10
_POWERS_OF_TEN: Final = np.array([float(f"1e{decimals}") for decimals in range(DECIMALS_MAX + 1)])

INDEX_COLUMNS: Final = (
    Column("index", "text", "price index", required=True, references="index", example="US-CPI-U"),
    Column("observation_lag_months", "integer", "from the index's month to the month in which it counts; null: the index's", unit="months",
           minimum=0, maximum=LAG_MONTHS_MAX, example=3),
    Column("index_interpolation", "choice", "FLAT: the month's level; LINEAR: between the levels of two months; null: the index's",
           allowed=INTERPOLATIONS, example="LINEAR"),
)  # fmt: skip


@dataclass(frozen=True)
class PriceIndices:
    """The price indices of a batch; [row]."""

    indices: Sequence[Index | None]
    """By `code`."""
    code: Int32[np.ndarray, " row"]
    """Index into `indices`, -1 for a row without a usable one."""
    status: np.ndarray
    """uint8: MISSING_INDEX, INDEX_MISMATCH (an index of another kind or currency), or OK."""
    lag: Int64[np.ndarray, " row"]
    """Months."""
    is_linear: Bool[np.ndarray, " row"]


def indices_of(contracts: Contracts, *, fixings: Fixings) -> PriceIndices:
    """The indices of a batch with `INDEX_COLUMNS` and `currency`, and their conventions where the contract leaves them open."""
    given, currency = contracts.text("index"), contracts.text("currency")
    indices = [fixings.index(name) for name in given.names]
    currencies = np.array([*currency.names, ""])[currency.codes]
    status = np.full(contracts.row_count, RowStatus.MISSING_INDEX, np.uint8)
    lags, interpolations = contracts.array("observation_lag_months"), contracts.array("index_interpolation")
    lag, is_linear = lags.astype(np.int64), interpolations == LINEAR
    for code, index in enumerate(indices):
        if index is None:
            continue
        rows = given.codes == code
        fits = index.kind is IndexKind.INFLATION
        status[rows] = np.where(fits & (currencies[rows] == index.currency), RowStatus.OK, RowStatus.INDEX_MISMATCH)
        lag[rows & (lags == NO_INTEGER)] = index.observation_lag_months
        is_linear |= rows & (interpolations < 0) & (index.interpolation == INTERPOLATIONS[LINEAR])
    return PriceIndices(indices, np.where(status == RowStatus.OK, given.codes, -1).astype(np.int32), status, lag, is_linear)


@dataclass(frozen=True)
class ReferenceLevels:
    """Σ weight × level of the months that are not published, and a number for those that are; [day]."""

    known: Float[np.ndarray, " day"]
    month: Int32[np.ndarray, "day 2"]
    """First days of the months that are not published, NO_DATE where there is none."""
    weight: Float[np.ndarray, "day 2"]
    """0 where there is no month."""
    missing: Int32[np.ndarray, " day"]
    """First day of the first month that should be published and is not there, else NO_DATE."""

    @property
    def is_known(self) -> Bool[np.ndarray, " day"]:
        """Whether all months of each are published."""
        flags: np.ndarray = (self.month == NO_DATE).all(axis=1) & (self.missing == NO_DATE)
        return flags

    def replaced(self, levels: Float[np.ndarray, " day"]) -> "ReferenceLevels":
        """With these numbers where they are not NaN."""
        is_given = ~np.isnan(levels)
        return ReferenceLevels(
            known=np.where(is_given, levels, self.known),
            month=np.where(is_given[:, None], NO_DATE, self.month).astype(np.int32),
            weight=np.where(is_given[:, None], 0.0, self.weight),
            missing=np.where(is_given, NO_DATE, self.missing).astype(np.int32),
        )

    def of(self, rows: np.ndarray) -> "ReferenceLevels":
        """Those of some days."""
        return ReferenceLevels(self.known[rows], self.month[rows], self.weight[rows], self.missing[rows])


def reference_levels(
    found: PriceIndices, rows: Int64[np.ndarray, " day"], days: Int32[np.ndarray, " day"], *, fixings: Fixings, as_of: int
) -> ReferenceLevels:
    """Reference levels on some days.

    Args:
        found: the indices of a batch.
        rows: the row that each day belongs to; one without an index gets the level NaN.
        days: since 1970-01-01.
        fixings: what is published: levels dated the first day of their months.
        as_of: valuation date, days since 1970-01-01.
    """
    month = months_of(days)
    first_days = _first_days(month)
    part = np.where(found.is_linear[rows], (days - first_days) / (_first_days(month + 1) - first_days), 0.0)
    weight = np.stack([1.0 - part, part], axis=1)
    observed = (month - found.lag[rows])[:, None] + np.arange(2)
    node = _first_days(observed)
    published_before = np.full(node.shape, as_of)
    value = np.full(node.shape, np.nan)
    code = found.code[rows]
    for number in np.unique(code[code >= 0]).tolist():
        index, chosen = found.indices[number], code == number
        assert index is not None
        value[chosen] = fixings.values_on(index.name, node[chosen])
        published_before[chosen] -= index.publication_lag_days
    value[node > fixings.known_until(as_of)] = np.nan
    is_used = weight != 0.0
    is_open = is_used & np.isnan(value)
    is_missing = is_open & (_first_days(observed + 1) - 1 < published_before)
    known = np.where(is_used & ~is_open, weight * value, 0.0).sum(axis=1)
    return ReferenceLevels(
        known=np.where(code >= 0, known, np.nan),
        month=np.where(is_open, node, NO_DATE).astype(np.int32),
        weight=np.where(is_open, weight, 0.0),
        missing=np.select([is_missing[:, 0], is_missing[:, 1]], [node[:, 0], node[:, 1]], NO_DATE).astype(np.int32),
    )


def _first_days(months: np.ndarray) -> np.ndarray:
    """First days of months as `months_of` counts them, since 1970-01-01."""
    days: np.ndarray = (months - int(months_of(np.zeros(1))[0])).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    return days


def rounded(values: Float[np.ndarray, " row"], decimals: Int32[np.ndarray, " row"]) -> Float[np.ndarray, " row"]:
    """Values to so many decimals each; NO_INTEGER leaves a value as it is."""
    scale = _POWERS_OF_TEN[np.maximum(decimals, 0)]
    return np.where(decimals == NO_INTEGER, values, np.rint(values * scale) / scale)


def missing_level(index: Index, month: int) -> str:
    """What the status MISSING_FIXING does not say."""
    return f"no level of {index.name} for {to_date(month):%Y-%m}, which was due by the index's publication lag"
