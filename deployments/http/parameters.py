"""Refuses unknown query parameters, because a misspelt filter would silently change the result."""

from fastapi import Request
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import ParamTypes
from fastapi.routing import APIRoute

from riskray.errors import InvalidRequest


async def require_known_parameters(request: Request) -> None:
    """A dependency of every route. Raises InvalidRequest, which names the unknown and the known parameters."""
    given = dict.fromkeys(request.query_params.keys())
    if not given:
        return
    known = query_parameters(request.scope["route"])
    if not (unknown := [name for name in given if name not in known]):
        return
    takes = f"{request.method} {request.url.path} takes {', '.join(known) or 'none'}"
    problems = [{"loc": ["query", name], "msg": f"unknown parameter; {takes}", "code": "unknown_parameter"} for name in unknown]
    raise InvalidRequest(f"unknown query parameter(s) {', '.join(map(repr, unknown))}: {takes}", problems)


def query_parameters(route: APIRoute) -> list[str]:
    """Names of the query parameters that a route takes, including the fields of a model of parameters."""
    fields = get_flat_params(route.dependant)
    return [field.alias for field in fields if getattr(field.field_info, "in_", ParamTypes.query) is ParamTypes.query]
