"""Finding the coordinator by name, without the libraries that driving a run needs: every HTTP replica does this."""

from typing import Any

import ray

from riskray.config import Settings

COORDINATOR_NAME = "coordinator"


def find_coordinator(settings: Settings) -> Any | None:
    """The cluster's coordinator if there is one."""
    try:
        return ray.get_actor(COORDINATOR_NAME, namespace=settings.ray_namespace)
    except ValueError:
        return None
