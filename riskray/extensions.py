"""Pricers that others bring: installed wheels by their entry points, and the modules that the settings name."""

import importlib

from pricers.registry import load_entry_points
from riskray.config import Settings
from riskray.errors import StackError


def load_pricers(settings: Settings) -> None:
    """Register them in this process; every process that checks, plans or prices positions calls this, and twice does no harm.

    Raises StackError for a module of `settings.pricer_modules` that cannot be imported.
    """
    load_entry_points()
    for module in settings.pricer_modules:
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise StackError(
                f"RISKRAY_PRICER_MODULES names {module!r}, which cannot be imported ({error}); install it, or start from its directory"
            ) from error
