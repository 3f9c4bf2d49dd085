"""Where compiled kernels are kept: one folder for each state of the sources of `pricers`.

numba checks only the file of the function that it loads, not the files of the functions compiled into it. In one shared folder, a kernel
compiled before a change of, say, a calendar rule would keep using the old rule.
"""

import hashlib
from pathlib import Path
from typing import Any, Final

from numba.core import config

_PACKAGE = Path(__file__).parent.parent


def sources_digest(package: Path) -> str:
    """16 hexadecimal digits that change with the name or content of any Python source of a package, subfolders included."""
    digest = hashlib.sha256()
    for source in sorted(package.rglob("*.py")):
        digest.update(b"%b\0%b\0" % (source.relative_to(package).as_posix().encode(), source.read_bytes()))
    return digest.hexdigest()[:16]


SOURCES_DIGEST: Final = sources_digest(_PACKAGE)
"""Of the sources of `pricers` as they were when this process imported them."""


def keep_kernels_by_source() -> None:
    """Point numba to the folder of the present sources, in its configured cache directory or else in the package's `__pycache__`."""
    options: Any = config  # numba sets its options as attributes of this module when it is imported
    parent = Path(options.CACHE_DIR) if options.CACHE_DIR else _PACKAGE / "__pycache__"
    options.CACHE_DIR = str(parent / f"kernels-{SOURCES_DIGEST}")


keep_kernels_by_source()
