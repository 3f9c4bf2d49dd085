"""P&L explain on warm actors: the parts that two runs are cut into, what an actor does with one, and what it answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pricers.core.compiled import compile_cashflows
from pricers.market.market import Market
from pricers.measures import Measure
from pricers.registry import PricerSpec, compile_contracts
from pricers.status import RowStatus
from pricers.value.pnl_attribution import PnlExplanation, explain_pnl
from riskray.engine.plan import PositionRange
from riskray.models.instrument import UNASSIGNED
from riskray.portfolio.contracts import contracts_from_arrow
from riskray.runs import loading
from riskray.store.database import Database
from riskray.store.portfolios import read_products, stream_positions

PNL_PARTS: Final = (
    "pv_t0", "pv_t1", "cash_received", "pnl", "carry", "rates", "credit", "fx", "opened", "closed", "residual", "fixing",
)  # fmt: skip
PNL_SCHEMA: Final = pa.schema(
    [
        ("position_id", pa.string()),
        ("product", pa.string()),
        ("book", pa.string()),
        ("counterparty", pa.string()),
        ("currency", pa.string()),
        ("code", pa.string()),
        *((name, pa.float64()) for name in PNL_PARTS),
    ]
)
"""One row a position; a position whose contract changed has two, one closed and one opened. `code`: null where it is explained."""
BUCKET_SCHEMA: Final = pa.schema([("curve", pa.string()), ("pillar", pa.string()), ("pillar_days", pa.int32()), ("rates", pa.float64())])
"""P&L from each pillar of each discount curve, base currency."""


@dataclass(frozen=True)
class PnlPart:
    """Positions of one product that two runs are compared on."""

    product: str
    market_id_t0: str
    market_id_t1: str
    as_of_t0: date
    as_of_t1: date
    base_currency: str
    portfolio_no_t0: int
    portfolio_no_t1: int
    numbers: PositionRange
    """Of the earlier portfolio."""
    later_position_nos: bytes | None = None
    """int32 of each row: its number in the later portfolio, -1 if that lacks the position; None if the portfolios are the same."""
    added_position_nos: bytes = b""
    """int32: numbers in the later portfolio of positions that the earlier portfolio lacks."""


def plan_parts(
    database: Database, *, before: Mapping[str, Any], after: Mapping[str, Any], as_of_t0: date, as_of_t1: date, rows_per_part: int
) -> list[PnlPart]:
    """Cut two runs (their `run_keys`) into parts, product by product, in order of position_no."""
    portfolios = before["portfolio_no"], after["portfolio_no"]
    same = portfolios[0] == portfolios[1]
    later_of = None if same else _later_positions(database, *portfolios)
    parts = []
    ranges = {found.product: found.numbers for found in read_products(database, portfolio_no=portfolios[0])}
    added = {} if later_of is None else later_of.added
    for product in sorted({*ranges, *added}):
        held = ranges.get(product, PositionRange(0, 0))
        new = added.get(product, np.empty(0, np.int32))
        for start in range(0, max(held.count, new.size), rows_per_part):
            size = max(0, min(rows_per_part, held.count - start))
            numbers = PositionRange(held.first + start, size)
            parts.append(
                PnlPart(
                    product=product,
                    market_id_t0=before["market_id"],
                    market_id_t1=after["market_id"],
                    as_of_t0=as_of_t0,
                    as_of_t1=as_of_t1,
                    base_currency=before["base_currency"],
                    portfolio_no_t0=portfolios[0],
                    portfolio_no_t1=portfolios[1],
                    numbers=numbers,
                    later_position_nos=None if later_of is None else later_of.later_no[numbers.first : numbers.end].tobytes(),
                    added_position_nos=new[start : start + rows_per_part].tobytes(),
                )
            )
    return parts


@dataclass(frozen=True)
class _LaterPositions:
    later_no: np.ndarray
    """int32[position_no of the earlier portfolio]: number in the later one, -1 if that lacks the position."""
    added: Mapping[str, np.ndarray]
    """By product the numbers, int32, of positions that only the later portfolio has."""


def _later_positions(database: Database, portfolio_no_t0: int, portfolio_no_t1: int) -> _LaterPositions:
    """A position is known by its id and product, whatever its number."""
    tables = []
    for portfolio_no in (portfolio_no_t0, portfolio_no_t1):
        with stream_positions(database, portfolio_no=portfolio_no) as reader:
            tables.append(reader.read_all().select(["product", "position_id"]).combine_chunks())
    earlier, later = (pc.binary_join_element_wise(table.column("product"), table.column("position_id"), "\x1f") for table in tables)
    later_no = pc.fill_null(pc.index_in(earlier, later), -1).to_numpy().astype(np.int32)
    is_new = pc.is_null(pc.index_in(later, earlier)).to_numpy()
    products = tables[1].column("product").to_numpy()
    return _LaterPositions(later_no, {name: np.flatnonzero(is_new & (products == name)).astype(np.int32) for name in set(products[is_new])})


@dataclass(frozen=True)
class _Rows:
    """Contracts to be explained, and which portfolio holds them."""

    table: pa.Table
    in_t0: np.ndarray
    in_t1: np.ndarray


def explain_part(database: Database, part: PnlPart, *, load_market: Callable[[str, str], Market]) -> dict[str, pa.Table]:
    """PNL_SCHEMA as `positions` and BUCKET_SCHEMA as `buckets`. A product that is no sum of cash flows fails with UNSUPPORTED_PRODUCT."""
    rows = _rows(database, part)
    market_t0, market_t1 = load_market(part.market_id_t0, part.base_currency), load_market(part.market_id_t1, part.base_currency)
    spec = loading.find_pricer(part.product)
    if spec is None or spec.lower is None:
        return {"positions": _failed(rows.table, part.product, spec), "buckets": BUCKET_SCHEMA.empty_table()}
    contracts = contracts_from_arrow(spec.columns, rows.table)
    # What was fixed in between is cash, not a forecast: the flows that are cash are those of the earlier date under the later fixings.
    published = replace(market_t1.fixings, through=market_t1.as_of)
    known_t1 = spec.lower(contracts, as_of=market_t0.as_of, fixings=published)
    reads_fixings = bool(spec.columns.referencing("index"))
    found = explain_pnl(
        compile_contracts(spec, contracts, as_of=market_t0.as_of, fixings=market_t0.fixings),
        compile_contracts(spec, contracts, as_of=market_t1.as_of, fixings=market_t1.fixings),
        known_t1=known_t1,
        compiled_known_t1=compile_cashflows(known_t1, measures=frozenset({Measure.PV})) if reads_fixings else None,
        market_t0=market_t0,
        market_t1=market_t1,
        in_t0=rows.in_t0,
        in_t1=rows.in_t1,
    )
    return {"positions": _positions(rows.table, part.product, spec, found), "buckets": _buckets(found, market_t1)}


def _rows(database: Database, part: PnlPart) -> _Rows:
    earlier = _load(database, part.portfolio_no_t0, np.arange(part.numbers.first, part.numbers.end))
    held = np.ones(part.numbers.count, bool)
    if part.later_position_nos is None:
        return _Rows(earlier, held, held)
    later_no = np.frombuffer(part.later_position_nos, np.int32)
    kept = np.flatnonzero(later_no >= 0)
    in_t1 = np.zeros(part.numbers.count, bool)
    tables = [earlier]
    if kept.size:
        later = _load(database, part.portfolio_no_t1, later_no[kept])
        same = _equal_rows(earlier.take(pa.array(kept)), later)
        in_t1[kept[same]] = True
        tables.append(later.filter(pa.array(~same)))  # the contract changed: closed as it was, opened as it is
    tables.append(_load(database, part.portfolio_no_t1, np.frombuffer(part.added_position_nos, np.int32)))
    table = pa.concat_tables([table for table in tables if table.num_rows], promote_options="default").unify_dictionaries()
    new = np.ones(table.num_rows - part.numbers.count, bool)
    return _Rows(table, np.concatenate([held, ~new]), np.concatenate([in_t1, new]))


def _load(database: Database, portfolio_no: int, position_nos: np.ndarray) -> pa.Table:
    """Contracts by their numbers, which lie close together."""
    if not position_nos.size:
        return pa.table({})
    first, last = int(position_nos.min()), int(position_nos.max())
    table = loading.load_table(database, portfolio_no=portfolio_no, numbers=PositionRange(first, last - first + 1))
    return (
        table if position_nos.size == table.num_rows and np.all(np.diff(position_nos) == 1) else table.take(pa.array(position_nos - first))
    )


def _equal_rows(left: pa.Table, right: pa.Table) -> np.ndarray:
    """Rows that are the same in every column."""
    same = np.ones(left.num_rows, bool)
    for name in left.column_names:
        first, second = left.column(name), right.column(name)
        if pa.types.is_list(first.type) or pa.types.is_large_list(first.type):
            same &= np.array([a == b for a, b in zip(first.to_pylist(), second.to_pylist(), strict=True)], bool)
            continue
        if pa.types.is_dictionary(first.type):
            first, second = first.cast(pa.string()), second.cast(pa.string())
        both_null = pc.and_(pc.is_null(first), pc.is_null(second))
        same &= pc.or_(pc.fill_null(pc.equal(first, second), False), both_null).to_numpy()
    return same


def _identity(table: pa.Table, product: str, spec: PricerSpec | None) -> list[pa.Array]:
    currency = "currency" if spec is None else spec.native_currency
    text = {name: table.column(name).cast(pa.string()).combine_chunks() for name in ("position_id", "book", "counterparty")}
    currencies = (
        table.column(currency).cast(pa.string()).combine_chunks() if currency in table.column_names else pa.array([""] * table.num_rows)
    )
    assigned = [pc.fill_null(text[name], UNASSIGNED) for name in ("book", "counterparty")]
    return [text["position_id"], pa.array([product] * table.num_rows, pa.string()), *assigned, pc.fill_null(currencies, "")]


def _failed(table: pa.Table, product: str, spec: PricerSpec | None) -> pa.Table:
    codes = pa.array([RowStatus.UNSUPPORTED_PRODUCT.name] * table.num_rows, pa.string())
    nothing = pa.nulls(table.num_rows, pa.float64())
    return pa.Table.from_arrays([*_identity(table, product, spec), codes, *([nothing] * len(PNL_PARTS))], schema=PNL_SCHEMA)


def _positions(table: pa.Table, product: str, spec: PricerSpec, found: PnlExplanation) -> pa.Table:
    ok = found.status == int(RowStatus.OK)
    codes = pa.array([None if good else RowStatus(int(status)).name for good, status in zip(ok, found.status, strict=True)], pa.string())
    values = [pa.array(getattr(found, name), mask=~ok) for name in PNL_PARTS]
    return pa.Table.from_arrays([*_identity(table, product, spec), codes, *values], schema=PNL_SCHEMA)


def _buckets(found: PnlExplanation, market: Market) -> pa.Table:
    """Sums over all rows, in the order of the market's curves."""
    counts = np.diff(found.bucket_offsets)
    curve_of_bucket = np.repeat(found.factor_nos.astype(np.int64), counts)
    pillar = np.arange(curve_of_bucket.size) - np.repeat(found.bucket_offsets[:-1], counts)
    columns: dict[str, list[Any]] = {name: [] for name in BUCKET_SCHEMA.names}
    for number, curve in enumerate(market.curves):
        of_curve = curve_of_bucket == number
        if of_curve.any():
            sums = np.bincount(pillar[of_curve], found.rates_by_pillar[of_curve], len(curve.pillar_labels))
            columns["curve"] += [curve.name] * sums.size
            columns["pillar"] += curve.pillar_labels
            columns["pillar_days"] += curve.pillar_days.tolist()
            columns["rates"] += sums.tolist()
    return pa.table(columns, schema=BUCKET_SCHEMA)
