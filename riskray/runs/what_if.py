"""What-if: a stored run beside itself under another market or with other positions.

A changed market is stored and valued by a run like any other; positions that are removed, scaled or added change its sums alone.
"""

import asyncio
import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

import pyarrow as pa

from pricers.measures import ADDITIVE_MEASURES, Measure
from riskray.config import Settings
from riskray.engine.result_schema import ALWAYS_PRESENT
from riskray.errors import Conflict, InvalidRequest
from riskray.figures.rollups import RollupReader
from riskray.figures.what_if import PositionChange, compose
from riskray.market.build import build_market
from riskray.market.checks import rate_unit_problems
from riskray.market.derive import replaced, shifted
from riskray.market.reader import parse_market
from riskray.models.hierarchy import DIMENSIONS
from riskray.models.market_data import CURVE_PARTS, MarketDocument
from riskray.models.pricing import POSITIONS_MAX, PriceFailure
from riskray.models.run import Run, RunRequest, RunState
from riskray.models.scenario import CreditShock, StressDefinition, StressScenario
from riskray.models.what_if import CHANGED_POSITIONS_MAX, MarketChange, WhatIfAnswer, WhatIfRequest
from riskray.portfolio.batches import prepare_portfolio
from riskray.portfolio.reader import positions_table
from riskray.runs.submit import submit_run
from riskray.runs.uploads import store_market
from riskray.scenario.bind import bind_scenarios
from riskray.scenario.stress import stress_matrix
from riskray.store.database import Database
from riskray.store.markets import read_market
from riskray.store.results import ResultFilter, read_failures, read_results
from riskray.store.runs import get_run, run_keys

_SUFFIX = "~what-if"
_NAME_LENGTH_MAX = 200
_DESCRIPTION_LENGTH_MAX = 2000
_VALUED: Final = (RunState.SUCCEEDED, RunState.PARTIAL)
_FOUND_MAX: Final = 2 * CHANGED_POSITIONS_MAX + POSITIONS_MAX
_LISTED_MAX: Final = 20

StoredRows = Mapping[str, Mapping[str, Any]]
"""Rows of a run by position id; failed ones have a code."""


class PricedTables(Protocol):
    """Priced and failed positions by position_id."""

    @property
    def results(self) -> pa.Table:
        """One row per priced position, with its measures."""

    @property
    def failures(self) -> pa.Table:
        """One row per failed position, with its reason."""


class PricesPositions(Protocol):
    """The methods of the grid that a what-if calls."""

    async def price(self, tables: Mapping[str, pa.Table], *, market: str, base_currency: str, measures: frozenset[Measure]) -> PricedTables:
        """Price positions that are not stored, one table per product."""


class EndsRuns(Protocol):
    """The methods that a what-if calls to have its runs driven."""

    async def started(self, run: Run, *, wait_s: float) -> Run:
        """Have the run driven, and return it at its end, or as it is after `wait_s`."""


