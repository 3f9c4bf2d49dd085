"""A run end to end: stored positions through Ray to committed rows."""

import pytest

from riskray.models.run import RunState
from tests.fixtures.stored_snapshots import bond, fx_forward, store_market, store_portfolio

pytestmark = [pytest.mark.ray, pytest.mark.postgres]


@pytest.fixture(scope="module")
def stored(grid):
    """30 bonds and 30 forwards, of which one of each lacks its curve."""
    positions = [*(bond(n) for n in range(30)), *(fx_forward(n) for n in range(30))]
    positions[7] |= {"discount_curve": "EUR-X"}
    positions[37] |= {"base_discount_curve": "EUR-X"}
    store_market(grid.database)
    return store_portfolio(grid.database, positions)


def test_run_with_bad_positions_is_partial_and_every_position_is_accounted_for(grid, stored):
    run = grid.execute(stored.portfolio_id)
    assert (run.state, run.error_detail) == (RunState.PARTIAL, None)
    assert (run.progress.ok_count, run.progress.failed_count) == (58, 2)
