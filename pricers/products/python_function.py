"""Pricers that are plain Python functions: one call a position, in the same batches and with the same per-row outcomes as any other.

For existing QuantLib engines and for prototypes; a product that is a sum of fixed cash flows is a hundred times faster as a `lower`.
"""

import datetime
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, runtime_checkable

import numpy as np

from pricers.contract.columns import INSTRUMENT, NO_DATE, NO_INTEGER, Column, Columns, Contracts, Text
from pricers.market.factors import currency_numbers
from pricers.market.market import Market
from pricers.measures import FX_SHIFT, SCALAR_MEASURES, Measure
from pricers.status import RowStatus
from pricers.value.valuation import Valuation

SCALAR_PRICER_MEASURES: Final = frozenset(SCALAR_MEASURES)
"""A function may return any scalar measure; key rates need a product with cash flows."""

SCALAR_COLUMNS: Final = Columns(
    Column("currency", "text", "currency of the measures", required=True, references="currency", example="EUR"),
    Column("notional", "float", "signed notional", unit="currency", required=True, example=1_000_000.0),
    Column(INSTRUMENT, "text", "the contract's terms as a JSON object", example='{"strike": 1.1}'),
)


@runtime_checkable
class ScalarPrice(Protocol):
    """Values one position.

    Args:
        position: the common fields (position_id, book, ...); empty where the caller has none.
        instrument: the contract's terms: the columns by name, with the JSON of the column `instrument` opened. Dates are `datetime.date`.
        market_snapshot: curves and exchange rates.
        measures: names of the measures asked for, among them "pv".
        scenario_id: name of the market's state, "BASE" outside scenarios.
    Returns:
        Measure name -> number. "pv", in the instrument's currency, must be there; "pv_base" and "fx_delta" follow from it where absent.
    Raises:
        Anything: the row fails with PRICER_ERROR and the exception's text; its neighbours are priced.
    """

    def __call__(
        self,
        position: Mapping[str, Any],
        instrument: Mapping[str, Any],
        market_snapshot: Market,
        measures: frozenset[str],
        scenario_id: str,
    ) -> Mapping[str, float]: ...


@dataclass
class _Rows:
    """What has been collected so far."""

    status: np.ndarray
    values: dict[Measure, np.ndarray]
    messages: dict[int, str] = field(default_factory=dict)

    def fail(self, row: int, status: RowStatus, message: str) -> None:
        self.status[row] = status
        self.messages[row] = message
        for values in self.values.values():
            values[row] = np.nan


@dataclass(frozen=True)
class ScalarPricer:
    """A plain function as the `value` of a `PricerSpec`."""

    price: ScalarPrice
    columns: Columns

    def __post_init__(self) -> None:
        missing = [name for name in ("currency", "notional") if name not in self.columns]
        if missing:
            raise ValueError(f"a pricer that is a function needs the columns currency and notional; {missing} missing")

    def __call__(
        self,
        contracts: Contracts,
        *,
        market: Market,
        measures: frozenset[Measure],
        positions: Sequence[Mapping[str, Any]] = (),
        scenario_id: str = "BASE",
    ) -> Valuation:
        """Call the function for every row. Raises ValueError where there are positions, but not one a row."""
        if len(positions) not in (0, contracts.row_count):
            raise ValueError(f"give the fields of {contracts.row_count} positions or of none, not of {len(positions)}")
        wanted = (measures & SCALAR_PRICER_MEASURES) | {Measure.PV, Measure.PV_BASE}
        computed = wanted | {Measure.FX_DELTA}
        rows = _Rows(
            status=np.full(contracts.row_count, RowStatus.OK, np.uint8),
            values={measure: np.full(contracts.row_count, np.nan) for measure in SCALAR_MEASURES if measure in computed},
        )
        for row in range(contracts.row_count):
            position = positions[row] if positions else {}
            try:
                instrument = instrument_of(contracts, row, columns=self.columns)
                names = frozenset(measure.value for measure in wanted)
                result = checked_measures(self.price(position, instrument, market, names, scenario_id))
            except (Exception, SystemExit) as error:  # whatever the function raises is this row's outcome; scripts like to end the process
                rows.fail(row, RowStatus.PRICER_ERROR, f"{type(error).__name__}: {error}")
                continue
            _fill_row(rows, row, result, currency=instrument["currency"], market=market)
        return _valuation(rows, wanted, contracts.text("currency"), market)


