"""What happened to a run, in a line for people; `--json` and the event stream have the fields."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from riskray.models.event import RunEvent


def event_line(event: "RunEvent") -> str:
    """Time, kind and what matters of one event. A kind that this version does not know is shown with its fields."""
    told = _LINES.get(event.kind.value, _fields)(event.data)
    return f"{event.at:%H:%M:%S} {event.kind.value.replace('_', ' ')}{': ' if told else ''}{told}"


def _submitted(data: dict[str, Any]) -> str:
    waiting = ", for a job to execute" if data["executor"] == "job" else ""
    return f"{data['position_count']:,} positions in {data['shard_count']:,} shard(s){waiting}"


def _claimed(data: dict[str, Any]) -> str:
    return "by a coordinator" if data["epoch"] == 1 else f"by another coordinator, number {data['epoch']}"


def _shard_done(data: dict[str, Any]) -> str:
    shard = f"number {data['shard_no']} with {data['ok_count']:,} ok and {data['failed_count']:,} failed"
    return f"{shard}; {data['positions_done']:,} of {data['position_count']:,} positions done"


def _shard_retried(data: dict[str, Any]) -> str:
    return f"number {data['shard_no']} after attempt {data['attempts']}: {data['reason']}"


def _shard_split(data: dict[str, Any]) -> str:
    return f"number {data['shard_no']} into {len(data['parts'])}, to find the position that ends its worker"


def _finished(data: dict[str, Any]) -> str:
    if "ok_count" not in data:
        return str(data["state"])
    return f"{data['state']} with {data['ok_count']:,} ok, {data['failed_count']:,} failed, {data['cancelled_count']:,} cancelled"


def _fields(data: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in sorted(data.items()))


_LINES = {
    "submitted": _submitted,
    "claimed": _claimed,
    "shard_done": _shard_done,
    "shard_retried": _shard_retried,
    "shard_split": _shard_split,
    "finished": _finished,
}
