"""Events: what happened to a run, in order, kept for ever in `run_event`."""

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from riskray.models.common import JsonObject, Model


class EventKind(StrEnum):
    """What happened."""

    SUBMITTED = "submitted"
    CLAIMED = "claimed"
    SHARD_DONE = "shard_done"
    SHARD_RETRIED = "shard_retried"
    SHARD_SPLIT = "shard_split"
    CANCEL_REQUESTED = "cancel_requested"
    FINISHED = "finished"


class RunEvent(Model):
    """One event of one run."""

    seq: int = Field(ge=1, description="Gap-free within the run, from 1.")
    at: datetime
    kind: EventKind
    data: JsonObject = Field(description="Depends on the kind; always small.")
