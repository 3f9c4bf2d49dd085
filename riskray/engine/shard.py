"""Valuing one shard: contracts and a market in; result rows, failure rows and exact sums out. No I/O."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from pricers.contract.columns import Contracts, Text
from pricers.core.compiled import Compiled
from pricers.market.market import Market
from pricers.measures import SCALAR_MEASURES, Measure
from pricers.registry import PricerSpec, value_contracts
from pricers.status import RowStatus
from pricers.value.valuation import Valuation, value_cashflows
from riskray.engine.exact_sum import ExactSums
from riskray.engine.failure_messages import market_messages
from riskray.engine.plan import PositionRange
from riskray.engine.result_schema import FAILURE_SCHEMA, RESULT_SCHEMA, ROLLUP_MEASURES
from riskray.engine.stored_legs import StoredLegs, stored_legs
from riskray.engine.sums import FxSums, GroupSums, LadderSums, ShardSums

MESSAGE_LENGTH_MAX = 500


@dataclass(frozen=True)
class ShardPositions:
    """Positions of one product as a pricer and the rollups need them."""

    product: str
    first_position_no: int
    contracts: Contracts
    books: Text
    """[row]: never null."""
    currencies: Text
    """[row]: the position's currency, never null."""
    fields: Sequence[Mapping[str, Any]] = ()
    """Common fields a row, for pricers that are plain functions."""
    compiled: Compiled | None = None
    """For products that are sums of cash flows."""
    messages: Mapping[int, str] = field(default_factory=dict)
    """Row -> what is wrong with the contract itself, whatever the market."""
    counterparties: Text | None = None
    """[row]: never null; only scenario vectors need them."""

    @property
    def row_count(self) -> int:
        return self.contracts.row_count

    @property
    def numbers(self) -> PositionRange:
        return PositionRange(self.first_position_no, self.row_count)


@dataclass(frozen=True)
class ShardResult:
    """What a shard leaves behind."""

    results: pa.RecordBatch
    """RESULT_SCHEMA, one row a priced position."""
    failures: pa.RecordBatch
    """FAILURE_SCHEMA, one row a failed position."""
    sums: ShardSums
    seconds: Mapping[str, float]

    @property
    def ok_count(self) -> int:
        return int(self.results.num_rows)

    @property
    def failed_count(self) -> int:
        return int(self.failures.num_rows)


def value_shard(positions: ShardPositions, *, spec: PricerSpec, market: Market, measures: frozenset[Measure]) -> ShardResult:
    """Value the positions of one shard. A row that cannot be priced is a row of `failures`.

    Raises ValueError when the pricer breaks its contract: another number of rows, or a number where the status says that there is none.
    """
    started = time.perf_counter()
    if positions.compiled is not None:
        valuation = value_cashflows(positions.compiled, market=market, measures=measures)
    else:
        valuation = value_contracts(spec, positions.contracts, market=market, measures=measures, positions=positions.fields)
    valued = time.perf_counter()
    if positions.compiled is not None:
        messages = {**positions.messages, **market_messages(positions.compiled, valuation.status, market=market), **valuation.messages}
        valuation = replace(valuation, messages=messages)
    result = shard_result(positions, valuation, market=market, measures=measures)
    seconds = {"value": valued - started, "gather": time.perf_counter() - valued}
    return ShardResult(result.results, result.failures, result.sums, seconds)


def shard_result(positions: ShardPositions, valuation: Valuation, *, market: Market, measures: frozenset[Measure]) -> ShardResult:
    """The rows and sums of a valuation."""
    _check(positions, valuation)
    is_ok = valuation.status == int(RowStatus.OK)
    legs = stored_legs(valuation, positions.compiled, market=market)
    return ShardResult(
        results=_result_rows(valuation, legs, is_ok, first_position_no=positions.first_position_no, measures=measures),
        failures=_failure_rows(valuation, is_ok, first_position_no=positions.first_position_no),
        sums=sums_of(positions, valuation.values, legs, is_ok, market=market, measures=measures),
        seconds={},
    )


