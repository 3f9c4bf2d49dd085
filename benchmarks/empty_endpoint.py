"""A Serve endpoint that does nothing, on the stack's own Serve: the least cost of a response over HTTP."""

from typing import Any

from riskray.config import Settings

EMPTY_PATH = "/benchmark-empty"


def serve_empty_endpoint(settings: Settings) -> None:
    """Deploy the endpoint; needs a running stack."""
    from ray import serve  # Ray reads its variables when it is imported, so this must follow the start of the stack

    from riskray.grid.start import connect

    connect(settings)

    class Empty:
        async def __call__(self, _: Any) -> str:
            return ""

    deployment = serve.deployment(num_replicas=1, ray_actor_options={"num_cpus": 0})(Empty)
    serve.run(deployment.bind(), name="benchmark-empty", route_prefix=EMPTY_PATH)
