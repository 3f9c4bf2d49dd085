"""Every service that reads contracts knows the products of modules that the settings name; each runs in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

MODULE = """
from pricers import register

def price(position, instrument, market_snapshot, measures, scenario_id):
    return {"pv": instrument["notional"]}

register("PROMISSORY_NOTE", price, title="Promissory note")
"""
CREATE = """
import sys
from unittest.mock import Mock
from deployments.services import {service}
from pricers import known_products
from riskray.config import Settings
from riskray.store.database import Database

settings = Settings()
{service}.create_app(settings, Database(settings, application_name="test"), *{more})
print(*known_products())
"""


@pytest.mark.parametrize(("service", "more"), [("portfolios", "()"), ("pricing", "(Mock(),)"), ("runs", "(Mock(),)")])
@pytest.mark.parametrize(
    ("module", "outcome"), [("my_pricers", "PROMISSORY_NOTE"), ("my_prices", "RISKRAY_PRICER_MODULES names 'my_prices'")]
)
def test_service_knows_the_products_of_the_modules_that_the_settings_name(
    tmp_path: Path, service: str, more: str, module: str, outcome: str
) -> None:
    (tmp_path / "my_pricers.py").write_text(MODULE, encoding="utf-8")
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(tmp_path), str(Path(__file__).parents[3])]),
        "RISKRAY_PRICER_MODULES": f'["{module}"]',
        "RISKRAY_DATA_DIRECTORY": str(tmp_path),
        "RISKRAY_DATABASE_URL": "postgresql://no-user@127.0.0.1:1/none",
    }
    code = CREATE.format(service=service, more=more)
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert outcome in (result.stdout if result.returncode == 0 else result.stderr), result.stderr
