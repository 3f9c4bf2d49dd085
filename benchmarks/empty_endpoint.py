"""A Serve endpoint that does nothing, on the stack's own Serve: what any answer over HTTP costs at least."""

from typing import Any

from riskray.config import Settings

EMPTY_PATH = "/benchmark-empty"


def serve_empty_endpoint(settings: Settings) -> None:
    """Put it up; needs a running stack."""
    from ray import serve  # Ray reads its variables when it is imported: after the stack's start

    from riskray.grid.start import connect

    connect(settings)

    class Empty:
        async def __call__(self, _: Any) -> str:
            return ""

    deployment = serve.deployment(num_replicas=1, ray_actor_options={"num_cpus": 0})(Empty)
    serve.run(deployment.bind(), name="benchmark-empty", route_prefix=EMPTY_PATH)
