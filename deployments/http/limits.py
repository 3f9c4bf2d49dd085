"""Limits of a replica, with the reason for each number. Replicas only move bytes; pool actors price."""

from typing import Any

# Serve's default is five, which five open event streams would use up; handlers wait for the database in threads, not for the CPU.
REQUESTS_AT_ONCE = 64

# An open event stream or `Prefer: wait` costs a little memory and one small query every two seconds.
RUNS_REQUESTS_AT_ONCE = 1000

# An actor prices one position in milliseconds; more concurrent requests would only lengthen every wait.
PRICING_REQUESTS_AT_ONCE = 32

# Serve's default is unbounded; beyond this number a caller gets 503 with Retry-After at once instead of a time-out later.
REQUESTS_QUEUED_MAX = 256

# Share of a core that the scheduler reserves for a replica: small, because the cores are for pricers.
REPLICA_CPUS = 0.05

# Ray gives every head node one unit of this, which pins replicas to the proxy's node. Elsewhere they would keep a node alive that was
# added for a run.
REPLICA_PLACE = {"node:__internal_head__": 0.001}

# Bodies arrive in pieces and are validated in a thread; more concurrent uploads than this could exhaust the memory.
UPLOADS_AT_ONCE = 2

# Largest body of a service that takes no files. Parsing takes many times its size in memory; every body that the models allow is smaller.
JSON_BYTES_MAX = 32 * 1024**2

# How often an open event stream queries the database if no notification wakes it.
EVENT_POLL_S = 2.0

# Events that a stream reads from the database at a time; a late reader of a run with more gets the next ones without a pause.
EVENTS_AT_ONCE = 1000

# Watchers are told of a run that has had no driver for this long. A restarting coordinator releases its runs and claims them sooner.
UNDRIVEN_AFTER_S = 5.0

# An event stream is closed after this time, so that proxies and rolling updates never meet an endless connection; clients reconnect.
EVENT_STREAM_S = 55.0
EVENT_RETRY_MS = 1000

# Upper limit of `Prefer: wait=N`, because load balancers time out after 60 s.
WAIT_S_MAX = 50

# After how many seconds a client should poll a run that is not final.
RUN_RETRY_AFTER_S = 1

# A download is sent in pieces of this size: each is a message between processes, and takes as much memory.
STREAM_CHUNK_BYTES = 2 * 1024**2


def deployment_options(*, requests_at_once: int = REQUESTS_AT_ONCE) -> dict[str, Any]:
    """Options of `serve.deployment` for one service."""
    return {
        "num_replicas": 1,
        "max_ongoing_requests": requests_at_once,
        "max_queued_requests": REQUESTS_QUEUED_MAX,
        "ray_actor_options": {"num_cpus": REPLICA_CPUS, "resources": REPLICA_PLACE},
        # A replica that does not respond for this time is replaced; uploads of hundreds of megabytes are validated in threads.
        "health_check_timeout_s": 60.0,
        "graceful_shutdown_timeout_s": 5.0,
        "graceful_shutdown_wait_loop_s": 0.1,
    }