def failed_shard(positions: ShardPositions, *, status: RowStatus, message: str | None = None) -> ShardResult:
    """Every position of the shard fails for one reason."""
    rows = positions.row_count
    numbers = np.arange(positions.first_position_no, positions.first_position_no + rows, dtype=np.int32)
    text = storable(message or status.message)
    columns = [pa.array(numbers), *(pa.array([word] * rows, pa.string()) for word in (status.name, text, status.remedy))]
    return ShardResult(
        results=pa.RecordBatch.from_pylist([], schema=RESULT_SCHEMA),
        failures=pa.RecordBatch.from_arrays(columns, schema=FAILURE_SCHEMA),
        sums=ShardSums(
            _group_sums(positions, np.zeros(rows, np.bool_), {}),
            FxSums([], ExactSums(0)),
            LadderSums([], np.empty(0, np.int64), ExactSums(0)),
        ),
        seconds={},
    )


def storable(message: str) -> str:
    """A message as Postgres takes it: without zero bytes and halves of characters, which a pricer's error may hold, and not too long."""
    return message[:MESSAGE_LENGTH_MAX].replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()


def _check(positions: ShardPositions, valuation: Valuation) -> None:
    rows = positions.row_count
    sizes = {"status": valuation.status.size, "factor_offsets": valuation.factor_offsets.size - 1}
    sizes |= {measure.value: array.size for measure, array in valuation.values.items()}
    sizes |= {"books": positions.books.codes.size, "currencies": positions.currencies.codes.size}
    wrong = {name: size for name, size in sizes.items() if size != rows}
    if wrong:
        raise ValueError(f"product {positions.product}: {rows} positions were given, but there are {wrong}")
    is_failed = valuation.status != int(RowStatus.OK)
    mixed = np.flatnonzero(np.isnan(valuation.values[Measure.PV]) != is_failed)
    if mixed.size:
        row = int(mixed[0])
        raise ValueError(
            f"product {positions.product}, position number {positions.first_position_no + row}: "
            f"status {RowStatus(valuation.status[row]).name} with a present value of {valuation.values[Measure.PV][row]}"
        )
    if np.any(np.diff(valuation.factor_offsets)[is_failed]):
        raise ValueError(f"product {positions.product}: a failed row has sensitivities")


def _result_rows(
    valuation: Valuation, legs: StoredLegs, is_ok: np.ndarray, *, first_position_no: int, measures: frozenset[Measure]
) -> pa.RecordBatch:
    rows = np.flatnonzero(is_ok)
    columns: list[pa.Array] = [pa.array((rows + first_position_no).astype(np.int32))]
    for measure in SCALAR_MEASURES:
        values = valuation.values.get(measure)
        # from_pandas: NaN becomes null
        columns.append(pa.nulls(rows.size, pa.float64()) if values is None else pa.array(values[rows], pa.float64(), from_pandas=True))
    # Failed rows have no legs, so the legs of the others follow each other without a gap.
    leg_offsets = np.append(legs.leg_offsets[:-1][rows], legs.leg_offsets[-1])
    has_legs = not measures.isdisjoint({Measure.FX_DELTA, Measure.KEY_RATE_DV01})
    columns.append(_lists(leg_offsets, legs.leg_curve, pa.int16(), wanted=has_legs))
    columns.append(_lists(leg_offsets, legs.leg_fx_delta, pa.float64(), wanted=Measure.FX_DELTA in measures))
    key_rate_offsets = legs.key_rate_offsets[leg_offsets]
    columns.append(_lists(key_rate_offsets, legs.key_rate_dv01, pa.float64(), wanted=Measure.KEY_RATE_DV01 in measures))
    return pa.RecordBatch.from_arrays(columns, schema=RESULT_SCHEMA)


def _lists(offsets: np.ndarray, values: np.ndarray, kind: pa.DataType, *, wanted: bool = True) -> pa.Array:
    if not wanted:
        return pa.nulls(offsets.size - 1, pa.list_(kind))
    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), pa.array(values, kind), type=pa.list_(kind))


