"""Where compiled kernels are kept: a folder of their own for each state of the sources of `pricers`.

numba checks only the file of the function that it loads, not the files of the functions that were compiled into it. Without this, a
kernel compiled before a change of, say, a calendar rule would go on using the old rule.
"""

import hashlib
from pathlib import Path
from typing import Any

from numba.core import config

_PACKAGE = Path(__file__).parent.parent
_SOURCES = sorted(_PACKAGE.rglob("*.py"))


def keep_kernels_by_source() -> None:
    """Point numba at the folder of these sources: below its configured cache directory, else beside the sources' own bytecode."""
    options: Any = config  # numba sets its options as attributes of this module when it is imported
    digest = hashlib.sha256(b"\0".join(source.read_bytes() for source in _SOURCES)).hexdigest()[:16]
    parent = Path(options.CACHE_DIR) if options.CACHE_DIR else _PACKAGE / "__pycache__"
    options.CACHE_DIR = str(parent / f"kernels-{digest}")


keep_kernels_by_source()
