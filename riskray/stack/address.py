"""Where the API may listen: requests from other machines need a token."""

import ipaddress

from riskray.config import Settings
from riskray.errors import StackError


def require_safe_address(settings: Settings, *, host: str) -> None:
    """Raise StackError if `host` can be reached from other machines and no token is set."""
    if settings.api_token is not None or host == "localhost":
        return
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise StackError(
            f"the API on {host} can be reached from other machines, so RISKRAY_API_TOKEN must be set; "
            "or let it listen on 127.0.0.1 (RISKRAY_HTTP_HOST with `riskray up`, http_options.host with `serve deploy`)"
        )
