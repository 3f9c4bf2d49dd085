"""Pricers from outside this repository: those of installed wheels with entry points, and of modules that the settings name."""

import importlib

from pricers.registry import load_entry_points
from riskray.config import Settings
from riskray.errors import StackError


def load_pricers(settings: Settings) -> None:
    """Register external pricers in this process. Every process that checks, plans or prices positions calls this; it is idempotent.

    Raises StackError if a module of `settings.pricer_modules` cannot be imported.
    """
    load_entry_points()
    for module in settings.pricer_modules:
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise StackError(
                f"RISKRAY_PRICER_MODULES names {module!r}, which cannot be imported ({error}); install it, or start from its directory"
            ) from error
