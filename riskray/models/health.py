"""Health of one service."""

from typing import Literal

from pydantic import Field

from riskray.models.common import JsonObject, Model


class Health(Model):
    """The process answers."""

    status: Literal["ok"] = "ok"
    service: str = Field(examples=["runs"])
    version: str


class DeepHealth(Model):
    """The process answers, and so does what it depends on."""

    status: Literal["ok", "failing"]
    service: str
    version: str
    database: JsonObject = Field(
        description="State of the database: version, latency in milliseconds, missing migrations, connection pool; or the error."
    )
    seconds: float = Field(description="How long this answer took.")
