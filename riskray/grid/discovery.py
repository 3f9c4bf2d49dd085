"""Finds the coordinator by name, as every HTTP replica does, without the libraries that are needed to drive a run."""

from typing import Any

import ray

from riskray.config import Settings

COORDINATOR_NAME = "coordinator"


def find_coordinator(settings: Settings) -> Any | None:
    """The cluster's coordinator, or None if there is none."""
    try:
        return ray.get_actor(COORDINATOR_NAME, namespace=settings.ray_namespace)
    except ValueError:
        return None
