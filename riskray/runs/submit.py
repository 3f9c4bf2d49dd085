"""Submitting a run: names to snapshots, pre-flight, plan, one transaction."""

from pricers.market.factors import factors_of
from pricers.market.market import CurveKind, Market
from pricers.registry import known_products
from riskray.config import Settings
from riskray.engine.plan import MarketNames, plan_shards, preflight
from riskray.errors import PreflightFailed
from riskray.models.run import Preflight, Run, RunRequest
from riskray.runs.loading import load_scenarios
from riskray.runs.reuse import require_same_question
from riskray.snapshots.kinds import MARKETS, PORTFOLIOS, SCENARIO_SETS, ScenarioSetRecord
from riskray.store import snapshots
from riskray.store.database import Database
from riskray.store.markets import load_market
from riskray.store.portfolios import read_products, read_requirements
from riskray.store.runs import NewRun, get_run, insert_run, run_keys
from riskray.tracing import current_traceparent

VECTOR_BYTES_MAX = 64 * 1024**2
"""Vectors of positions are made and committed a shard at a time: its rows are held to what an actor has room for."""


def submit_run(
    database: Database, settings: Settings, request: RunRequest, *, idempotency_key: str | None = None, fingerprint: bytes | None = None
) -> tuple[Run, bool]:
    """Store a run with its shards and its first event; returns it and whether it is new. The grid is not told: see `Grid.wake`.

    Raises NotFound for the portfolio, the market or the scenario set, InvalidRequest for the base currency, a scenario set that moves
    what the market lacks, a run to reuse that asked for something else, or an idempotency key used before, Conflict for a run that
    cannot be reused, and PreflightFailed under `preflight="strict"` when the market lacks anything.
    """
    market = snapshots.get(database, MARKETS, request.market)
    portfolio = snapshots.get(database, PORTFOLIOS, request.portfolio)
    scenarios = find_scenario_set(database, request)
    scenario_set_no = None if scenarios is None else scenarios.scenario_set_no
    loaded = load_market(database, market_id=market.market_id, base_currency=request.base_currency)
    found = run_preflight(database, market=loaded, portfolio_no=portfolio.portfolio_no, scenario_set_no=scenario_set_no,
                          position_count=portfolio.position_count)  # fmt: skip
    if request.preflight == "strict" and found.gaps:
        raise PreflightFailed(
            f"the market {market.market_id} lacks {len(found.gaps)} things that the portfolio {portfolio.portfolio_id} needs, for up to "
            f"{found.affected_position_count_max} of {found.position_count} positions; add them, or submit with preflight=flag",
            [{"loc": ["market", gap.kind, gap.name], "msg": _gap_message(gap.kind, gap.name, gap.product, gap.position_count),
              "code": f"missing_{gap.kind}"} for gap in found.gaps],
        )  # fmt: skip
    rows_per_shard, reused_from_run_no = request.rows_per_shard or settings.rows_per_shard, None
    if request.reuse_from is not None:
        base = get_run(database, run_id=request.reuse_from)
        require_same_question(base, request, market=market, portfolio=portfolio, settings=settings)
        keys = run_keys(database, run_id=base.run_id)
        # In the shards of that run, unless asked otherwise: actors may have compiled them.
        rows_per_shard, reused_from_run_no = request.rows_per_shard or keys["rows_per_shard"], keys["run_no"]
    if scenarios is not None and request.vectors_wanted == "position":
        rows_per_shard = min(rows_per_shard, max(1, VECTOR_BYTES_MAX // (8 * scenarios.scenario_count)))
    shards = plan_shards(read_products(database, portfolio_no=portfolio.portfolio_no), rows_per_shard=rows_per_shard)
    new_run = NewRun(
        name=request.name, executor=request.executor, market_no=market.market_no, portfolio_no=portfolio.portfolio_no,
        base_currency=request.base_currency, measures=[measure.value for measure in request.measures], rows_per_shard=rows_per_shard,
        position_count=portfolio.position_count, preflight=found.model_dump(mode="json"),
        scenario_set_no=scenario_set_no, vectors=request.vectors_wanted, failure_policy=request.failure_policy,
        traceparent=current_traceparent(), reused_from_run_no=reused_from_run_no,
    )  # fmt: skip
    return insert_run(
        database, new_run, shards=shards, factors=factors_of(loaded),
        idempotency_key=idempotency_key, request_fingerprint=fingerprint,
    )  # fmt: skip


def find_scenario_set(database: Database, request: RunRequest) -> ScenarioSetRecord | None:
    """The scenario set that a run asks for. Raises NotFound."""
    return None if request.scenario_set is None else snapshots.get(database, SCENARIO_SETS, request.scenario_set)


def preflight_run(database: Database, request: RunRequest) -> Preflight:
    """What the run of a request would miss, without storing it.

    Raises NotFound for the portfolio, the market or the scenario set, InvalidRequest for an unknown base currency, and for a scenario set
    that moves factors which the market lacks.
    """
    portfolio, scenarios = snapshots.get(database, PORTFOLIOS, request.portfolio), find_scenario_set(database, request)
    return run_preflight(
        database,
        market=load_market(
            database, market_id=snapshots.get(database, MARKETS, request.market).market_id, base_currency=request.base_currency
        ),
        portfolio_no=portfolio.portfolio_no,
        position_count=portfolio.position_count,
        scenario_set_no=None if scenarios is None else scenarios.scenario_set_no,
    )


def run_preflight(
    database: Database,
    *,
    market: Market,
    portfolio_no: int,
    position_count: int,
    scenario_set_no: int | None = None,
) -> Preflight:
    """What a market lacks for a stored portfolio. Raises InvalidRequest for a scenario set that moves factors that the market lacks."""
    if scenario_set_no is not None:
        load_scenarios(database, scenario_set_no=scenario_set_no, market=market)
    names = MarketNames(
        curves={kind: market.names(kind) for kind in CurveKind},
        currencies=frozenset(market.fx_to_base) | {market.base_currency},
        indices=market.fixings.indices,
    )
    needed = read_requirements(database, portfolio_no=portfolio_no)
    return preflight(needed, position_count=position_count, market=names, products=known_products())


def _gap_message(kind: str, name: str, product: str, position_count: int) -> str:
    what = f"an exchange rate of {name}" if kind == "currency" else f"{kind.replace('_', ' ')} {name!r}"
    return f"{what} is missing; {position_count} {product} position{'s need' if position_count != 1 else ' needs'} it"
