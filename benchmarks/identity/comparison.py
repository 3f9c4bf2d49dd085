"""Comparison of two sets of figures, column by column."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.identity.archive import checksums
from benchmarks.identity.figures import Figures, aligned, bits

Verdict = Literal["equal", "within tolerance", "different", "missing", "new"]


@dataclass(frozen=True)
class ColumnComparison:
    """The comparison of one column."""

    name: str
    verdict: Verdict
    """`new`: keys or the whole column were added; `missing`: the column was removed. A missing key makes a column `different`."""
    row_count: int
    changed_count: int = 0
    missing_count: int = 0
    new_count: int = 0
    largest_relative: float = 0.0
    """Largest difference over the larger value or the sum of its terms' absolute values; inf for text, nulls and infinities."""
    example: str = ""

    def __str__(self) -> str:
        counts = {"changed": self.changed_count, "missing": self.missing_count, "new": self.new_count}
        told = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
        relative = f"; largest relative difference {self.largest_relative:.3g}" if self.changed_count else ""
        return f"{self.verdict:<16} {self.name}: {told or 'none'} of {self.row_count:,}{relative}{self.example and '; ' + self.example}"


def compare(before: Mapping[str, Figures], after: Mapping[str, Figures], *, tolerance: float | None = None) -> Iterator[ColumnComparison]:
    """Compare every column of both sets. Without a tolerance all bits must be equal; with one, it is the largest relative difference."""
    digests_before, digests_after = checksums(before), checksums(after)
    for name, part in before.items():
        later = after.get(name)
        shared = None if later is None or part.checksums == later.checksums else aligned(part, later)
        for value in part.values:
            column = f"{name}/{value}"
            if later is None or value not in later.values:
                yield ColumnComparison(column, "missing", part.row_count, missing_count=part.row_count)
            elif digests_before[column] == digests_after[column]:
                yield ColumnComparison(column, "equal", part.row_count)
            else:
                assert shared is not None
                yield _compared(column, value, part, later, rows=shared, tolerance=tolerance)
    for column in digests_after:
        if column not in digests_before:
            row_count = after[column.rpartition("/")[0]].row_count
            yield ColumnComparison(column, "new", row_count, new_count=row_count)


def _compared(
    column: str, value: str, before: Figures, after: Figures, *, rows: tuple[np.ndarray, np.ndarray], tolerance: float | None
) -> ColumnComparison:
    earlier, later = before.values[value].take(pa.array(rows[0])), after.values[value].take(pa.array(rows[1]))
    scale = before.scales[value][rows[0]] if value in before.scales else np.zeros(len(rows[0]))
    relative = _relative_differences(earlier, later, scale)
    changed = np.flatnonzero(~np.isnan(relative))
    missing_count, new_count = before.row_count - len(rows[0]), after.row_count - len(rows[1])
    largest, example = 0.0, ""
    if changed.size:
        worst = int(changed[np.argmax(relative[changed])])
        largest = float(relative[worst])
        example = f"{before.key_of(int(rows[0][worst]))}: {earlier[worst].as_py()!r} became {later[worst].as_py()!r}"
    elif missing_count:
        row = int(np.setdiff1d(np.arange(before.row_count), rows[0])[0])
        example = f"missing: {before.key_of(row)}"
    elif new_count:
        row = int(np.setdiff1d(np.arange(after.row_count), rows[1])[0])
        example = f"new: {after.key_of(row)}"
    verdict: Verdict = "new"
    if missing_count or (changed.size and (tolerance is None or largest > tolerance)):
        verdict = "different"
    elif changed.size:
        verdict = "within tolerance"
    return ColumnComparison(column, verdict, before.row_count, int(changed.size), missing_count, new_count, largest, example)


def _relative_differences(before: pa.Array, after: pa.Array, scale: np.ndarray) -> np.ndarray:
    """float64[row]: NaN if the bits are equal, inf if they differ and are not two finite numbers."""
    valid_before, valid_after = (column.is_valid().to_numpy(zero_copy_only=False) for column in (before, after))
    if before.type != after.type or pa.types.is_string(before.type):
        texts = [pc.fill_null(column.cast(pa.string()), "").to_numpy(zero_copy_only=False) for column in (before, after)]
        return np.where((texts[0] != texts[1]) | (valid_before != valid_after), np.inf, np.nan)
    differs = (bits(before) != bits(after)) | (valid_before != valid_after)
    numbers = [pc.fill_null(column, 0).to_numpy(zero_copy_only=False).astype(np.float64) for column in (before, after)]
    with np.errstate(invalid="ignore", divide="ignore"):
        difference = np.abs(numbers[1] - numbers[0])
        size = np.maximum(np.maximum(np.abs(numbers[0]), np.abs(numbers[1])), scale)
        relative = np.where(difference == 0.0, 0.0, difference / size)
    comparable = valid_before & valid_after & np.isfinite(relative)
    return np.where(differs, np.where(comparable, relative, np.inf), np.nan)
