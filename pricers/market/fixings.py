"""Published values of indices, as lowering reads them: what is fixed is an input, beside the contracts and the valuation date."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np


class FixingSeries(NamedTuple):
    """One index."""

    days: np.ndarray
    """int32[fixing]: days since 1970-01-01, increasing."""
    values: np.ndarray
    """float64[fixing]: decimal a year for rates, else the index's own unit."""


@dataclass(frozen=True)
class Fixings:
    """Fixings by index name."""

    series: Mapping[str, FixingSeries]

    def __post_init__(self) -> None:
        for name, series in self.series.items():
            if series.days.size != series.values.size or np.any(np.diff(series.days) <= 0):
                raise ValueError(f"fixings of {name!r}: {series.days.size} days, which must increase, and {series.values.size} values")

    @classmethod
    def none(cls) -> "Fixings":
        """No fixings: for products that read none."""
        return cls({})

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 in hex over names, days and values; part of the key under which compiled batches are cached."""
        digest = hashlib.sha256()
        for name in sorted(self.series):
            series = self.series[name]
            digest.update(f"{name}\0{series.days.size}\0".encode())
            digest.update(series.days.astype("<i4").tobytes() + series.values.astype("<f8").tobytes())
        return digest.hexdigest()
