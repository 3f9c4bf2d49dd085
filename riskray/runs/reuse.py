"""Reuse of an earlier run's results, position by position: what a run may reuse, and which rows of a shard it takes over.

A row is reused where the earlier run has one and nothing that its position depends on differs between the two markets; the same code is
then bound to give it the same bits. A position depends on the curves of the points that it was compiled to, whatever its columns name, on
the exchange rates of its currencies, and on the definitions and fixings of the indices that its columns name. The other positions of the
shard are valued. The rows of both make one shard, whose sums are made from its rows, so no sum depends on which run valued a row.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pricers.core.binding import KINDS
from pricers.market.factors import factors_of
from pricers.market.fixings import FixingSeries
from pricers.market.market import Curve, CurveKind, Market
from pricers.market.units import price_unit
from pricers.registry import PricerSpec
from riskray.config import Settings
from riskray.engine.plan import PositionRange
from riskray.engine.result_schema import FAILURE_SCHEMA, RESULT_SCHEMA
from riskray.engine.sensitivities import renumber_factors
from riskray.engine.shard import ShardPositions, ShardResult
from riskray.errors import Conflict, InvalidRequest
from riskray.models.run import Run, RunRequest, RunState
from riskray.runs.code_version import code_difference
from riskray.runs.loading import find_pricer
from riskray.snapshots.kinds import MarketRecord, PortfolioRecord
from riskray.store.database import Database
from riskray.store.ledger import earlier_results, earlier_run

# ------------------------------------------------------------------------------------------------------------ may it be reused?


def require_same_question(base: Run, request: RunRequest, *, market: MarketRecord, portfolio: PortfolioRecord, settings: Settings) -> None:
    """Refuse to reuse results that the new run would not have come to by itself.

    Raises Conflict when the base run has no results or was made by other code, InvalidRequest when it asked for something else.
    """
    if base.state not in (RunState.SUCCEEDED, RunState.PARTIAL):
        raise Conflict(f"run {base.run_id} is {base.state.value}; results are reused from a run that is SUCCEEDED or PARTIAL: "
                       "wait for its end, or submit without reuse_from")  # fmt: skip
    asked: dict[str, tuple[Any, Any]] = {
        "portfolio": (base.portfolio_id, portfolio.portfolio_id),
        "base_currency": (base.base_currency, request.base_currency),
        "measures": (sorted(base.measures), sorted(set(request.measures))),
        "market": (f"of {base.as_of}", f"of {market.as_of}"),
    }
    different = {name: pair for name, pair in asked.items() if pair[0] != pair[1]}
    if different:
        problems = [
            {"loc": [name], "msg": f"{name} is {now}, but run {base.run_id} has {was}", "code": "not_comparable"}
            for name, (was, now) in different.items()
        ]
        raise InvalidRequest(f"{problems[0]['msg']}; results cannot be reused: submit without reuse_from", problems)
    if changed := code_difference(base.manifest or {}, settings):
        raise Conflict(f"run {base.run_id} was made by other code ({'; '.join(changed)}); submit without reuse_from")


# -------------------------------------------------------------------------------------------- what does a change of market touch?


@dataclass(frozen=True)
class MarketDifference:
    """Names of what two markets of one day do not have in common, bit for bit: changed, only before, or only after."""

    curves: frozenset[str]
    currencies: frozenset[str]
    """Currencies whose rate to the base currency differs, whichever quotes it comes from."""
    indices: frozenset[str] = frozenset()
    """Indices whose definition or fixings differ."""
    prices: frozenset[str] = frozenset()
    """Securities whose price differs."""

    @property
    def is_empty(self) -> bool:
        """Whether every position has the same numbers under both markets."""
        return not (self.curves or self.currencies or self.indices or self.prices)

    def has_curve(self, name: str, kind: CurveKind) -> bool:
        """Whether the curve that a contract calls `name` differs, by either of the names that `Market.resolve` looks for."""
        return name in self.curves or f"{name}:{kind}" in self.curves


def market_difference(before: Market, after: Market) -> MarketDifference:
    """What differs between two markets. Raises ValueError for markets of two days or base currencies: there, everything does."""
    if (before.as_of, before.base_currency) != (after.as_of, after.base_currency):
        raise ValueError(
            f"markets of day {before.as_of} in {before.base_currency} and day {after.as_of} in {after.base_currency} have nothing in common"
        )
    return MarketDifference(
        curves=_changed(*({curve.name: curve for curve in market.curves} for market in (before, after))),
        currencies=_changed(before.fx_to_base, after.fx_to_base),
        prices=_changed(before.prices, after.prices),
        indices=_changed(before.fixings.series, after.fixings.series) | _changed(before.fixings.indices, after.fixings.indices),
    )


def depends_on(difference: MarketDifference, positions: ShardPositions) -> np.ndarray:
    """bool[row]: positions whose numbers can differ.

    Positions that are not compiled, those of a plain function, may read any part of the market, so all count once anything differs.
    """
    compiled = positions.compiled
    if compiled is None:
        return np.full(positions.row_count, not difference.is_empty)
    sets, rows = compiled.sets, compiled.rows
    is_changed = np.array([difference.has_curve(name, KINDS[kind]) for kind, name in sets.curves], np.bool_)
    converts = _converts(difference, compiled.leg_currency.names)[sets.currency]
    curves = [sets.set_curve[first:end] for first, end in pairwise(sets.curve_offsets.tolist())]
    of_set = [bool(converts[number]) or bool(is_changed[of_curve].any()) for number, of_curve in enumerate(curves)]
    of_row_set = np.array([any(of_set[number] for number in numbers) for numbers in rows.sets], np.bool_)
    touched: np.ndarray = of_row_set[rows.row_set] | _converts(difference, compiled.native_currency.names)[compiled.native_currency.codes]
    return touched


def names_index(difference: MarketDifference, *, spec: PricerSpec, table: pa.Table) -> np.ndarray:
    """bool[row]: contracts with a column that names an index that differs. They depend on no other one (see `pricers.registry.Lower`)."""
    named = np.zeros(table.num_rows, np.bool_)
    for column in spec.columns.referencing("index"):
        names = table.column(column.name).cast(pa.string()).fill_null(column.default or "")
        named |= pc.is_in(names, pa.array(sorted(difference.indices), pa.string())).to_numpy()
    return named


def _converts(difference: MarketDifference, names: tuple[str, ...]) -> np.ndarray:
    """Whether what each unit is worth differs, be it a currency or a security; the last is for null, whose code is -1."""
    return np.array([*(_has_changed(difference, name) for name in names), False])


def _has_changed(difference: MarketDifference, unit: str) -> bool:
    security = price_unit(unit)
    if security is None:
        return unit in difference.currencies
    # A price can be in any currency, and a benchmark is a factor of its own.
    return bool(difference.currencies or {security.price, security.benchmark} & difference.prices)


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(
        name for name in before.keys() | after.keys() if name not in before or name not in after or not _same(before[name], after[name])
    )


def _same(one: Any, other: Any) -> bool:
    """Whether two parts of markets have the same content, field by field."""
    if isinstance(one, Curve):
        return all(_same(getattr(one, entry.name), getattr(other, entry.name)) for entry in fields(Curve))
    if isinstance(one, FixingSeries):
        return all(map(_same, one, other))
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other)
    return bool(one == other) or (one != one and other != other)  # NaN: not known


# ----------------------------------------------------------------------------------------------------------- the rows of a shard


@dataclass(frozen=True)
class PartlyReused:
    """The rows of a shard, and which of them come from the earlier run."""

    result: ShardResult
    position_nos: np.ndarray
    """int64[reused], increasing."""

    def ranges(self) -> list[tuple[int, int]]:
        """The reused positions as ranges [first, end)."""
        numbers = self.position_nos
        breaks = np.flatnonzero(np.diff(numbers) > 1) + 1
        return [(int(part[0]), int(part[-1]) + 1) for part in np.split(numbers, breaks) if part.size]


def reuse_rows(
    database: Database,
    numbers: PositionRange,
    *,
    product: str,
    from_run_no: int,
    market: Market,
    market_of: Callable[[str], Market],
    table_of: Callable[[], pa.Table],
    parts_of: Callable[[], Sequence[ShardPositions]],
    value: Callable[[pa.Table], ShardResult],
) -> PartlyReused | None:
    """The rows of a shard with those of the earlier run that nothing touches; None where there are none.

    Args:
        database: where the earlier run is.
        numbers, product: of the shard.
        from_run_no: the earlier run; it may have been cut into other shards.
        market: of this run.
        market_of: a stored market by id.
        table_of: the shard's contracts; called only where they are needed.
        parts_of: the shard's positions, compiled where the product is a sum of cash flows, in one part or several; called only for such.
        value: the rows of some contracts, numbered from 0. It is given the positions that are not reused, and no other.
    """
    spec = find_pricer(product)
    if spec is None:
        return None
    earlier = earlier_run(database, run_no=from_run_no)
    before = market_of(earlier.market_id)
    difference = market_difference(before, market)
    is_touched = np.zeros(numbers.count, np.bool_)
    if not difference.is_empty:
        if spec.lower is None:  # see `depends_on`
            return None
        is_touched = np.concatenate([depends_on(difference, part) for part in parts_of()])
        if difference.indices:
            is_touched |= names_index(difference, spec=spec, table=table_of())
        if is_touched.all():
            return None
    found = earlier_results(database, earlier, numbers=numbers).cast(RESULT_SCHEMA)
    rows = pa.RecordBatch.from_arrays([column.combine_chunks() for column in found.columns], schema=RESULT_SCHEMA)
    rows = rows.filter(pa.array(~is_touched[_position_nos(rows) - numbers.first]))
    reused = _position_nos(rows)
    if not reused.size:
        return None
    rows = _with_column(
        rows, "factor_nos", renumber_factors(rows.column("factor_nos"), before=factors_of(before), after=factors_of(market))
    )
    is_new = np.ones(numbers.count, np.bool_)
    is_new[reused - numbers.first] = False
    others = np.flatnonzero(is_new)
    result = ShardResult(rows, pa.RecordBatch.from_pylist([], schema=FAILURE_SCHEMA))
    if others.size:
        result = _together(rows, value(table_of().take(pa.array(others))), others + numbers.first)
    return PartlyReused(result, reused)


def _together(rows: pa.RecordBatch, valued: ShardResult, position_nos: np.ndarray) -> ShardResult:
    """`position_nos`: of the positions that were valued as numbers 0, 1, and so on."""
    new, failures = (
        _with_column(part, "position_no", pa.array(position_nos[_position_nos(part)].astype(np.int32)))
        for part in (valued.results, valued.failures)
    )
    results = pa.concat_batches([rows, new])
    return ShardResult(results.take(pa.array(np.argsort(_position_nos(results), kind="stable"))), failures, valued.seconds)


def _position_nos(rows: pa.RecordBatch) -> np.ndarray:
    return np.asarray(rows.column("position_no")).astype(np.int64)


def _with_column(rows: pa.RecordBatch, name: str, values: pa.Array) -> pa.RecordBatch:
    index = rows.schema.get_field_index(name)
    return rows.set_column(index, rows.schema.field(index), values)
