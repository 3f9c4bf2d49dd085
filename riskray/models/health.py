"""Health of one service."""

from typing import Literal

from pydantic import Field

from riskray.models.common import JsonObject, Model


class Health(Model):
    """The process answers."""

    status: Literal["ok"] = Field(default="ok", description="Always ok: the process answers.")
    service: str = Field(description="Short name of the service.", examples=["runs"])
    version: str = Field(description="Version of riskray.", examples=["0.1.0"])


class DeepHealth(Model):
    """The process answers, and so does what it depends on."""

    status: Literal["ok", "failing"] = Field(description="Whether all of it answers.")
    service: str = Field(description="Short name of the service.", examples=["runs"])
    version: str = Field(description="Version of riskray.", examples=["0.1.0"])
    database: JsonObject = Field(
        description="State of the database: version, latency in milliseconds, missing migrations, connection pool; or the error."
    )
    seconds: float = Field(description="How long this answer took.")