def _failure_rows(valuation: Valuation, is_ok: np.ndarray, *, first_position_no: int) -> pa.RecordBatch:
    rows = np.flatnonzero(~is_ok)
    statuses = [RowStatus(code) for code in valuation.status[rows].tolist()]
    messages = [valuation.messages.get(row, status.message) for row, status in zip(rows.tolist(), statuses, strict=True)]
    return pa.RecordBatch.from_arrays(
        [
            pa.array((rows + first_position_no).astype(np.int32)),
            pa.array([status.name for status in statuses], pa.string()),
            pa.array([storable(message) for message in messages], pa.string()),
            pa.array([status.remedy for status in statuses], pa.string()),
        ],
        schema=FAILURE_SCHEMA,
    )


def sums_of(
    positions: ShardPositions,
    values: Mapping[Measure, np.ndarray],
    legs: StoredLegs,
    is_ok: np.ndarray,
    *,
    market: Market,
    measures: frozenset[Measure],
) -> ShardSums:
    """The exact sums of a valuation under `market`; `is_ok`: bool[row]."""
    leg_counts = np.diff(legs.leg_offsets)
    leg_book = np.repeat(positions.books.codes, leg_counts)
    return ShardSums(
        _group_sums(positions, is_ok, values),
        _fx_sums(positions, legs, leg_book, wanted=Measure.FX_DELTA in measures),
        _ladder_sums(positions, legs, leg_book, market=market),
    )


def _group_sums(positions: ShardPositions, is_ok: np.ndarray, values: Mapping[Measure, np.ndarray]) -> GroupSums:
    books, currencies = positions.books, positions.currencies
    pairs, group = _number(books.codes, currencies.codes, len(currencies.names))
    sums = ExactSums(len(pairs) * len(ROLLUP_MEASURES))
    for number, measure in enumerate(ROLLUP_MEASURES):
        if measure in values:
            rows = np.flatnonzero(~np.isnan(values[measure]))  # NaN: failed, or the product has not got the measure
            sums.add(group[rows] * len(ROLLUP_MEASURES) + number, values[measure][rows])
    return GroupSums(
        [(books.names[book], positions.product, currencies.names[currency]) for book, currency in pairs],
        np.bincount(group[is_ok], minlength=len(pairs)),
        np.bincount(group[~is_ok], minlength=len(pairs)),
        sums,
    )


def _fx_sums(positions: ShardPositions, legs: StoredLegs, leg_book: np.ndarray, *, wanted: bool) -> FxSums:
    if not wanted:
        return FxSums([], ExactSums(0))
    currencies = legs.leg_currency
    pairs, group = _number(leg_book, currencies.codes, len(currencies.names))
    sums = ExactSums(len(pairs))
    sums.add(group, legs.leg_fx_delta)
    return FxSums([(positions.books.names[book], positions.product, currencies.names[currency]) for book, currency in pairs], sums)


def _ladder_sums(positions: ShardPositions, stored: StoredLegs, leg_book: np.ndarray, *, market: Market) -> LadderSums:
    bucket_counts = np.diff(stored.key_rate_offsets)
    legs = np.flatnonzero(bucket_counts)
    pairs, ladder = _number(leg_book[legs], stored.leg_curve[legs], len(market.curves))
    pillar_counts = np.array([market.curves[curve].pillar_days.size for _, curve in pairs], np.int64)
    if not np.array_equal(bucket_counts[legs], pillar_counts[ladder]):
        raise ValueError(f"product {positions.product}: a leg has not one key rate for each pillar of its discount curve")
    first_bucket = np.concatenate([np.zeros(1, np.int64), np.cumsum(pillar_counts)])
    # Bucket b of a leg is pillar b of its curve.
    pillar = np.arange(stored.key_rate_dv01.size) - np.repeat(stored.key_rate_offsets[:-1], bucket_counts)
    sums = ExactSums(int(first_bucket[-1]))
    sums.add(np.repeat(first_bucket[ladder], bucket_counts[legs]) + pillar, stored.key_rate_dv01)
    return LadderSums([(positions.books.names[book], positions.product, curve) for book, curve in pairs], pillar_counts, sums)


def _number(first: np.ndarray, second: np.ndarray, second_count: int) -> tuple[list[tuple[int, int]], np.ndarray]:
    """Number the pairs that occur: the pairs, sorted, and each element's number."""
    unique, number = np.unique(first.astype(np.int64) * max(second_count, 1) + second, return_inverse=True)
    return [divmod(code, max(second_count, 1)) for code in unique.tolist()], number.astype(np.int64)
