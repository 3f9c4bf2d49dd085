"""Sensitivities by factor as result rows hold them: the columns `factor_nos` and `sensitivities`, and what they mean.

A row's `factor_nos` are increasing. Its `sensitivities` are the numbers of its factors one after the other: of a dense factor one number a
bucket; of a sparse one the count of its pairs, then each pair (bucket number, value), the bucket numbers increasing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pricers.market.factors import Factor


@dataclass(frozen=True)
class FactorRows:
    """Sensitivities of a batch of rows: entry i is one factor of one row, and has the numbers `offsets[i]:offsets[i + 1]`."""

    row: np.ndarray
    """int64[entry]."""
    factor_no: np.ndarray
    """int64[entry]."""
    offsets: np.ndarray
    """int64[entry + 1]."""
    bucket_no: np.ndarray
    """int64[bucket]: within its factor, from 0."""
    values: np.ndarray
    """float64[bucket]."""


def sparse(bucket_nos: np.ndarray, values: np.ndarray) -> np.ndarray:
    """float64[1 + 2 × pair]: one sparse factor as it is stored. Raises ValueError where the bucket numbers do not increase."""
    if bucket_nos.shape != values.shape or np.any(np.diff(bucket_nos) <= 0):
        raise ValueError(f"bucket numbers must increase, one a value; have {bucket_nos.tolist()} for {values.size} values")
    return np.concatenate([[float(values.size)], np.column_stack([bucket_nos.astype(np.float64), values]).ravel()])


def read_factor_rows(factor_nos: pa.ListArray, sensitivities: pa.ListArray, *, factors: Sequence[Factor]) -> FactorRows:
    """The two columns of some rows, opened.

    Args:
        factor_nos: list of int16, null where no bucketed risk was computed.
        sensitivities: list of float64, null in the same rows.
        factors: the run's, by number.
    Raises:
        ValueError: numbers that do not fit their factors.
    """
    counts = factor_nos.value_lengths().fill_null(0).to_numpy().astype(np.int64)
    row = np.repeat(np.arange(counts.size), counts)
    factor_no = np.asarray(factor_nos.flatten()).astype(np.int64)
    stored = np.asarray(sensitivities.flatten(), np.float64)
    if factor_no.size and not (factor_no.min() >= 0 and factor_no.max() < len(factors)):
        raise ValueError(f"factor numbers must lie in 0..{len(factors) - 1}, have {factor_no.min()}..{factor_no.max()}")
    is_sparse = np.array([factor.is_sparse for factor in factors], np.bool_)[factor_no]
    sizes = np.array([len(factor.bucket_labels) for factor in factors], np.int64)[factor_no]
    if is_sparse.any():
        return _with_sparse(row, factor_no, stored, is_sparse, sizes, factors)
    offsets = _offsets(sizes)
    lengths = sensitivities.value_lengths().fill_null(0).to_numpy()
    if not np.array_equal(np.bincount(row, sizes, counts.size), lengths):
        wrong = int(np.flatnonzero(np.bincount(row, sizes, counts.size) != lengths)[0])
        raise ValueError(f"row {wrong} has {lengths[wrong]} sensitivities, not one for each bucket of its factors")
    bucket_no = np.arange(stored.size) - np.repeat(offsets[:-1], sizes)
    return FactorRows(row, factor_no, offsets, bucket_no, stored)


def _with_sparse(
    row: np.ndarray, factor_no: np.ndarray, stored: np.ndarray, is_sparse: np.ndarray, sizes: np.ndarray, factors: Sequence[Factor]
) -> FactorRows:
    at = 0
    buckets, values = [np.empty(0, np.int64)], [np.empty(0)]
    for entry in range(factor_no.size):
        if not is_sparse[entry]:
            buckets.append(np.arange(sizes[entry]))
            values.append(stored[at : at + sizes[entry]])
            at += int(sizes[entry])
            continue
        count = int(stored[at])
        pairs = stored[at + 1 : at + 1 + 2 * count].reshape(-1, 2)
        buckets.append(pairs[:, 0].astype(np.int64))
        values.append(pairs[:, 1])
        at += 1 + 2 * count
        if np.any(np.diff(buckets[-1], prepend=-1) <= 0) or (count and buckets[-1][-1] >= sizes[entry]):
            raise ValueError(f"bucket numbers of {factors[factor_no[entry]].name} must increase within 0..{sizes[entry] - 1}")
    if at != stored.size:
        raise ValueError(f"there are {stored.size} sensitivities, but the factors of the rows have {at}")
    offsets = _offsets(np.array([part.size for part in buckets[1:]], np.int64))
    return FactorRows(row, factor_no, offsets, np.concatenate(buckets), np.concatenate(values))


def renumber_factors(factor_nos: pa.ListArray, *, before: Sequence[Factor], after: Sequence[Factor]) -> pa.ListArray:
    """Factor numbers that count in `before` as numbers in `after`, by kind and name.

    Raises ValueError where a row has a factor that `after` lacks: its position depends on what differs and must not be reused.
    """
    number_of = {(factor.kind, factor.name): number for number, factor in enumerate(after)}
    numbers = np.array([number_of.get((factor.kind, factor.name), -1) for factor in before], np.int16)
    if np.array_equal(numbers, np.arange(numbers.size)):
        return factor_nos
    renumbered = numbers[np.asarray(factor_nos.flatten()).astype(np.int64)]
    if (missing := np.flatnonzero(renumbered < 0)).size:
        lacking = before[int(factor_nos.flatten()[int(missing[0])].as_py())]
        raise ValueError(f"{lacking.kind} {lacking.name!r} is not in the market that rows are reused under")
    lengths = factor_nos.value_lengths().fill_null(0).to_numpy()
    offsets = pa.array(_offsets(lengths).astype(np.int32))
    return pa.ListArray.from_arrays(offsets, pa.array(renumbered), type=factor_nos.type, mask=factor_nos.is_null())


def _offsets(counts: np.ndarray) -> np.ndarray:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])
