"""What becomes of a shard whose worker ended: the one transition that is decided here.

    shard   PENDING ─retry→ PENDING, ─split→ SPLIT and two parts PENDING, ─fail_row→ DONE with its position failed

All others are the database's: its constraints and triggers, and the epoch in every write.
"""

from collections.abc import Iterable
from enum import StrEnum

from riskray.engine.plan import PositionRange


class RetryDecision(StrEnum):
    """What to do with a shard that ended its worker."""

    RETRY = "retry"
    SPLIT = "split"
    FAIL_ROW = "fail_row"


def retry_decision(shard: PositionRange, *, attempts: int, attempts_max: int, split_ranges: Iterable[PositionRange]) -> RetryDecision:
    """What to do after attempt number `attempts` of a shard, given by its positions, failed.

    A whole shard gets `attempts_max` attempts, because a machine may have failed rather than the shard. Parts of a shard that was split
    are suspect already and get one, so that a poison row among 25,000 costs 15 restarts, not 45; the row alone gets `attempts_max`
    again before it is called poison.
    """
    is_part = any(parent.contains(shard) for parent in split_ranges)
    allowed = 1 if is_part and shard.count > 1 else attempts_max
    if attempts < allowed:
        return RetryDecision.RETRY
    return RetryDecision.SPLIT if shard.count > 1 else RetryDecision.FAIL_ROW
