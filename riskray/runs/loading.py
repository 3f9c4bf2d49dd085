"""Stored snapshots as the engine takes them."""

import time
from dataclasses import replace

import pyarrow as pa

from pricers.contract.columns import Contracts, Text
from pricers.market.market import Market, Scenarios
from pricers.registry import PricerSpec, UnknownProductError, compile_contracts, pricer
from riskray.engine.failure_messages import contract_messages
from riskray.engine.plan import PositionRange
from riskray.engine.shard import ShardPositions
from riskray.models.instrument import UNASSIGNED
from riskray.portfolio.batches import decode_batch
from riskray.portfolio.contracts import contracts_from_arrow, position_fields
from riskray.scenario.bind import bind_scenarios
from riskray.scenario.codec import decode
from riskray.snapshots.kinds import SCENARIO_SETS
from riskray.store import snapshots
from riskray.store.database import Database
from riskray.store.portfolios import read_batches

_CURRENCY_COLUMN = "currency"


def load_scenarios(database: Database, *, scenario_set_no: int, market: Market) -> Scenarios:
    """A stored scenario set as moves of a market. Raises InvalidRequest that names the factors that the market lacks."""
    payload = snapshots.read_payload(database, SCENARIO_SETS, scenario_set_no)
    return bind_scenarios(decode(payload), market=market).scenarios


def load_table(database: Database, *, portfolio_no: int, numbers: PositionRange) -> pa.Table:
    """The contracts of a range of positions of one product."""
    parts = []
    for batch in read_batches(database, portfolio_no=portfolio_no, numbers=numbers):
        start = max(numbers.first - batch.numbers.first, 0)
        end = min(numbers.end - batch.numbers.first, batch.numbers.count)
        parts.append(decode_batch(batch.payload).slice(start, end - start))
    return pa.Table.from_batches(parts)


def load_positions(
    database: Database, *, portfolio_no: int, product: str, numbers: PositionRange, market: Market
) -> tuple[ShardPositions, dict[str, float]]:
    """A shard's positions, compiled for the market's date and fixings, and the seconds spent on reading and lowering."""
    started = time.perf_counter()
    table = load_table(database, portfolio_no=portfolio_no, numbers=numbers)
    read = time.perf_counter()
    positions = prepare_positions(table, product=product, first_position_no=numbers.first, market=market)
    return positions, {"read": read - started, "lower": time.perf_counter() - read}


def prepare_positions(table: pa.Table, *, product: str, first_position_no: int, market: Market) -> ShardPositions:
    """Contracts of one product from Arrow, compiled for the market's date and fixings where the product is a sum of cash flows."""
    described = describe_positions(table, product=product, first_position_no=first_position_no)
    spec = find_pricer(product)
    if spec is None:
        return described
    contracts = contracts_from_arrow(spec.columns, table)
    if spec.lower is None:
        return replace(described, contracts=contracts, fields=position_fields(product, table))
    # What is compiled needs no contracts any more, and they would double the size of a cached shard.
    compiled = compile_contracts(spec, contracts, as_of=market.as_of, fixings=market.fixings)
    messages = contract_messages(compiled.status, columns=spec.columns, contracts=contracts)
    return replace(described, compiled=compiled, messages=messages)


def describe_positions(table: pa.Table, *, product: str, first_position_no: int) -> ShardPositions:
    """Book and currency of positions, without their contract terms: all that is needed to fail them."""
    spec = find_pricer(product)
    currency = _CURRENCY_COLUMN if spec is None else spec.native_currency
    currencies = text_of(table.column(currency)) if currency in table.schema.names else Text.of([""] * table.num_rows)
    books, counterparties = (text_of(table.column(name), null=UNASSIGNED) for name in ("book", "counterparty"))
    return ShardPositions(product, first_position_no, Contracts(table.num_rows, {}), books, currencies, counterparties=counterparties)


def find_pricer(product: str) -> PricerSpec | None:
    """The pricer of a product; None where this process knows none."""
    try:
        return pricer(product)
    except UnknownProductError:
        return None


def text_of(column: pa.ChunkedArray, *, null: str = "") -> Text:
    """A string or dictionary column as codes and names; `null` stands where nothing is given."""
    array = column.cast(pa.string()).fill_null(null).combine_chunks().dictionary_encode()
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0)
    return Text(array.indices.to_numpy(zero_copy_only=False), tuple(array.dictionary.to_pylist()))
