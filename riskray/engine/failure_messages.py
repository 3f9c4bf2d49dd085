"""Messages of failed rows: the status in words, and the terms of the contract to which it refers."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from pricers.contract.columns import NO_DATE, NO_INTEGER, Column, Columns, Contracts, Kind
from pricers.core.binding import KINDS
from pricers.core.compiled import Compiled
from pricers.flows.cashflows import NO_CURVE
from pricers.market.market import CurveKind, Market
from pricers.market.units import price_unit
from pricers.status import RowStatus

LIST_ITEMS_SHOWN: Final = 5

# The kinds of columns that a status is about.
_KINDS: Final[dict[RowStatus, tuple[Kind, ...]]] = {
    RowStatus.MATURED: ("date",),
    RowStatus.INVALID_DATES: ("date",),
    RowStatus.DATE_OUT_OF_RANGE: ("date", "date_list"),
    RowStatus.INVALID_SCHEDULE: ("date", "choice", "boolean"),
    RowStatus.INVALID_AMOUNT: ("float",),
    RowStatus.INVALID_PRINCIPAL: ("float", "date_list", "float_list"),
    RowStatus.NOT_FINITE: ("float",),
}
_ABOUT_CALENDARS: Final = (RowStatus.INVALID_SCHEDULE,)
_ABOUT_CURRENCIES: Final = (RowStatus.INVALID_AMOUNT,)  # a forward between a currency and itself


def contract_messages(status: np.ndarray, *, columns: Columns, contracts: Contracts) -> dict[int, str]:
    """Row -> message for the rows whose contract is wrong by itself, with the terms that its status is about."""
    return {
        row: _sentence(RowStatus(status[row]), _terms(RowStatus(status[row]), columns, contracts, row))
        for row in np.flatnonzero(status != int(RowStatus.OK)).tolist()
    }


def market_messages(compiled: Compiled, status: np.ndarray, *, market: Market) -> dict[int, str]:
    """Row -> message for the rows whose data a market lacks, with the missing names."""
    rows = np.flatnonzero((status != int(RowStatus.OK)) & (compiled.status == int(RowStatus.OK)))
    return {row: _sentence(RowStatus(status[row]), _gaps(RowStatus(status[row]), compiled, row, market)) for row in rows.tolist()}


def _sentence(status: RowStatus, details: Iterator[str]) -> str:
    shown = ", ".join(dict.fromkeys(details))
    return f"{status.message}: {shown}" if shown else status.message


def _terms(status: RowStatus, columns: Columns, contracts: Contracts, row: int) -> Iterator[str]:
    for column in columns:
        value = _shown(column, contracts, row)
        if column.kind in _KINDS.get(status, ()):
            if value is not None and not (column.kind in ("choice", "boolean") and value == str(column.default)):
                yield f"{column.name} {value}"
            elif column.kind == "float":
                yield f"{column.name} none"
        elif value is not None and (
            (column.references == "calendar" and status in _ABOUT_CALENDARS)
            or (column.references == "currency" and status in _ABOUT_CURRENCIES)
        ):
            yield f"{column.name} {value}"


def _gaps(status: RowStatus, compiled: Compiled, row: int, market: Market) -> Iterator[str]:
    sets, places = compiled.sets, {key: market.resolve(key[1], KINDS[key[0]]) for key in compiled.sets.curves}
    for leg in range(compiled.leg_offsets[row], compiled.leg_offsets[row + 1]):
        number, unit = int(sets.leg_set[leg]), compiled.leg_currency[leg] or ""
        security, currency = price_unit(unit), market.currency_of(unit)
        keys = [sets.curves[curve] for curve in sets.set_curve[sets.curve_offsets[number] : sets.curve_offsets[number + 1]].tolist()]
        match status:
            case RowStatus.MISSING_CURVE | RowStatus.MISSING_SPREAD_CURVE:
                is_spread = status is RowStatus.MISSING_SPREAD_CURVE
                missing = [key for key in keys if places[key] is None and (KINDS[key[0]] is CurveKind.SPREAD) == is_spread]
                yield from (_unresolved(name, market) for _, name in missing)
            case RowStatus.MISSING_PRICE if security is not None and currency is None:
                yield security.price
            case RowStatus.MISSING_FX if currency != market.base_currency and currency not in market.fx_to_base:
                yield f"{currency} to {market.base_currency}"
            case RowStatus.CURVE_CURRENCY_MISMATCH:
                rates = [market.curves[place] for key in keys if (place := places[key]) is not None]
                yield from (
                    f"{curve.name} is in {curve.currency}, the cash flows in {currency}"
                    for curve in rates
                    if curve.kind is CurveKind.RATE and curve.currency != currency
                )


def _unresolved(name: str, market: Market) -> str:
    """The name, and what the market has under it."""
    if name == NO_CURVE:
        return "none is named"
    place = market.curve_index.get(name)
    return name if place is None else f"{name} (a {market.curves[place].kind} curve)"


def _shown(column: Column, contracts: Contracts, row: int) -> str | None:
    """The value as a file would have it; None for a null."""
    match column.kind:
        case "text":
            return contracts.text(column.name)[row]
        case "date_list" | "float_list":
            data = contracts.ragged(column.name)
            items = data.values[data.offsets[row] : data.offsets[row + 1]].tolist()
            texts = [_scalar(column, column.kind.removesuffix("_list"), item) or "" for item in items[:LIST_ITEMS_SHOWN]]
            return ";".join([*texts, *(["..."] if len(items) > LIST_ITEMS_SHOWN else [])]) or None
        case _:
            return _scalar(column, column.kind, contracts.array(column.name)[row].item())


def _scalar(column: Column, kind: str, value: float) -> str | None:
    match kind:
        case "float":
            return None if np.isnan(value) else f"{value:.12g}"
        case "date":
            return None if value == NO_DATE else str(np.datetime64(int(value), "D"))
        case "integer":
            return None if value == NO_INTEGER else str(value)
        case "choice":
            return None if value < 0 else column.allowed[int(value)]
        case _:
            return str(bool(value))
