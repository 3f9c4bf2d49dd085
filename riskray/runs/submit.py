"""Submitting a run: names to snapshots, pre-flight, plan, one transaction."""

from pricers.market.market import CurveKind
from pricers.registry import known_products
from riskray.config import Settings
from riskray.engine.plan import MarketNames, plan_shards, preflight
from riskray.errors import PreflightFailed
from riskray.models.run import Preflight, Run, RunRequest
from riskray.runs.carry import require_same_question
from riskray.runs.loading import load_market, load_scenarios
from riskray.store.database import Database
from riskray.store.markets import get_market
from riskray.store.portfolios import get_portfolio, read_products, read_requirements
from riskray.store.runs import NewRun, get_run, insert_run, run_keys
from riskray.store.scenarios import ScenarioSetRecord, get_scenario_set
from riskray.tracing import current_traceparent

VECTOR_BYTES_MAX = 64 * 1024**2
"""Vectors of positions are made and committed a shard at a time: its rows are held to what an actor has room for."""


def submit_run(
    database: Database, settings: Settings, request: RunRequest, *, idempotency_key: str | None = None, fingerprint: bytes | None = None
) -> tuple[Run, bool]:
    """Store a run with its shards and its first event; answers it and whether it is new. The grid is not told: see `Grid.wake`.

    Raises NotFound for the portfolio, the market or the scenario set, InvalidRequest for the base currency, a scenario set that moves
    what the market has not got, a run to carry from that asked for something else, or a reused idempotency key, Conflict for one that
    cannot be carried from, and PreflightFailed under `preflight="strict"` when the market lacks anything.
    """
    market = get_market(database, market=request.market)
    portfolio = get_portfolio(database, portfolio=request.portfolio)
    scenarios = find_scenario_set(database, request)
    scenario_set_no = None if scenarios is None else scenarios.scenario_set_no
    found = run_preflight(database, market_id=market.market_id, portfolio_no=portfolio.portfolio_no, scenario_set_no=scenario_set_no,
                          position_count=portfolio.position_count, base_currency=request.base_currency)  # fmt: skip
    if request.preflight == "strict" and found.gaps:
        raise PreflightFailed(
            f"the market {market.market_id} lacks {len(found.gaps)} things that the portfolio {portfolio.portfolio_id} needs, for up to "
            f"{found.affected_position_count_max} of {found.position_count} positions; add them, or submit with preflight=flag",
            [{"loc": ["market", gap.kind, gap.name], "msg": _gap_message(gap.kind, gap.name, gap.product, gap.position_count),
              "code": f"missing_{gap.kind}"} for gap in found.gaps],
        )  # fmt: skip
    rows_per_shard, carried_from_run_no = request.rows_per_shard or settings.rows_per_shard, None
    if request.carry_from is not None:
        base = get_run(database, run_id=request.carry_from)
        require_same_question(base, request, market=market, portfolio=portfolio, settings=settings)
        keys = run_keys(database, run_id=base.run_id)
        # In the shards of that run, unless asked otherwise: only a shard of the same positions can be carried.
        rows_per_shard, carried_from_run_no = request.rows_per_shard or keys["rows_per_shard"], keys["run_no"]
    if scenarios is not None and request.vectors_wanted == "position":
        rows_per_shard = min(rows_per_shard, max(1, VECTOR_BYTES_MAX // (8 * scenarios.scenario_count)))
    shards = plan_shards(read_products(database, portfolio_no=portfolio.portfolio_no), rows_per_shard=rows_per_shard)
    new_run = NewRun(
        name=request.name, executor=request.executor, market_no=market.market_no, portfolio_no=portfolio.portfolio_no,
        base_currency=request.base_currency, measures=[measure.value for measure in request.measures], rows_per_shard=rows_per_shard,
        position_count=portfolio.position_count, preflight=found.model_dump(mode="json"),
        scenario_set_no=scenario_set_no, vectors=request.vectors_wanted, failure_policy=request.failure_policy,
        traceparent=current_traceparent(), carried_from_run_no=carried_from_run_no,
    )  # fmt: skip
    return insert_run(
        database, new_run, shards=shards,
        idempotency_key=idempotency_key, request_fingerprint=fingerprint,
    )  # fmt: skip


def find_scenario_set(database: Database, request: RunRequest) -> ScenarioSetRecord | None:
    """The scenario set that a run asks for. Raises NotFound."""
    return None if request.scenario_set is None else get_scenario_set(database, scenario_set=request.scenario_set)


def run_preflight(
    database: Database,
    *,
    market_id: str,
    portfolio_no: int,
    position_count: int,
    base_currency: str,
    scenario_set_no: int | None = None,
) -> Preflight:
    """What a stored market lacks for a stored portfolio.

    Raises InvalidRequest for an unknown base currency, and for a scenario set that moves factors which the market has not got.
    """
    market = load_market(database, market_id=market_id, base_currency=base_currency)
    if scenario_set_no is not None:
        load_scenarios(database, scenario_set_no=scenario_set_no, market=market)
    names = MarketNames(
        curves={kind: market.names(kind) for kind in CurveKind},
        currencies=frozenset(market.fx_to_base) | {base_currency},
    )
    needed = read_requirements(database, portfolio_no=portfolio_no)
    return preflight(needed, position_count=position_count, market=names, products=known_products())


def _gap_message(kind: str, name: str, product: str, position_count: int) -> str:
    what = f"an exchange rate of {name}" if kind == "currency" else f"{kind.replace('_', ' ')} {name!r}"
    return f"{what} is missing; {position_count} {product} position{'s need' if position_count != 1 else ' needs'} it"
