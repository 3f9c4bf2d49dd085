"""What a replica takes on at once, with the reason for each number. Replicas only move bytes; pricing happens in pool actors."""

from typing import Any

# Five is Serve's default and five open event streams would fill it; handlers wait on the database in threads, not on the CPU.
REQUESTS_AT_ONCE = 64

# An open event stream or `Prefer: wait` costs a little memory and one small query every two seconds.
RUNS_REQUESTS_AT_ONCE = 1000

# Pricing one position takes milliseconds on an actor; more at once only makes everybody wait longer.
PRICING_REQUESTS_AT_ONCE = 32

# Serve's default is no bound at all; beyond this a caller gets 503 with Retry-After at once instead of a time-out later.
REQUESTS_QUEUED_MAX = 256

# Share of a core that the scheduler reserves: small, because the cores are for pricers.
REPLICA_CPUS = 0.05

# Every head node has one of this, locally too: replicas stay where the proxy is. Elsewhere they would hold up a node that a run brought.
REPLICA_PLACE = {"node:__internal_head__": 0.001}

# Bodies arrive through here in pieces and are validated in a thread; more than this at once could exhaust the memory.
UPLOADS_AT_ONCE = 2

# Body of a service that takes no files. It is parsed whole, into many times its size of memory; what the models allow stays below it.
JSON_BYTES_MAX = 32 * 1024**2

# How often an open event stream looks into the database when nothing wakes it.
EVENT_POLL_S = 2.0

# Events that a stream reads from the database in one go; a late reader of a run with more gets the next ones without a pause.
EVENTS_AT_ONCE = 1000

# A run that nobody drives for this long is told to its watchers. A coordinator that starts anew gives its runs back and takes them sooner.
UNDRIVEN_AFTER_S = 5.0

# An event stream is closed after this long, so that proxies and rolling updates never meet an endless connection; clients come back.
EVENT_STREAM_S = 55.0
EVENT_RETRY_MS = 1000

# `Prefer: wait=N` is cut to this; load balancers give up after 60 s.
WAIT_S_MAX = 50

# When a client should look again at a run that is not final.
RUN_RETRY_AFTER_S = 1

# A download leaves in pieces of this size: each is a message between processes, and as much memory.
STREAM_CHUNK_BYTES = 2 * 1024**2


def deployment_options(*, requests_at_once: int = REQUESTS_AT_ONCE) -> dict[str, Any]:
    """Options of `serve.deployment` for one service."""
    return {
        "num_replicas": 1,
        "max_ongoing_requests": requests_at_once,
        "max_queued_requests": REQUESTS_QUEUED_MAX,
        "ray_actor_options": {"num_cpus": REPLICA_CPUS, "resources": REPLICA_PLACE},
        # A replica that cannot answer for this long is replaced; uploads of hundreds of megabytes are validated in threads.
        "health_check_timeout_s": 60.0,
        "graceful_shutdown_timeout_s": 5.0,
        "graceful_shutdown_wait_loop_s": 0.1,
    }
