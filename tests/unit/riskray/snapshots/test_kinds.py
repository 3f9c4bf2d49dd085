"""The kind table: no two kinds share a name, an id or an address, and what describes a record has the record's fields."""

from dataclasses import fields
from datetime import UTC, date, datetime
from typing import Any

import pytest

from riskray.errors import InvalidRequest
from riskray.snapshots.kinds import KINDS, MARKETS, MarketRecord, SnapshotKind

every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)


@pytest.mark.parametrize("attribute", ["kind", "plural", "prefix", "table", "key", "path", "record", "summary"])
def test_kinds_are_told_apart_by_every_name(attribute: str) -> None:
    values = [getattr(kind, attribute) for kind in KINDS]
    assert len(set(values)) == len(values) == 6


@every_kind
def test_summary_has_fields_of_the_record_and_detail_adds_to_it(kind: SnapshotKind[Any, Any, Any]) -> None:
    of_record = {field.name for field in fields(kind.record)}  # type: ignore[arg-type]
    assert {f"{kind.key}_no", f"{kind.key}_id", "name", "version", "content_hash", "created_at"} <= of_record
    assert set(kind.summary.model_fields) <= of_record
    assert issubclass(kind.detail, kind.summary)


def test_record_is_described_with_its_hash_in_hex() -> None:
    stored_at = datetime(2024, 3, 28, 17, 30, tzinfo=UTC)
    record = MarketRecord(7, "mkt-00", "close", 3, date(2024, 3, 28), bytes(range(32)), None, stored_at)
    described = MARKETS.describe(record)
    assert described.content_hash == bytes(range(32)).hex()
    assert (described.market_id, described.version, described.created_at) == ("mkt-00", 3, stored_at)
    assert MARKETS.id_of(described) == MARKETS.id_of(record) == "mkt-00"


@every_kind
def test_id_is_the_prefix_and_the_start_of_the_hash(kind: SnapshotKind[Any, Any, Any]) -> None:
    assert kind.snapshot_id(b"\xab" * 32) == f"{kind.prefix}-{'ab' * 8}"


@every_kind
@pytest.mark.parametrize(("name", "message"), [("  ", "needs a name"), ("a/b", "remove the slash"), ("..", "is not a valid name")])
def test_name_that_no_address_can_hold_is_refused(kind: SnapshotKind[Any, Any, Any], name: str, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        kind.checked_name(name)
    assert kind.checked_name(" end of day ") == "end of day"
