"""Indices and their published values, as lowering reads them: what is fixed is an input, beside the contracts and the valuation date."""

import hashlib
from collections.abc import Mapping
from dataclasses import astuple, dataclass, field
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np

from pricers.market.indices import STANDARD_INDICES, Index


class FixingSeries(NamedTuple):
    """One index."""

    days: np.ndarray
    """int32[fixing]: fixing dates, days since 1970-01-01, increasing."""
    values: np.ndarray
    """float64[fixing]: decimal a year for rates, else the index's own unit."""


_NO_FIXINGS: Final = FixingSeries(np.empty(0, np.int32), np.empty(0))


@dataclass(frozen=True)
class Fixings:
    """Published values by index name, and the definitions of all indices."""

    series: Mapping[str, FixingSeries]
    indices: Mapping[str, Index] = field(default_factory=lambda: STANDARD_INDICES)
    through: int | None = None
    """The last day (since 1970-01-01) whose fixings are read; None, as in every market: the valuation date. A later day serves to find
    what was paid between two dates: lowering for the earlier one then knows what was fixed by the later one."""

    def __post_init__(self) -> None:
        for name, series in self.series.items():
            if series.days.size != series.values.size or np.any(np.diff(series.days) <= 0):
                raise ValueError(f"fixings of {name!r}: {series.days.size} days, which must increase, and {series.values.size} values")

    @classmethod
    def none(cls) -> "Fixings":
        """No fixings: for products that read none."""
        return cls({})

    def index(self, name: str) -> Index | None:
        """The index of this name; None where no definition has it."""
        return self.indices.get(name)

    def values_on(self, name: str, days: np.ndarray) -> np.ndarray:
        """float64[day]: the index's values on these days (since 1970-01-01), NaN where none is published.

        >>> Fixings({"USD-SOFR": FixingSeries(np.array([20_000], np.int32), np.array([0.05]))}).values_on("USD-SOFR", np.array([20_000, 1]))
        array([0.05,  nan])
        """
        series = self.series.get(name)
        if series is None or not series.days.size:
            return np.full(np.shape(days), np.nan)
        place = np.minimum(np.searchsorted(series.days, days), series.days.size - 1)
        return np.where(series.days[place] == days, series.values[place], np.nan)

    def published(self, name: str, as_of: int) -> FixingSeries:
        """The index's fixings that lowering for the date `as_of` reads: those of days up to `known_until`; empty where it has none."""
        series = self.series.get(name, _NO_FIXINGS)
        count = int(np.searchsorted(series.days, self.known_until(as_of), side="right"))
        return FixingSeries(series.days[:count], series.values[:count])

    def known_until(self, as_of: int) -> int:
        """The last day whose fixings lowering for the date `as_of` reads; fixings of later days are forecast."""
        return as_of if self.through is None else max(as_of, self.through)

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 in hex over definitions, names, days and values; part of the key under which compiled batches are cached."""
        digest = hashlib.sha256(b"" if self.through is None else f"through {self.through}\0".encode())
        for name in sorted(self.indices):
            digest.update(f"{name}\0{astuple(self.indices[name])}\0".encode())
        for name in sorted(self.series):
            series = self.series[name]
            digest.update(f"{name}\0{series.days.size}\0".encode())
            digest.update(series.days.astype("<i4").tobytes() + series.values.astype("<f8").tobytes())
        return digest.hexdigest()
