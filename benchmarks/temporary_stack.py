"""A complete stack for one benchmark, with random ports and an empty data directory, removed at the end."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from riskray.config import Settings
from riskray.stack import start_stack, stop_stack
from riskray.stack.ray_head import free_port


@contextmanager
def temporary_stack(**changes: Any) -> Iterator[Settings]:
    """Start Postgres, Ray, warm pricers and the HTTP services on an empty directory; stop them at the end of the block."""
    with tempfile.TemporaryDirectory(prefix="riskray-", ignore_cleanup_errors=True) as directory:
        settings = Settings(
            data_directory=Path(directory), http_port=free_port(), ray_port=free_port(), ray_dashboard_port=free_port(), **changes
        )
        try:
            start_stack(settings, report=lambda line: print(line, file=sys.stderr, flush=True))
            yield settings
        finally:
            stop_stack(settings, report=lambda line: print(line, file=sys.stderr, flush=True))
