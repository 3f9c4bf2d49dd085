"""What a finished run says about how it came about: enough to do it again and to explain its speed."""

from typing import Any

from riskray.config import Settings
from riskray.runs.code_version import code_manifest
from riskray.runs.reuse import market_difference
from riskray.snapshots.kinds import MARKETS, PORTFOLIOS, SCENARIO_SETS
from riskray.store import snapshots
from riskray.store.database import Database
from riskray.store.ledger import ClaimedRun
from riskray.store.markets import load_market
from riskray.store.runs import get_run, run_keys


def manifest(database: Database, run: ClaimedRun, *, settings: Settings, seconds: dict[str, float]) -> dict[str, Any]:
    """`seconds`: by phase, summed over shards (so over actors), and of the finish."""
    return {
        "market": {"market_id": run.market_id, "sha256": _sha256(database, MARKETS, run.market_id)},
        "portfolio": {"portfolio_id": run.portfolio_id, "sha256": _sha256(database, PORTFOLIOS, run.portfolio_id)},
        "base_currency": run.base_currency,
        "measures": list(run.measures),
        **_scenarios(database, run),
        **_reused(database, run),
        **code_manifest(settings),
        "settings": {
            "rows_per_shard": run.rows_per_shard,
            "pricer_actors": settings.pricer_actors,
            "shards_in_flight_per_actor": settings.shards_in_flight_per_actor,
            "pricer_modules": settings.pricer_modules,
        },
        "epoch": run.epoch,
        "seconds": _rounded(seconds),
    }


def with_seconds(described: dict[str, Any], **seconds: float) -> dict[str, Any]:
    """A manifest with the seconds of further phases."""
    return described | {"seconds": _rounded(described["seconds"] | seconds)}


def _rounded(seconds: dict[str, float]) -> dict[str, float]:
    return {phase: round(spent, 6) for phase, spent in sorted(seconds.items())}


def _reused(database: Database, run: ClaimedRun) -> dict[str, Any]:
    if run.reused_from_run_no is None:
        return {}
    stored = get_run(database, run_id=run.run_id)
    assert stored.reused_from is not None
    market_id = run_keys(database, run_id=stored.reused_from)["market_id"]
    before, after = (load_market(database, market_id=id_, base_currency=run.base_currency) for id_ in (market_id, run.market_id))
    changed = {kind: sorted(names) for kind, names in vars(market_difference(before, after)).items()}
    return {"reused": {"run_id": stored.reused_from, "position_count": stored.progress.reused_count, "market_difference": changed}}


def _scenarios(database: Database, run: ClaimedRun) -> dict[str, Any]:
    if run.scenario_set_id is None:
        return {}
    return {
        "scenarios": {"scenario_set_id": run.scenario_set_id, "sha256": _sha256(database, SCENARIO_SETS, run.scenario_set_id)},
        "vectors": run.vectors,
        "failure_policy": run.failure_policy,
    }


def _sha256(database: Database, kind: snapshots.Kind[Any], snapshot_id: str) -> str:
    digest: bytes = snapshots.get(database, kind, snapshot_id).content_hash
    return digest.hex()
