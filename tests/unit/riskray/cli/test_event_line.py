"""Events as lines of text."""

from datetime import UTC, datetime
from typing import Any

import pytest

from riskray.cli.output import event_line
from riskray.models.event import EventKind, RunEvent

COUNTS = {"position_count": 20_000, "positions_done": 13_983}


@pytest.mark.parametrize(
    ("kind", "data", "line"),
    [
        ("submitted", {"executor": "pool", "shard_count": 3, "position_count": 20_000}, "submitted: 20,000 positions in 3 shard(s)"),
        (
            "submitted",
            {"executor": "job", "shard_count": 1, "position_count": 5},
            "submitted: 5 positions in 1 shard(s), for a job to execute",
        ),
        ("claimed", {"epoch": 1}, "claimed: by a coordinator"),
        ("claimed", {"epoch": 2}, "claimed: by another coordinator, number 2"),
        (
            "shard_done",
            {"shard_no": 1, "ok_count": 9_890, "failed_count": 46, **COUNTS},
            "shard done: number 1 with 9,890 ok and 46 failed; 13,983 of 20,000 positions done",
        ),
        (
            "shard_retried",
            {"shard_no": 1, "attempts": 1, "reason": "its actor died"},
            "shard retried: number 1 after attempt 1: its actor died",
        ),
        ("shard_split", {"shard_no": 1, "parts": [3, 4]}, "shard split: number 1 into 2, to find the position that ends its worker"),
        ("cancel_requested", {}, "cancel requested"),
        (
            "finished",
            {"state": "PARTIAL", "ok_count": 19_900, "failed_count": 100, "cancelled_count": 0},
            "finished: PARTIAL with 19,900 ok, 100 failed, 0 cancelled",
        ),
        ("finished", {"state": "CANCELLED"}, "finished: CANCELLED"),
    ],
)
def test_event_is_told_in_a_line(kind: str, data: dict[str, Any], line: str) -> None:
    event = RunEvent(seq=1, at=datetime(2026, 1, 15, 9, 30, 5, tzinfo=UTC), kind=EventKind(kind), data=data)
    assert event_line(event) == f"09:30:05 {line}"
