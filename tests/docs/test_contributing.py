"""The recipes of CONTRIBUTING.md work as printed."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import pricers
from tests.fixtures.contributing import recipe

USE = """
import datetime, json, sys
import numpy as np
import {module}
from pricers import Curve, CurveKind, Market, contracts_of, pricer, value_contracts

as_of = int(np.datetime64("2026-01-15").astype("datetime64[D]").astype(int))
curve = Curve("EUR", CurveKind.RATE, "EUR", "LINEAR_ZERO", ("1Y",), np.array([365], np.int32), np.array([0.02]))
market = Market(as_of, "EUR", (curve,), {{}})
rows = json.loads(sys.argv[1])
spec = pricer("{product}")
valuation = value_contracts(spec, contracts_of(spec.columns, rows), market=market)
pv, status, messages = valuation.values["pv"].tolist(), valuation.status.tolist(), list(valuation.messages.values())
print(json.dumps({{"pv": pv, "status": status, "messages": messages}}))
"""


def run(tmp_path: Path, *, module: str, product: str, rows: list[dict[str, object]]) -> dict[str, list[object]]:
    (tmp_path / f"{module}.py").write_text(recipe(f"{module}.py"), encoding="utf-8")
    result = subprocess.run(
        [sys.executable, "-c", USE.format(module=module, product=product), json.dumps(rows)],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    answer: dict[str, list[object]] = json.loads(result.stdout.splitlines()[-1])
    return answer


def test_plain_function_recipe_prices_and_fails_row_by_row(tmp_path: Path) -> None:
    good = {"currency": "EUR", "notional": 100.0, "instrument": '{"rate": 0.03, "years": 2}'}
    bad = {"currency": "EUR", "notional": 100.0, "instrument": '{"rate": 0.03}'}
    answer = run(tmp_path, module="my_pricers", product="PROMISSORY_NOTE", rows=[good, bad])
    assert answer["pv"][0] == pytest.approx(100 * 0.9417645335842487, rel=1e-12)  # exp(-0.06)
    assert answer["status"] == [0, 13]
    assert answer["messages"] == ["KeyError: 'years'"]


def test_cash_flow_recipe_prices_and_flags_dates(tmp_path: Path) -> None:
    deposit = {"notional": 1000.0, "currency": "EUR", "deposit_rate": 0.036, "start_date": "2025-07-19", "maturity_date": "2026-07-14"}
    rows = [{**deposit, "discount_curve": "EUR"}, {**deposit, "maturity_date": "2025-07-19", "discount_curve": "EUR"}]
    answer = run(tmp_path, module="deposit", product="DEPOSIT", rows=rows)
    # 360 days of interest at 3.6 % make 1036, paid in 180 days: exp(-0.02 * 180 / 365) = 0.990185...
    assert answer["pv"][0] == pytest.approx(1036 * 2.718281828459045 ** (-0.02 * 180 / 365), rel=1e-12)
    assert answer["status"] == [0, 2]


def test_cash_flow_recipe_in_the_folder_of_its_family_is_found_without_another_change(tmp_path: Path) -> None:
    package = tmp_path / "pricers"
    shutil.copytree(Path(pricers.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "products" / "cash" / "deposit.py").write_text(recipe("deposit.py"), encoding="utf-8")
    program = "from pricers import known_products; print(*known_products())"
    result = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert {"DEPOSIT", "FIXED_BOND"} <= set(result.stdout.split())


@pytest.mark.parametrize(("target", "outcome"), [("deposit", "DEPOSIT"), ("deposits", "entry point 'deposit' = 'deposits' of group")])
def test_cash_flow_recipe_in_an_installed_wheel_is_found_by_its_entry_point(tmp_path: Path, target: str, outcome: str) -> None:
    (tmp_path / "deposit.py").write_text(recipe("deposit.py"), encoding="utf-8")
    wheel = tmp_path / "deposit-1.0.dist-info"
    wheel.mkdir()
    (wheel / "METADATA").write_text("Metadata-Version: 2.1\nName: deposit\nVersion: 1.0\n", encoding="utf-8")
    (wheel / "entry_points.txt").write_text(f"[riskray.pricers]\ndeposit = {target}\n", encoding="utf-8")
    result = subprocess.run(
        [sys.executable, "-c", "from pricers import known_products, load_entry_points; load_entry_points(); print(*known_products())"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome in (result.stdout if result.returncode == 0 else result.stderr), result.stderr
