"""Health of one service."""

from typing import Literal

from pydantic import Field

from riskray.models.common import JsonObject, Model


class Health(Model):
    """The process responds."""

    status: Literal["ok"] = Field(default="ok", description="Always ok, because the process responds.")
    service: str = Field(description="Short name of the service.", examples=["runs"])
    version: str = Field(description="Version of riskray.", examples=["0.2.0"])


class DeepHealth(Model):
    """The health of the process and of its dependencies."""

    status: Literal["ok", "failing"] = Field(description="Whether all dependencies respond.")
    service: str = Field(description="Short name of the service.", examples=["runs"])
    version: str = Field(description="Version of riskray.", examples=["0.2.0"])
    database: JsonObject = Field(
        description="State of the database: version, latency in milliseconds, missing migrations, connection pool; or the error."
    )
    seconds: float = Field(description="Duration of this check in seconds.")