class WhatIf:
    """Compares runs with themselves after changes."""

    def __init__(self, settings: Settings, database: Database, grid: PricesPositions, runs: EndsRuns) -> None:
        self._settings, self._database, self._grid, self._runs = settings, database, grid, runs
        self._rollups = RollupReader(database)

    async def answer(self, run_id: str, request: WhatIfRequest) -> WhatIfAnswer:
        """The comparison; without figures where the run under the changed market has not ended within the request's wait.

        Raises:
            NotFound: the run.
            Conflict: the run, or the one under the changed market, ended without valuing every position, or has not ended.
            InvalidRequest: a change that does not fit the run's market or positions.
        """
        base, added = await asyncio.to_thread(self._checked, run_id, request)
        run = base
        if request.changes_market:
            run = await asyncio.to_thread(self._submit, base, request)
            if not run.state.is_final:
                run = await self._runs.started(run, wait_s=request.wait_s)
        answer = WhatIfAnswer(
            run_id=base.run_id, what_if_run_id=run.run_id, market_id=run.market_id, state=run.state, base_currency=base.base_currency,
            total=None, groups=[], failures=[],
        )  # fmt: skip
        if not run.state.is_final:
            return answer
        if run.state not in _VALUED:
            raise Conflict(
                f"run {run.run_id} under the changed market {run.market_id} is {run.state.value}: {run.error_detail}; repeat the request"
            )
        measures = [measure for measure in ADDITIVE_MEASURES if measure in {*ALWAYS_PRESENT, *base.measures}]
        new_changes, failures = await self._added(added, run, measures) if added else ([], [])
        return await asyncio.to_thread(self._figures, answer, request, base, run, measures, new_changes, failures)

    def _checked(self, run_id: str, request: WhatIfRequest) -> tuple[Run, dict[str, pa.Table]]:
        """The run and the positions to add. Nothing is stored before the whole request is checked."""
        base = get_run(self._database, run_id=run_id)
        if base.state not in _VALUED:
            raise Conflict(f"run {run_id} is {base.state.value}; a what-if compares with a run that is SUCCEEDED or PARTIAL")
        added = positions_table(request.add).tables if request.add else {}
        new_ids = [name for table in added.values() for name in table.column("position_id").to_pylist()]
        known = self._rows(base, [*request.remove, *request.scale, *new_ids])
        problems = [
            *(_problem(part, name, "unknown_position", _not_there(run_id, name))
              for part, names in (("remove", request.remove), ("scale", request.scale)) for name in names if name not in known),
            *(_problem("scale", name, "contradiction", f"position {name!r} is removed, so it cannot be scaled; do one of them")
              for name in request.scale if name in request.remove),
            *(_problem("remove", name, "duplicate", f"position {name!r} is removed twice")
              for name in sorted({name for name in request.remove if request.remove.count(name) > 1})),
            *(_problem("add", name, "duplicate", f"the run {run_id} has a position {name!r} already; add it under another id, or scale it")
              for name in new_ids if name in known),
        ]  # fmt: skip
        if problems:
            more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
            raise InvalidRequest(f"{problems[0]['msg']}{more}", problems[:_LISTED_MAX])
        return base, added

    def _submit(self, base: Run, request: WhatIfRequest) -> Run:
        assert request.market is not None
        market, _ = store_market(self._database, derive_market(self._database, run=base, change=request.market))
        return submit_under_market(self._database, self._settings, base=base, market_id=market.market_id)

    def _rows(self, run: Run, position_ids: Sequence[str]) -> StoredRows:
        if not position_ids:
            return {}
        chosen = ResultFilter(position_ids=tuple(position_ids))
        columns = ["position_id", *DIMENSIONS, *(measure.value for measure in ADDITIVE_MEASURES)]
        priced = read_results(self._database, run_id=run.run_id, columns=columns, filters=chosen, limit=_FOUND_MAX)
        failed = read_failures(self._database, run_id=run.run_id, filters=chosen, limit=_FOUND_MAX)
        return {row["position_id"]: row for row in (*priced.to_pylist(), *failed.to_pylist())}

    async def _added(
        self, tables: dict[str, pa.Table], run: Run, measures: Sequence[Measure]
    ) -> tuple[list[PositionChange], list[PriceFailure]]:
        priced = await self._grid.price(tables, market=run.market_id, base_currency=run.base_currency, measures=frozenset(measures))
        values = {row["position_id"]: row for row in priced.results.to_pylist()}
        # As a stored portfolio has them, where a book or counterparty is not given.
        positions = prepare_portfolio(tables).positions.to_pylist()
        changes = [
            PositionChange(
                {name: row[name] for name in DIMENSIONS},
                _measures(values[row["position_id"]]) if row["position_id"] in values else None,
                factor=1.0,
                count=1,
            )
            for row in positions
        ]
        failures = [PriceFailure(**{name: row[name] for name in PriceFailure.model_fields}) for row in priced.failures.to_pylist()]
        return changes, failures

    def _figures(
        self, answer: WhatIfAnswer, request: WhatIfRequest, base: Run, run: Run, measures: Sequence[Measure],
        new_changes: Sequence[PositionChange], failures: Sequence[PriceFailure],
    ) -> WhatIfAnswer:  # fmt: skip
        rows = self._rows(run, [*request.remove, *request.scale])
        changes = [*new_changes, *(_change(rows[name], -1.0, -1) for name in request.remove),
                   *(_change(rows[name], factor - 1.0, 0) for name, factor in request.scale.items())]  # fmt: skip

        def groups(group_by: Sequence[str]) -> Any:
            before, after = (self._rollups.rollups(run_id=one.run_id, group_by=group_by) for one in (base, run))
            return compose(before, after, changes, group_by=group_by, measures=measures)

        group_by = [name for name in DIMENSIONS if name in request.group_by]
        return answer.model_copy(
            update={"total": groups([])[0], "groups": groups(group_by) if group_by else [], "failures": list(failures)}
        )


