"""A shard that ends its worker is tried again, then cut up until the position that does it is alone."""

from riskray.engine.plan import PositionRange
from riskray.engine.retry import RetryDecision, retry_decision


def test_shard_that_ends_its_worker_is_retried_then_split():
    shard = PositionRange(0, 100)
    remedies = [retry_decision(shard, attempts=attempts, attempts_max=3, split_ranges=[]) for attempts in (1, 2, 3)]
    assert remedies == [RetryDecision.RETRY, RetryDecision.RETRY, RetryDecision.SPLIT]


def test_part_of_a_split_shard_is_split_at_once_until_the_row_is_alone():
    parent = PositionRange(0, 100)
    assert retry_decision(PositionRange(50, 50), attempts=1, attempts_max=3, split_ranges=[parent]) is RetryDecision.SPLIT
    row = PositionRange(77, 1)
    remedies = [retry_decision(row, attempts=attempts, attempts_max=3, split_ranges=[parent]) for attempts in (1, 2, 3)]
    assert remedies == [RetryDecision.RETRY, RetryDecision.RETRY, RetryDecision.FAIL_ROW]


def test_neighbour_of_a_split_shard_keeps_its_attempts():
    parent = PositionRange(0, 100)
    assert retry_decision(PositionRange(100, 50), attempts=1, attempts_max=3, split_ranges=[parent]) is RetryDecision.RETRY
