"""Random loans whose balance rolls forward against tables made payment by payment in plain Python."""

from typing import Any

import numpy as np

from pricers import RowStatus, contracts_of, pricer
from pricers.registry import NO_FIXINGS
from tests.unit.pricers.examples import AS_OF

PERIODS = {"MONTHLY": 12, "QUARTERLY": 4, "SEMIANNUAL": 2}


def random_loan(rng: np.random.Generator) -> dict[str, Any]:
    """Terms of a loan that starts on the valuation date, months of 30 days."""
    frequency, years = str(rng.choice(list(PERIODS))), int(rng.integers(2, 12))
    level = bool(rng.random() < 0.7)
    row: dict[str, Any] = {
        "currency": "EUR", "discount_curve": "EUR", "notional": float(np.round(rng.uniform(1e4, 1e6), 2)), "frequency": frequency,
        "interest_rate": float(np.round(rng.uniform(0.0, 0.12), 4)), "start_date": AS_OF,
        "maturity_date": str(np.datetime64("2026-03-16").astype("datetime64[M]") + 12 * years) + "-16",
        "amortisation": "LEVEL_PAYMENT" if level else "LINEAR",
    }  # fmt: skip
    if rng.random() < 0.4:
        row["compounding_frequency"] = str(rng.choice(["ANNUAL", "SEMIANNUAL", "MONTHLY"]))
    if rng.random() < 0.5:
        row["amortisation_term"] = int(12 * rng.integers(years, years + 20))
    elif rng.random() < 0.5:
        row["instalment_amount"] = row["notional"] * float(rng.uniform(0.5, 2.0)) / (years * PERIODS[frequency])
        row["negative_amortisation"] = level
    if rng.random() < 0.4:
        row["payment_decimals"] = int(rng.choice([0, 2]))
    if rng.random() < 0.3:
        row["capitalisation_end_date"] = "2027-03-16"
    elif rng.random() < 0.3:
        row["payment_timing"] = "ADVANCE"
    return row


def half_up(amount: float, decimals: int | None) -> float:
    if decimals is None:
        return amount
    return float(np.sign(amount) * np.floor(abs(amount) * 10**decimals + 0.5 + 1e-6) / 10**decimals)


def table(row: dict[str, Any]) -> tuple[list[float], list[float]]:
    """Payments and balances after them, one a period; the first payment in advance is in the balance alone."""
    per_year, decimals, rate = PERIODS[row["frequency"]], row.get("payment_decimals"), row["interest_rate"]
    periods = int(per_year * (int(row["maturity_date"][:4]) - 2026))
    m = {"ANNUAL": 1, "SEMIANNUAL": 2, "MONTHLY": 12}.get(row.get("compounding_frequency", ""), 0)
    i = (1.0 + rate / m) ** (m / per_year) - 1.0 if m else rate / per_year
    held = per_year if "capitalisation_end_date" in row else 0
    balance = row["notional"]
    payments, balances = [], []
    for _ in range(held):
        balance += half_up(balance * i, decimals)
        payments.append(0.0)
        balances.append(balance)
    count = row["amortisation_term"] * per_year / 12 if "amortisation_term" in row else periods - held
    is_due, level = row.get("payment_timing") == "ADVANCE", row["amortisation"] == "LEVEL_PAYMENT"
    if level:
        instalment = balance / count if i == 0.0 else balance * i / (1.0 - (1.0 + i) ** -count) / (1.0 + i if is_due else 1.0)
    else:
        instalment = balance / np.ceil(count)
    instalment = half_up(row.get("instalment_amount", instalment), decimals)
    if is_due:
        balance -= min(instalment, balance)
        balances.append(balance)
    for number in range(held, periods):
        interest = half_up(balance * i, decimals)
        principal = min(instalment - interest if level else instalment, balance)
        if number == periods - 1:
            principal = balance
        balance -= principal
        payments.append(interest + principal)
        balances.append(balance)
    return payments, balances


def test_random_instalments_follow_the_table() -> None:
    rng = np.random.default_rng(7)
    rows = [random_loan(rng) for _ in range(300)]
    lower = pricer("AMORT_LOAN").lower
    assert lower is not None
    found = lower(contracts_of(pricer("AMORT_LOAN").columns, rows), as_of=AS_OF, fixings=NO_FIXINGS)
    compared = 0
    for number, row in enumerate(rows):
        payments, balances = table(row)
        if found.status[number] != RowStatus.OK:
            assert found.status[number] == RowStatus.MATURED, row  # repaid by the first instalment in advance
            assert balances[0] == 0.0
            continue
        own = slice(*found.cashflows.flow_offsets[number : number + 2])
        amounts = found.cashflows.amount[own]
        expected = np.array(payments)
        np.testing.assert_allclose(expected[amounts.size :], 0.0, atol=1e-6 * row["notional"], err_msg=str(row))
        np.testing.assert_allclose(amounts, expected[: amounts.size], rtol=1e-9, atol=1e-8 * row["notional"], err_msg=str(row))
        compared += 1
    assert compared > 290