def instrument_of(contracts: Contracts, row: int, *, columns: Columns) -> dict[str, Any]:
    """One contract's terms as plain Python values: dates, names of choices, lists, None for null; JSON of a column `instrument` opened.

    Raises:
        ValueError: the text of the column `instrument` is not a JSON object.
    """
    terms = {column.name: _plain(contracts, column, row) for column in columns}
    text = terms.pop(INSTRUMENT, None)
    if isinstance(text, str):
        opened = json.loads(text)
        if not isinstance(opened, dict):
            raise ValueError(f"the column instrument must hold a JSON object, holds {text[:80]!r}")
        return {**opened, **terms}
    return terms


def _plain(contracts: Contracts, column: Column, row: int) -> Any:
    match column.kind:
        case "text":
            return contracts.text(column.name)[row]
        case "date_list" | "float_list":
            ragged = contracts.ragged(column.name)
            items: Iterable[Any] = ragged.values[ragged.offsets[row] : ragged.offsets[row + 1]].tolist()
            return [_date(item) for item in items] if column.kind == "date_list" else list(items)
        case "date":
            day = int(contracts.array(column.name)[row])
            return None if day == NO_DATE else _date(day)
        case "choice":
            code = int(contracts.array(column.name)[row])
            return None if code < 0 else column.allowed[code]
        case "integer":
            number = int(contracts.array(column.name)[row])
            return None if number == NO_INTEGER else number
        case "boolean":
            return bool(contracts.array(column.name)[row])
        case "float":
            value = float(contracts.array(column.name)[row])
            return None if math.isnan(value) else value


def _date(day: int) -> datetime.date:
    return datetime.date(1970, 1, 1) + datetime.timedelta(days=day)


def checked_measures(result: object) -> dict[Measure, float]:
    """The function's result with measure names checked and numbers as floats.

    Raises:
        TypeError: not a mapping, or a value is not a number.
        ValueError: an unknown measure, or no "pv".
    """
    if not isinstance(result, Mapping):
        raise TypeError(f"the pricer returned {type(result).__name__}, expected a mapping from measure to number")
    unknown = sorted(set(result) - {measure.value for measure in SCALAR_PRICER_MEASURES})
    if unknown:
        raise ValueError(f"the pricer returned unknown measures {unknown}; known: {sorted(SCALAR_PRICER_MEASURES)}")
    if Measure.PV.value not in result:
        raise ValueError(f"the pricer returned no 'pv', only {sorted(result)}")
    return {Measure(name): float(value) for name, value in result.items()}


def _fill_row(rows: _Rows, row: int, result: dict[Measure, float], *, currency: str | None, market: Market) -> None:
    if currency is None or (currency != market.base_currency and currency not in market.fx_to_base):
        rows.status[row] = RowStatus.MISSING_FX
        return
    result.setdefault(Measure.PV_BASE, result[Measure.PV] * market.fx(currency))
    result.setdefault(Measure.FX_DELTA, 0.0 if currency == market.base_currency else FX_SHIFT * result[Measure.PV_BASE])
    for measure, values in rows.values.items():
        values[row] = result.get(measure, np.nan)
    infinite = [measure.value for measure, value in result.items() if not math.isfinite(value)]
    if infinite:
        rows.fail(row, RowStatus.NOT_FINITE, f"the pricer returned {', '.join(f'{name} = {result[Measure(name)]}' for name in infinite)}")


def _valuation(rows: _Rows, wanted: frozenset[Measure], currency: Text, market: Market) -> Valuation:
    """With the FX delta of a row in foreign currency as that currency's sensitivity."""
    numbers = currency_numbers(market)
    number = np.array([*(numbers.get(name, -1) for name in currency.names), -1], np.int16)[currency.codes]
    has_factor = (rows.status == RowStatus.OK) & (number >= 0) & (Measure.FX_DELTA in wanted)
    count = int(has_factor.sum())
    return Valuation(
        status=rows.status,
        messages=rows.messages,
        values={measure: values for measure, values in rows.values.items() if measure in wanted},
        factor_offsets=np.concatenate([[0], np.cumsum(has_factor)]).astype(np.int64),
        factor_nos=number[has_factor],
        bucket_offsets=np.arange(count + 1, dtype=np.int64),
        sensitivities=rows.values[Measure.FX_DELTA][has_factor],
    )
