"""Random schedule contracts over every rule, tenor, stub, convention and calendar; any number, from a seed."""

from typing import Any

import numpy as np

from pricers.time.calendars import BUSINESS_DAY_CONVENTIONS
from pricers.time.dates import NO_DATE, add_months
from pricers.time.schedule import BACKWARD, FORWARD, FREQUENCIES, FREQUENCY_DAYS, FREQUENCY_MONTHS, ZERO
from tests.oracles.quantlib_time import month_ends_among


def random_contracts(
    count: int, *, seed: int, calendar_count: int, first_effective: int = 0, last_effective: int = 40_000
) -> dict[str, np.ndarray]:
    """Arguments of `tests.oracles.schedule_batch.schedules` for `count` contracts.

    A third of all dates are month ends, two in five contracts mature on the grid of their tenor, a third have an explicit stub date at
    either end (half of these within 250 days of that end). ZERO comes without month_end, with which QuantLib fails.
    """
    rng = np.random.default_rng(seed)
    frequency = rng.integers(0, FREQUENCIES.index("SEMIMONTHLY"), count)  # QuantLib has no half months
    months, days = FREQUENCY_MONTHS[frequency], FREQUENCY_DAYS[frequency]
    effective = month_ends_among(rng.integers(first_effective, last_effective, count), share=0.3, rng=rng)
    maturity = _maturities(effective, months=months, days=days, rng=rng)
    rule = rng.choice([BACKWARD] * 3 + [FORWARD] * 3 + [ZERO], count)
    rolls = (rule != ZERO) & (frequency != 0)
    first_date, penultimate_date = _stub_dates(effective, maturity=maturity, rolls=rolls, rng=rng)
    conventions = rng.integers(0, len(BUSINESS_DAY_CONVENTIONS), (2, count))
    return {
        "effective": effective,
        "maturity": maturity,
        "tenor_months": months,
        "tenor_days": days,
        "rule": rule,
        "first_date": first_date,
        "penultimate_date": penultimate_date,
        "month_end": (rng.random(count) < 0.5) & (rule != ZERO),
        "convention": conventions[0],
        "termination_convention": conventions[1],
        "calendar": rng.integers(0, calendar_count, count),
    }


def _maturities(effective: np.ndarray, *, months: np.ndarray, days: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    count = len(effective)
    life = np.where(days > 0, rng.integers(1, 60, count) * np.maximum(days, 1), rng.integers(1, 12_000, count))
    life = np.where(rng.random(count) < 0.1, rng.integers(1, 100, count), life)
    off_grid = month_ends_among(effective + life, share=0.3, rng=rng)
    whole_tenors = rng.integers(1, 30, count) * months
    on_grid = np.array([add_months(day, int(moved), True) for day, moved in zip(effective, whole_tenors, strict=True)])
    maturity = np.where((rng.random(count) < 0.4) & (months > 0), on_grid, off_grid)
    return np.maximum(maturity, effective + 1).astype(np.int32)


def _stub_dates(
    effective: np.ndarray, *, maturity: np.ndarray, rolls: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    count = len(effective)
    anywhere = rng.integers(effective, maturity + 1, (2, count))
    near_ends = np.stack([effective + rng.integers(0, 250, count), maturity - rng.integers(0, 250, count)])
    dates = np.where(rng.random((2, count)) < 0.5, near_ends, anywhere)
    dates = np.stack([month_ends_among(row, share=0.3, rng=rng) for row in dates])
    dates = np.clip(dates, effective, maturity)
    wanted = (rng.random((2, count)) < 0.35) & rolls
    ordered = np.where(wanted.all(axis=0), np.sort(dates, axis=0), dates)
    first_date, penultimate_date = np.where(wanted, ordered, NO_DATE).astype(np.int32)
    return first_date, penultimate_date


def contract_of(contracts: dict[str, np.ndarray], row: int | np.integer) -> dict[str, Any]:
    return {name: int(values[row]) for name, values in contracts.items()}
