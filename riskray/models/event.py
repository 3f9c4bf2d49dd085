"""The events of a run, in order, stored permanently in `run_event`."""

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

    seq: int = Field(ge=1, description="Number of the event within the run, from 1, without gaps.")
    at: datetime
    kind: EventKind
    data: JsonObject = Field(description="Data of the event, which depends on the kind.")
