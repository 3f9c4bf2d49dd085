"""Sums of doubles without rounding until the end, so that a total has the same bits whatever the order, shard size or number of workers.

Every accumulator is one integer wide enough for any sum of doubles: a multiple of 2^-1074 held in 68 limbs of 32 bits, each limb in an
int64 so that a billion additions fit before carries are settled. Adding is exact, merging is exact, and `round` rounds once, correctly
(half to even), like `math.fsum`.

References: [1] R. M. Neal, "Fast exact summation using small and large superaccumulators", 2015, arXiv:1505.05571.
"""

import math
import struct

import numpy as np

from pricers.kernels.jit import kernel

LIMB_COUNT = 68
"""Of 32 bits each: 2,098 bits for the exponents of doubles and 64 for the carries of as many additions as anybody can make."""
UNIT_EXPONENT = -1074
"""The lowest bit of the lowest limb: the smallest double."""
ADDITIONS_MAX = 2**28
"""One addition moves a limb by less than 2^33, so this many stay well inside an int64."""

_HEADER = struct.Struct("<I")
_UNIT = 1 << -UNIT_EXPONENT


class ExactSums:
    """`group_count` running sums, addressed by number."""

    def __init__(self, group_count: int) -> None:
        self._limbs = np.zeros((group_count, LIMB_COUNT), np.int64)
        self._additions = 0

    @property
    def group_count(self) -> int:
        """Number of sums."""
        return self._limbs.shape[0]

    def add(self, groups: np.ndarray, values: np.ndarray) -> None:
        """Add `values` (float64, finite) to the sums numbered `groups` (integers, same length).

        Raises ValueError for arrays of different length, a group out of range, or a value that is not finite.
        """
        if groups.shape != values.shape:
            raise ValueError(f"groups and values must have the same length, have {groups.shape} and {values.shape}")
        if groups.size and not (groups.min() >= 0 and groups.max() < self.group_count):
            raise ValueError(f"groups must lie in 0..{self.group_count - 1}, have {groups.min()}..{groups.max()}")
        groups = np.ascontiguousarray(groups, np.int64)
        values = np.ascontiguousarray(values, np.float64)
        if not np.all(np.isfinite(values)):
            raise ValueError("only finite values can be added")
        for start in range(0, values.size, ADDITIONS_MAX):
            stop = min(start + ADDITIONS_MAX, values.size)
            self._make_room(stop - start)
            _add(self._limbs, groups[start:stop], values[start:stop].view(np.uint64))

    def add_sums(self, groups: np.ndarray, other: "ExactSums") -> None:
        """Add sum i of `other` to the sum numbered `groups[i]`."""
        if groups.shape != (other.group_count,):
            raise ValueError(f"one group for each of the {other.group_count} sums is needed, have {groups.shape}")
        other._settle()
        self._make_room(other.group_count)
        np.add.at(self._limbs, groups, other._limbs)

    def taken(self, groups: np.ndarray) -> "ExactSums":
        """The sums of these numbers, in their order."""
        chosen = ExactSums(groups.size)
        chosen._limbs += self._limbs[groups]
        chosen._additions = self._additions
        return chosen

    def round(self) -> np.ndarray:
        """float64[group]: each sum, rounded once to the nearest double; infinite beyond the largest double."""
        self._settle()
        negative = np.any(self._limbs < 0, axis=1)
        magnitudes = np.abs(self._limbs).astype("<u4")
        rounded = np.zeros(self.group_count, np.float64)
        for group in np.flatnonzero(np.any(magnitudes, axis=1)):
            integer = int.from_bytes(magnitudes[group].tobytes(), "little")
            try:
                value = integer / _UNIT  # division of Python's integers rounds correctly
            except OverflowError:
                value = math.inf
            rounded[group] = -value if negative[group] else value
        return rounded

    def to_bytes(self) -> bytes:
        """Only the limbs in use. Equal sums give equal bytes, however they came about."""
        self._settle()
        used = self._limbs != 0
        count = np.where(used.any(axis=1), LIMB_COUNT - used.argmax(axis=1) - used[:, ::-1].argmax(axis=1), 0)
        first = np.where(count > 0, used.argmax(axis=1), 0)
        limb = np.arange(LIMB_COUNT)
        inside = (limb >= first[:, None]) & (limb < (first + count)[:, None])
        return b"".join(
            (
                _HEADER.pack(self.group_count),
                first.astype(np.uint8).tobytes(),
                count.astype(np.uint8).tobytes(),
                np.any(self._limbs < 0, axis=1).astype(np.uint8).tobytes(),
                np.abs(self._limbs[inside]).astype("<u4").tobytes(),
            )
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> "ExactSums":
        """The inverse of `to_bytes`. Raises ValueError for anything else."""
        try:
            (group_count,) = _HEADER.unpack_from(data)
            first, count, negative = np.frombuffer(data, np.uint8, 3 * group_count, _HEADER.size).reshape(3, group_count).astype(np.int64)
            magnitudes = np.frombuffer(data, "<u4", offset=_HEADER.size + 3 * group_count).astype(np.int64)
            sums = cls(group_count)
            limb = np.arange(LIMB_COUNT)
            inside = (limb >= first[:, None]) & (limb < (first + count)[:, None])
            sums._limbs[inside] = magnitudes * np.repeat(1 - 2 * negative, count)
        except (struct.error, ValueError, IndexError) as error:
            raise ValueError(f"not the bytes of exact sums: {error}") from None
        return sums

    def _make_room(self, additions: int) -> None:
        if self._additions + additions > ADDITIONS_MAX:
            self._settle()
        self._additions += additions

    def _settle(self) -> None:
        _settle(self._limbs)
        self._additions = 0


@kernel
def _add(limbs, groups, bits):  # type: ignore[no-untyped-def]
    """Add doubles, given as their bits, to the limbs of their groups."""
    low = np.uint64(0xFFFFFFFF)
    for i in range(bits.size):
        word = bits[i]
        exponent = np.int64((word >> np.uint64(52)) & np.uint64(0x7FF))
        mantissa = word & np.uint64(0xFFFFFFFFFFFFF)
        if exponent != 0:
            mantissa |= np.uint64(0x10000000000000)
            exponent -= 1  # subnormals share the exponent of the smallest normal doubles
        shift = np.uint64(exponent & 31)
        a = (mantissa & low) << shift
        b = (mantissa >> np.uint64(32)) << shift
        first = exponent >> 5
        sign = np.int64(-1) if word >> np.uint64(63) else np.int64(1)
        group = groups[i]
        limbs[group, first] += sign * np.int64(a & low)
        limbs[group, first + 1] += sign * np.int64((a >> np.uint64(32)) + (b & low))
        limbs[group, first + 2] += sign * np.int64(b >> np.uint64(32))


@kernel
def _settle(limbs):  # type: ignore[no-untyped-def]
    """Settle carries: afterwards all limbs of a sum have its sign and a magnitude below 2^32, which is the same for equal sums."""
    for group in range(limbs.shape[0]):
        if not np.any(limbs[group]):
            continue
        carry = np.int64(0)
        for limb in range(LIMB_COUNT - 1):
            total = limbs[group, limb] + carry
            carry = total >> np.int64(32)
            limbs[group, limb] = total & np.int64(0xFFFFFFFF)
        limbs[group, LIMB_COUNT - 1] += carry
        if limbs[group, LIMB_COUNT - 1] < 0:
            carry = np.int64(0)
            for limb in range(LIMB_COUNT - 1):
                total = carry - limbs[group, limb]
                carry = total >> np.int64(32)
                limbs[group, limb] = -(total & np.int64(0xFFFFFFFF))
            limbs[group, LIMB_COUNT - 1] = -(carry - limbs[group, LIMB_COUNT - 1])
