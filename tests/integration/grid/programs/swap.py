"""Two clusters, one database: a run begun on the first, which dies as a whole, is resumed on the second from the ledger.

python -m tests.integration.grid.programs.swap DATABASE_URL DIRECTORY
"""

import importlib
import sys
from pathlib import Path

from riskray.config import Settings
from riskray.grid.client import Grid
from riskray.grid.start import start_grid
from riskray.logs import configure_logs
from riskray.models.run import Run, RunRequest
from riskray.runs.submit import submit_run
from riskray.store.database import Database
from riskray.store.ledger import done_shards, pending_shards
from riskray.store.runs import get_run, run_no_of
from tests.fixtures.local_grid import grid_settings
from tests.fixtures.stored_snapshots import store_market, store_portfolio
from tests.fixtures.waiting import wait_until
from tests.integration.grid.programs.cluster import answer, book, connected, event_kinds, numbers_of, start_head

GATED_MODULE = "tests.fixtures.gated_pricer"


def main(database_url: str, directory: Path) -> None:
    """Write down what was seen."""
    configure_logs(Settings(log_format="console"), component="test")
    importlib.import_module(GATED_MODULE)
    gate = directory / "gate"
    settings = grid_settings(database_url, pricer_modules=[GATED_MODULE], pricer_actors=1, lease_s=3.0)
    old, new = start_head(num_cpus=2), start_head(num_cpus=2)
    try:
        with Database(settings) as database:
            store_market(database)
            portfolio = store_portfolio(database, book(str(gate))).portfolio_id

            with connected(old):
                start_grid(settings)
                run = _submit(database, settings, portfolio)
                wait_until(gate.with_suffix(".reached").exists, what="the gate")
            run_no = run_no_of(database, run_id=run.run_id)
            done_before, left_before = len(done_shards(database, run_no=run_no)), len(pending_shards(database, run_no=run_no))
            old.remove_node(old.head_node, allow_graceful=False)

            with connected(new):
                start_grid(settings)
                gate.touch()
                resumed = _end(database, run)
                calm = _end(database, _submit(database, settings, portfolio))
            with database.transaction() as connection:
                epochs = connection.execute(
                    "SELECT epoch, count(*) AS shards FROM run_shard WHERE run_no = %s GROUP BY epoch ORDER BY epoch", [run_no]
                ).fetchall()
            answer(
                directory,
                states=[end.state.value for end in (resumed, calm)],
                shards_before={"done": done_before, "left": left_before},
                shards_by_epoch={row["epoch"]: row["shards"] for row in epochs},
                numbers=[numbers_of(database, end.run_id) for end in (resumed, calm)],
                events=event_kinds(database, run.run_id),
            )
    finally:
        for cluster in (old, new):
            cluster.shutdown()


def _submit(database: Database, settings: Settings, portfolio: str) -> Run:
    run, _ = submit_run(database, settings, RunRequest(portfolio=portfolio, market="close", rows_per_shard=2))
    Grid(settings).wake()
    return run


def _end(database: Database, run: Run) -> Run:
    wait_until(lambda: get_run(database, run_id=run.run_id).state.is_final, what="the end of the run")
    return get_run(database, run_id=run.run_id)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