def _not_there(run_id: str, name: str) -> str:
    return f"the run {run_id} has no position {name!r}; GET /api/v1/results/{run_id}/positions lists them"


def _problem(part: str, name: str, code: str, message: str) -> dict[str, Any]:
    return {"loc": [part, name], "msg": message, "code": code}


def _change(row: Mapping[str, Any], factor: float, count: int) -> PositionChange:
    measures = None if row.get("code") else _measures(row)
    return PositionChange({name: row[name] for name in DIMENSIONS}, measures, factor=factor, count=count)


def _measures(row: Mapping[str, Any]) -> dict[str, float | None]:
    return {measure.value: row[measure.value] for measure in ADDITIVE_MEASURES}


def derive_market(database: Database, *, run: Run, change: MarketChange) -> MarketDocument:
    """The run's market after the change, checked like an upload. Its name and description say what it comes from.

    Raises InvalidRequest for a curve, pair, currency or pillar that the market lacks, for a shock of credit spreads, and for
    numbers that no market may have.
    """
    given = read_market(database, market_id=run.market_id)
    if change.rates_checked:
        problems = [found for part in CURVE_PARTS for found in rate_unit_problems(getattr(change, part), loc=("market", part))]
        if problems:
            raise InvalidRequest(problems[0]["msg"], problems)
    document = replaced(given, **{part: getattr(change, part) for part in CURVE_PARTS}, fx_rates=change.fx_rates)
    document = _checked(document)  # before it is moved: a curve that is wrong has no pillars to move
    if change.shocks:
        document = _shocked(document, change, base_currency=run.base_currency)
    words = json.dumps(change.model_dump(mode="json", exclude_defaults=True), sort_keys=True, ensure_ascii=False)
    text = f"what-if from {run.market_id}: {words}"
    name = f"{given.name.removesuffix(_SUFFIX)[: _NAME_LENGTH_MAX - len(_SUFFIX)]}{_SUFFIX}"
    return _checked(document.model_copy(update={"name": name, "description": text[:_DESCRIPTION_LENGTH_MAX]}))


def _shocked(document: MarketDocument, change: MarketChange, *, base_currency: str) -> MarketDocument:
    for index, shock in enumerate(change.shocks):
        if isinstance(shock, CreditShock):
            message = (
                "contracts' own credit spreads are no part of a market; shock spread curves, or value a stress scenario with this shock"
            )
            raise InvalidRequest(message, [{"loc": ["market", "shocks", index], "msg": message, "code": "not_allowed"}])
    scenario = StressScenario(name="what-if", shocks=change.shocks)
    definition = StressDefinition(numeraire=change.numeraire, scenarios=[scenario], rates_checked=change.rates_checked)
    # What moves is curves and rates; the document keeps its fixings, which nothing here reads.
    market = build_market(document.model_copy(update={"fixings": None}), base_currency=base_currency)
    moves = bind_scenarios(stress_matrix(definition, market=market), market=market).scenarios
    return shifted(
        document,
        shifts={name: shift[:, 0] for name, shift in moves.shifts.items()},
        fx_factors={currency: float(factor[0]) for currency, factor in moves.fx_factors.items()},
        price_factors={name: float(factor[0]) for name, factor in moves.price_factors.items()},
    )


def _checked(document: MarketDocument) -> MarketDocument:
    # Its unlikely rates are those that the stored market has, or that the change insists on.
    return parse_market({**document.model_dump(mode="json", exclude_none=True), "rates_checked": False})


def submit_under_market(database: Database, settings: Settings, *, base: Run, market_id: str) -> Run:
    """The run of the base run's portfolio and measures under another market, in the same shards, which actors have compiled already.

    Asked again, it is the same run, unless that one failed or was cancelled.
    """
    request = RunRequest(
        portfolio=base.portfolio_id,
        market=market_id,
        base_currency=base.base_currency,
        measures=base.measures,
        name=f"what-if of {base.run_id}",
        rows_per_shard=run_keys(database, run_id=base.run_id)["rows_per_shard"],
    )
    fingerprint = hashlib.sha256(request.model_dump_json().encode()).digest()
    for attempt in itertools.count():
        key = f"what-if {base.run_id} {market_id} {attempt}"
        run, _ = submit_run(database, settings, request, idempotency_key=key, fingerprint=fingerprint)
        if run.state not in (RunState.FAILED, RunState.CANCELLED):
            return run
    raise AssertionError("there is always a next attempt")
