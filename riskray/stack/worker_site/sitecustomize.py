"""Loaded by Python at the start of every process of the local Ray, from PYTHONPATH: keeps optional imports that nobody needs out of it.

Ray Serve imports pandas wherever it is installed, only to be able to encode data frames, and the Postgres driver imports polars likewise.
Neither happens in riskray, and each costs one to two seconds of CPU in every one of a dozen processes that start at once. Only these two
modules are told that there is none; a pricer that wants pandas gets it.
"""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import FrameType, ModuleType

UNWANTED = {"pandas": "ray.serve._private.utils", "polars": "adbc_driver_manager._dbapi_backend"}


class _Refusal(MetaPathFinder):
    """Refuses a package to the one module that imports it in vain."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name in UNWANTED and _importer() == UNWANTED[name]:
            raise ModuleNotFoundError(f"{name} is kept from {UNWANTED[name]} by {__file__}", name=name)
        return None


def _importer() -> str:
    """Name of the module that contains the import statement being executed."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_globals.get("__name__", "").startswith("importlib."):
        frame = frame.f_back
    return "" if frame is None else str(frame.f_globals.get("__name__", ""))


sys.meta_path.insert(0, _Refusal())
