"""Settings: the only reader of the environment. Every variable is `RISKRAY_` plus the field's name in capitals."""

import difflib
import json
import math
import os
import sys
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


def _parts(given: object) -> object:
    """Parse a list, written by users with commas between its parts, and by riskray's processes for each other as JSON."""
    if not isinstance(given, str):
        return given
    return json.loads(given) if given.lstrip().startswith("[") else [part.strip() for part in given.split(",") if part.strip()]


Names = Annotated[list[str], NoDecode, BeforeValidator(_parts)]


class Settings(BaseSettings):
    """All settings of one process, with defaults for one machine."""

    model_config = SettingsConfigDict(env_prefix="RISKRAY_", extra="ignore", frozen=True)

    data_directory: Path = Field(
        default=Path.home() / ".local" / "share" / "riskray",
        description="Directory of the embedded Postgres, the logs and the record of the running stack.",
    )
    database_url: SecretStr | None = Field(
        default=None, description="PostgreSQL connection string; unset: an embedded server in the data directory."
    )
    database_pool_size: int = Field(default=8, ge=1, le=200, description="Most database connections that a process opens.")
    database_timeout_s: float = Field(default=10.0, gt=0, description="Longest wait for a database connection, in seconds.")
    statement_timeout_s: float = Field(default=300.0, gt=0, description="Time limit of an SQL statement, in seconds.")

    http_host: str = Field(
        default="127.0.0.1", description="Address on which the API listens. An address other than loopback requires api_token."
    )
    http_port: int = Field(default=8800, ge=1, le=65535, description="Port of the API.")
    api_url: str | None = Field(
        default=None, pattern="^(https?://|$)", description="Address of the API for the client; default: http_host and http_port."
    )
    api_token: SecretStr | None = Field(
        default=None, description="Bearer token that the API requires and the client sends; unset: no authentication, loopback only."
    )
    allowed_origins: Names = Field(default=[], description="Origins from which browsers may call the API, separated by commas.")
    request_body_bytes_max: int = Field(default=512 * 1024**2, gt=0, description="Size of the largest accepted upload, in bytes.")

    ray_address: str | None = Field(default=None, description="Ray cluster to join; unset: the local one that `riskray up` starts.")
    ray_dashboard_port: int = Field(default=8265, ge=1, le=65535, description="Port of the Ray dashboard and Jobs API of the local Ray.")
    ray_port: int = Field(default=6380, ge=1, le=65535, description="Port of the local Ray's control service.")
    ray_auth_mode: Literal["token", "disabled"] = Field(
        default="token", description="Ray's authentication mode, set explicitly in every process that starts Ray."
    )
    ray_namespace: str = Field(default="riskray", description="Ray namespace of the pricer actors and the coordinator.")

    pricer_actors: int = Field(default=2, ge=1, le=10_000, description="Pricer actors that always run, with warm kernels.")
    pricer_actors_max: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        description="Most pricer actors to which the pool grows while shards wait; unset: it does not grow.",
    )
    pricer_idle_s: float = Field(
        default=300.0,
        gt=0,
        description="Idle seconds after which a pricer actor beyond pricer_actors ends, so that its node can be removed.",
    )
    pricer_modules: Names = Field(
        default=[], description="Python modules that register pricers, separated by commas; every process imports them."
    )
    rows_per_shard: int = Field(default=10_000, ge=1, le=1_000_000, description="Positions valued and committed in one transaction.")
    shards_in_flight_per_actor: int = Field(default=2, ge=1, le=100, description="Shards queued at one actor.")
    shard_timeout_s: float = Field(
        default=300.0, gt=0, description="Time limit of a shard, in seconds; after it the actor is restarted and the shard retried."
    )
    shard_attempts_max: int = Field(
        default=3, ge=1, le=100, description="Worker deaths after which a shard is split, until the row that causes them is alone."
    )
    lease_s: float = Field(default=30.0, gt=0, description="Seconds without a heartbeat after which another coordinator takes over a run.")
    heartbeat_s: float = Field(default=5.0, gt=0, description="Seconds between renewals of a coordinator's lease: at most half of lease_s.")

    trace_exporter: Literal["none", "otlp", "console"] = Field(
        default="none", description="Exporter of OpenTelemetry spans. `otlp` sends them to OTEL_EXPORTER_OTLP_ENDPOINT."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="Lowest level that is logged; DEBUG logs every shard."
    )
    log_format: Literal["json", "console"] = Field(
        default="json", description="Format of each event on standard error: a JSON object, or a line of text."
    )

    @field_validator("heartbeat_s")
    @classmethod
    def _fits_into_the_lease(cls, heartbeat_s: float, others: ValidationInfo) -> float:
        # A coordinator that renews too late would repeatedly lose its runs, and no run longer than the lease would ever end.
        lease_s = others.data.get("lease_s", math.inf)
        if heartbeat_s > lease_s / 2:
            raise ValueError(f"is {heartbeat_s:g} s, but must be at most half of RISKRAY_LEASE_S, which is {lease_s:g} s")
        return heartbeat_s

    @cached_property
    def base_url(self) -> str:
        """Address of the API without a trailing slash."""
        return (self.api_url or f"http://{self.http_host}:{self.http_port}").rstrip("/")

    def environment(self) -> dict[str, str]:
        """The variables that give another process these settings: one for every field that differs from its default."""
        return {
            f"RISKRAY_{name.upper()}": _variable(getattr(self, name))
            for name, field in type(self).model_fields.items()
            if getattr(self, name) != field.default
        }


def _variable(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return json.dumps(value) if isinstance(value, list) else str(value)


def misspelt_variables() -> dict[str, str]:
    """Environment variables that resemble a setting but are not one, each with the setting that is probably meant.

    Variables that resemble no setting are ignored: Kubernetes, for instance, creates some for a service named riskray.
    """
    known = [f"RISKRAY_{name.upper()}" for name in Settings.model_fields]
    unknown = sorted(name for name in os.environ if name.startswith("RISKRAY_") and name not in known)
    return {name: close[0] for name in unknown if (close := difflib.get_close_matches(name, known, n=1, cutoff=0.9))}


def set_environment(settings: Settings, extra: Mapping[str, str]) -> None:
    """Set these settings, and Ray's variables in `extra`, in the environment of this process and its later children.

    The function also puts this interpreter's directory first on the path, so that Ray's jobs find this installation's `riskray` command.
    """
    if "RAY_AUTH_TOKEN_PATH" in extra:
        # A token in the caller's environment would override the stack's token file, but only in the processes that inherit it.
        os.environ.pop("RAY_AUTH_TOKEN", None)
    directory = str(Path(sys.executable).parent)
    search_path = [part for part in os.environ.get("PATH", os.defpath).split(os.pathsep) if part and part != directory]
    os.environ.update({**settings.environment(), **extra, "PATH": os.pathsep.join([directory, *search_path])})
