"""Valuing one shard: contracts and a market in; result rows and failure rows out. No I/O."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from pricers.contract.columns import Contracts, Text
from pricers.core.compiled import Compiled
from pricers.market.factors import factors_of
from pricers.market.market import Market
from pricers.measures import SCALAR_MEASURES, Measure
from pricers.registry import PricerSpec, value_contracts
from pricers.status import RowStatus
from pricers.value.valuation import Valuation, value_cashflows
from riskray.engine.failure_messages import market_messages
from riskray.engine.plan import PositionRange
from riskray.engine.result_schema import FACTOR_MEASURES, FAILURE_SCHEMA, RESULT_SCHEMA

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
    seconds: Mapping[str, float] = field(default_factory=dict)
    """By phase."""

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
    return replace(result, seconds={"value": valued - started, "gather": time.perf_counter() - valued})


def shard_result(positions: ShardPositions, valuation: Valuation, *, market: Market, measures: frozenset[Measure]) -> ShardResult:
    """The rows of a valuation. Raises ValueError as `value_shard`."""
    _check(positions, valuation)
    _check_ladders(positions, valuation, market=market)
    is_ok = valuation.status == int(RowStatus.OK)
    return ShardResult(
        results=_result_rows(valuation, is_ok, first_position_no=positions.first_position_no, measures=measures),
        failures=_failure_rows(valuation, is_ok, first_position_no=positions.first_position_no),
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
    )


def joined(parts: Sequence[ShardResult]) -> ShardResult:
    """The rows of several parts of a shard, given in order of their positions. Raises ValueError where there is no part."""
    return ShardResult(pa.concat_batches([part.results for part in parts]), pa.concat_batches([part.failures for part in parts]))


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


def _check_ladders(positions: ShardPositions, valuation: Valuation, *, market: Market) -> None:
    factors = factors_of(market)
    is_dense = np.array([not factor.is_sparse for factor in factors], np.bool_)[valuation.factor_nos]
    bucket_counts = np.array([len(factor.bucket_labels) for factor in factors], np.int64)[valuation.factor_nos]
    wrong = np.flatnonzero(is_dense & (np.diff(valuation.bucket_offsets) != bucket_counts))
    if wrong.size:
        factor = factors[int(valuation.factor_nos[wrong[0]])]
        raise ValueError(f"product {positions.product}: a ladder does not have one number for each bucket of {factor.kind} {factor.name}")


def _result_rows(valuation: Valuation, is_ok: np.ndarray, *, first_position_no: int, measures: frozenset[Measure]) -> pa.RecordBatch:
    rows = np.flatnonzero(is_ok)
    columns: list[pa.Array] = [pa.array((rows + first_position_no).astype(np.int32))]
    for measure in SCALAR_MEASURES:
        values = valuation.values.get(measure)
        # from_pandas: NaN becomes null
        columns.append(pa.nulls(rows.size, pa.float64()) if values is None else pa.array(values[rows], pa.float64(), from_pandas=True))
    # Failed rows have no factors, so the entries of the others follow each other without a gap.
    offsets = np.append(valuation.factor_offsets[:-1][rows], valuation.factor_offsets[-1])
    wanted = not measures.isdisjoint(FACTOR_MEASURES)
    columns.append(_lists(offsets, valuation.factor_nos, pa.int16(), wanted=wanted))
    columns.append(_lists(valuation.bucket_offsets[offsets], valuation.sensitivities, pa.float64(), wanted=wanted))
    return pa.RecordBatch.from_arrays(columns, schema=RESULT_SCHEMA)


def _lists(offsets: np.ndarray, values: np.ndarray, kind: pa.DataType, *, wanted: bool) -> pa.Array:
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
