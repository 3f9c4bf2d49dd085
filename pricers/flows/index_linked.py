"""Flows that grow with a price index: amount × reference level of one day / reference level of another.

A ratio whose months are all published is a number. Where the level above is open, each of its months is a flow of its own, whose node
multiplies by the index of the month; where the level below is one open month, the node divides by it. What is neither, an open level below
that lies between two months, or a floor under an open ratio, is an INDEX_RATIO.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int32, Int64

from pricers.contract.columns import Text
from pricers.flows.cashflows import Shape, Term
from pricers.flows.price_index import PriceIndices, ReferenceLevels, missing_level, rounded
from pricers.flows.special_factors import SpecialFactors, SpecialKind
from pricers.market.market import CurveKind
from pricers.status import RowStatus
from pricers.time.dates import NO_DATE

NO_FLOOR = -np.inf
_MONTHS = 2
_ENTRIES = _MONTHS + 1  # what is published, and two months


@dataclass(frozen=True)
class IndexRatios:
    """Ratios of reference levels; [ratio]."""

    above: ReferenceLevels
    below: ReferenceLevels
    floor: Float[np.ndarray, " ratio"]
    """The least value of the ratio; NO_FLOOR for none."""
    decimals: Int32[np.ndarray, " ratio"]
    """Of a ratio that is published; NO_INTEGER: not rounded."""

    @property
    def published(self) -> Float[np.ndarray, " ratio"]:
        """The ratios with their floors; NaN where a level is open."""
        is_known = self.above.is_known & self.below.is_known
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = rounded(np.where(is_known, self.above.known / self.below.known, np.nan), self.decimals)
        return np.where(is_known, np.maximum(ratio, self.floor), np.nan)


@dataclass(frozen=True)
class RatioParts:
    """Parts that add up to ratios, in the order of the ratios, at least one each; [part]."""

    ratio: Int64[np.ndarray, " part"]
    """Which ratio it belongs to."""
    coefficient: Float[np.ndarray, " part"]
    """What multiplies the node."""
    month: Int32[np.ndarray, " part"]
    """First day of the month whose index multiplies the node, NO_DATE for none."""
    base: Int32[np.ndarray, " part"]
    """First day of the month whose index divides the node, NO_DATE for none."""
    special: Int32[np.ndarray, " part"]
    """Which of `specials`, -1 for none."""
    specials: SpecialFactors | None


def ratio_parts(ratios: IndexRatios, *, curve: Text) -> RatioParts:
    """The parts of ratios.

    Args:
        ratios: none with a missing level.
        curve: of each ratio, the curve of INFLATION that forecasts its index.
    """
    above, below, published = ratios.above, ratios.below, ratios.published
    count = published.size
    is_open = np.isnan(published)
    below_open = (below.month != NO_DATE).sum(axis=1)
    is_special = is_open & ((ratios.floor > NO_FLOOR) | (below_open > 1) | ((below_open == 1) & (below.known != 0.0)))
    is_split = is_open & ~is_special
    # A level below that is open is that of one month, with weight 1.
    denominator = np.where(below_open == 0, below.known, 1.0)
    coefficient = np.zeros((count, _ENTRIES))
    coefficient[:, 0] = np.where(is_open, np.where(is_split, above.known, 1.0), published)
    coefficient[:, 1:] = np.where(is_split[:, None], above.weight, 0.0)
    coefficient[is_split] /= denominator[is_split, None]
    month = np.concatenate([np.full((count, 1), NO_DATE, np.int32), above.month], axis=1)
    has_part = np.concatenate([(~is_split | (above.known != 0.0))[:, None], is_split[:, None] & (above.month != NO_DATE)], axis=1)
    base = np.where(is_split, below.month.max(axis=1, initial=NO_DATE), NO_DATE).astype(np.int32)
    ratio, place = np.nonzero(has_part)
    chosen = np.flatnonzero(is_special)
    number = np.full(count, -1, np.int32)
    number[chosen] = np.arange(chosen.size)
    return RatioParts(
        ratio=ratio,
        coefficient=coefficient[ratio, place],
        month=month[ratio, place],
        base=base[ratio],
        special=number[ratio],
        specials=_special_ratios(ratios, chosen, curve) if chosen.size else None,
    )


def _special_ratios(ratios: IndexRatios, chosen: np.ndarray, curve: Text) -> SpecialFactors:
    above, below = ratios.above.of(chosen), ratios.below.of(chosen)
    nothing = np.full((chosen.size, 1), NO_DATE, np.int32)
    return SpecialFactors(
        kind=np.full(chosen.size, SpecialKind.INDEX_RATIO, np.int8),
        rate_curve=Text(curve.codes[chosen], curve.names),
        hazard_curve=Text(np.full(chosen.size, -1, np.int32), ()),
        constant=ratios.floor[chosen],
        offsets=np.arange(0, _ENTRIES * chosen.size + 1, _ENTRIES, dtype=np.int64),
        start_day=np.concatenate([nothing, below.month], axis=1).ravel(),
        end_day=np.concatenate([nothing, above.month], axis=1).ravel(),
        weight=np.concatenate([above.known[:, None], above.weight], axis=1).ravel(),
        addend=np.concatenate([below.known[:, None], below.weight], axis=1).ravel(),
    )


def index_shapes(
    parts: RatioParts, *, pay_day: Int32[np.ndarray, " part"], shapes: tuple[Shape, ...], shape: Int32[np.ndarray, " part"], curve: Text
) -> tuple[tuple[Shape, ...], Int32[np.ndarray, " part"]]:
    """Shapes of parts, anchored on their pay days.

    Args:
        parts: of flows.
        pay_day: of each part.
        shapes: discounting, with terms on the anchor alone.
        shape: which one each part has.
        curve: of each part, the curve of INFLATION that forecasts its index.
    Returns:
        The shapes, beginning with those given, and int32[part].
    """
    lag = pay_day.astype(np.int64) - parts.month
    base_lag = pay_day.astype(np.int64) - parts.base
    of_part = shape.copy()
    grows = np.flatnonzero((parts.month != NO_DATE) | (parts.base != NO_DATE))
    if not grows.size:
        return shapes, of_part
    columns = (shape, curve.codes, np.where(parts.month == NO_DATE, NO_DATE, lag), np.where(parts.base == NO_DATE, NO_DATE, base_lag))
    keys, number = np.unique(np.stack([column[grows].astype(np.int64) for column in columns], axis=1), axis=0, return_inverse=True)
    made = []
    for given, code, above, below in keys.tolist():
        terms = [(above, -1), (below, 1)]
        made.append(
            (*shapes[given], *(Term(curve.names[code], days, sign, CurveKind.INFLATION) for days, sign in terms if days != NO_DATE))
        )
    of_part[grows] = len(shapes) + number.ravel()
    return (*shapes, *made), of_part


def curves_of(found: PriceIndices) -> Text:
    """[row]: the curve that forecasts the row's index; null for a row without a usable one."""
    return Text(found.code, tuple("" if index is None else index.forecast_curve for index in found.indices))


def refuse_missing(
    found: PriceIndices, rows: Int64[np.ndarray, " day"], levels: ReferenceLevels, *, status: np.ndarray, messages: dict[int, str]
) -> None:
    """Give rows with a missing level the status MISSING_FIXING and a message.

    Args:
        found: the indices of a batch.
        rows: the row that each level belongs to.
        levels: of some days.
        status: uint8[row], changed where it is OK.
        messages: of rows, added to.
    """
    is_missing = (levels.missing != NO_DATE) & (status[rows] == RowStatus.OK)
    for day in np.flatnonzero(is_missing)[::-1].tolist():  # the first one of a row is written last
        row = int(rows[day])
        index = found.indices[found.code[row]]
        assert index is not None
        status[row], messages[row] = RowStatus.MISSING_FIXING, missing_level(index, int(levels.missing[day]))
