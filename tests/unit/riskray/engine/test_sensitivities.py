"""Sensitivities by factor in result rows and in sums: dense and sparse, renumbered, and as the version before wrote them."""

import json
import struct
import zlib
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pricers.contract.columns import Contracts, Text
from pricers.market.factors import Factor, FactorKind
from riskray.engine.exact_sum import ExactSums
from riskray.engine.result_schema import FAILURE_SCHEMA, RESULT_SCHEMA, ROLLUP_MEASURES
from riskray.engine.sensitivities import read_factor_rows, renumber_factors, sparse
from riskray.engine.shard import ShardPositions, ShardResult
from riskray.engine.sums import ShardSums, merge, roll_up, shard_sums


def _factor(kind, name, buckets, *, is_sparse=False):
    return Factor(kind, name, "base currency", 1e-4, tuple(f"{n}Y" for n in range(buckets)), tuple(range(buckets)), is_sparse)


EUR, USD = _factor(FactorKind.RATE, "EUR", 2), _factor(FactorKind.RATE, "USD", 3)
CORP = _factor(FactorKind.SPREAD, "EUR", 1)  # of the same name as a discount curve
SURFACE = _factor(FactorKind.INFLATION, "surface", 100, is_sparse=True)
GBP = _factor(FactorKind.CURRENCY, "GBP", 1)
FACTORS = (EUR, USD, CORP, SURFACE, GBP)


def _columns(rows):
    """`rows`: a row's factors in order, each with its stored numbers; None where nothing was computed."""
    numbers = [None if row is None else [FACTORS.index(factor) for factor, _ in row] for row in rows]
    values = [None if row is None else [float(value) for _, part in row for value in part] for row in rows]
    return pa.array(numbers, pa.list_(pa.int16())), pa.array(values, pa.list_(pa.float64()))


ROWS: list[Any] = [
    [(EUR, [1, 2]), (SURFACE, [2, 7, 0.5, 99, -3.5]), (GBP, [4])],
    None,
    [],
    [(USD, [5, 6, 7]), (CORP, [8])],
    [(SURFACE, [0])],
    [(SURFACE, [1, 7, 0.25]), (GBP, [1])],
]


def _result(rows, first=0):
    factor_nos, sensitivities = _columns(rows)
    blank = {name: [None] * len(rows) for name in RESULT_SCHEMA.names}
    given = {"position_no": range(first, first + len(rows)), "pv": [1.0] * len(rows), "pv_base": [1.0] * len(rows)}
    table = pa.table({**blank, **given, "factor_nos": factor_nos, "sensitivities": sensitivities}, schema=RESULT_SCHEMA)
    return ShardResult(table.to_batches()[0], pa.RecordBatch.from_pylist([], schema=FAILURE_SCHEMA))


def _sums(rows, book="X"):
    positions = ShardPositions("P", 0, Contracts(len(rows), {}), Text.of([book] * len(rows)), Text.of(["EUR"] * len(rows)))
    return shard_sums(positions, _result(rows), factors=FACTORS)


def _rolled_up(parts):
    table = roll_up([part.to_bytes() for part in parts], factors=FACTORS).sensitivities
    named = [(row["book"], FACTORS[row["factor_no"]], row["sensitivities"]) for row in table.to_pylist()]
    return {(book, factor.name, factor.kind): values for book, factor, values in named}


def test_dense_and_sparse_factors_of_a_row_are_told_apart():
    found = read_factor_rows(*_columns(ROWS), factors=FACTORS)
    entries = [
        (int(row), FACTORS[number], found.bucket_no[start:end].tolist(), found.values[start:end].tolist())
        for row, number, start, end in zip(found.row, found.factor_no, found.offsets[:-1], found.offsets[1:], strict=True)
    ]
    assert entries == [
        (0, EUR, [0, 1], [1.0, 2.0]), (0, SURFACE, [7, 99], [0.5, -3.5]), (0, GBP, [0], [4.0]),
        (3, USD, [0, 1, 2], [5.0, 6.0, 7.0]), (3, CORP, [0], [8.0]),
        (4, SURFACE, [], []), (5, SURFACE, [7], [0.25]), (5, GBP, [0], [1.0]),
    ]  # fmt: skip


def test_sliced_rows_are_read_like_whole_ones():
    numbers, values = _columns(ROWS)
    found = read_factor_rows(numbers.slice(3, 1), values.slice(3, 1), factors=FACTORS)
    assert (found.row.tolist(), found.values.tolist()) == ([0, 0], [5.0, 6.0, 7.0, 8.0])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([(EUR, [1, 2, 3])], "row 1 has 3 sensitivities"),
        ([(EUR, [1, 2]), (SURFACE, [1, 100, 0.5])], "surface must increase within 0..99"),
        ([(SURFACE, [2, 7, 0.5, 7, 0.5])], "surface must increase within 0..99"),
        ([(SURFACE, [1, 7, 0.5]), (GBP, [1, 2])], "there are 5 sensitivities, but the factors of the rows have 4"),
    ],
)
def test_numbers_that_do_not_fit_their_factors_are_refused(row, message):
    with pytest.raises(ValueError, match=message):
        read_factor_rows(*_columns([[], row]), factors=FACTORS)


def test_factor_that_the_run_lacks_is_refused():
    with pytest.raises(ValueError, match=r"0\.\.2, have 3\.\.4"):
        read_factor_rows(*_columns(ROWS[5:]), factors=FACTORS[:3])


def test_sparse_pairs_are_written_as_they_are_read():
    assert sparse(np.array([7, 99]), np.array([0.5, -3.5])).tolist() == ROWS[0][1][1]
    assert sparse(np.empty(0, np.int64), np.empty(0)).tolist() == [0.0]
    with pytest.raises(ValueError, match="must increase"):
        sparse(np.array([7, 7]), np.array([0.5, -3.5]))


def test_sums_have_every_bucket_of_dense_factors_and_those_that_occur_of_sparse_ones():
    assert _rolled_up([_sums(ROWS)]) == {
        ("X", "EUR", "RATE"): [1.0, 2.0],
        ("X", "USD", "RATE"): [5.0, 6.0, 7.0],
        ("X", "EUR", "SPREAD"): [8.0],
        ("X", "surface", "INFLATION"): [2.0, 7.0, 0.75, 99.0, -3.5],
        ("X", "GBP", "CURRENCY"): [5.0],
    }


def test_sums_do_not_depend_on_how_rows_are_cut_into_shards():
    parts = [_sums(ROWS[:1]), _sums(ROWS[1:5]), _sums(ROWS[5:]), _sums(ROWS[:3], book="Y")]
    assert _rolled_up(parts) == _rolled_up(parts[::-1]) == _rolled_up([_sums(ROWS), parts[3]])
    assert merge(parts).to_bytes() == merge([_sums(ROWS), parts[3]]).to_bytes()


def test_sums_that_do_not_fit_the_runs_factors_are_refused():
    data = _sums(ROWS[3:4]).to_bytes()
    with pytest.raises(ValueError, match="RATE USD has 4 buckets, its sums have 3"):
        roll_up([data], factors=(EUR, _factor(FactorKind.RATE, "USD", 4), CORP, SURFACE, GBP))


def _written_before(groups, fx, ladders):
    """Bytes as riskray 0.1.0 wrote them: sums by (book, product, currency), FX deltas by currency, ladders by number of the curve."""
    width = len(ROLLUP_MEASURES)
    sums = [ExactSums(len(groups) * width), ExactSums(len(fx)), ExactSums(sum(len(ladder) for _, ladder in ladders))]
    sums[0].add(np.arange(len(groups)) * width, np.ones(len(groups)))
    sums[1].add(np.arange(len(fx)), np.array([value for _, value in fx]))
    numbers = np.array([value for _, ladder in ladders for value in ladder])
    sums[2].add(np.arange(numbers.size), numbers)
    keys = {"groups": groups, "fx": [key for key, _ in fx], "ladders": [[*key, len(ladder)] for key, ladder in ladders]}
    parts = [json.dumps(keys).encode(), *(part.to_bytes() for part in sums)]
    return zlib.compress(struct.pack("<4I", *(len(part) for part in parts)) + b"".join(parts), 1)


def test_shard_that_the_version_before_did_is_merged_with_those_of_this_one():
    before = _written_before(
        [["X", "P", "EUR", 2, 1]], [(["X", "P", "GBP"], 0.5), (["X", "P", "CHF"], 0.0)], [(["X", "P", 0], [0.25, 0.5])]
    )  # fmt: skip
    rollups = roll_up([before, _sums(ROWS[:1]).to_bytes()], factors=FACTORS)
    found = {FACTORS[row["factor_no"]]: row["sensitivities"] for row in rollups.sensitivities.to_pylist()}
    assert found == {EUR: [1.25, 2.5], SURFACE: [2.0, 7.0, 0.5, 99.0, -3.5], GBP: [4.5]}  # CHF is the base currency: no factor
    (group,) = rollups.groups.to_pylist()
    assert (group["ok_count"], group["failed_count"], group["pv"]) == (3, 1, 2.0)


@pytest.mark.parametrize("data", [b"", b"RS3\nwhatever", b"RS2\nwhatever", b"\x78\x01whatever", b"RS2\n" + zlib.compress(b"short")])
def test_bytes_of_another_version_are_refused(data):
    with pytest.raises(ValueError, match="not the sums of a shard"):
        ShardSums.from_bytes(data, factors=FACTORS)


def test_numbers_of_reused_rows_name_the_same_factors_in_the_new_list():
    numbers = pa.array([[0, 2], [1], None, []], pa.list_(pa.int16()))
    after = (_factor(FactorKind.RATE, "CHF", 9), EUR, USD, CORP)
    renumbered = renumber_factors(numbers, before=(EUR, USD, CORP), after=after)
    assert renumbered.to_pylist() == [[1, 3], [2], None, []]
    assert renumbered.type == numbers.type
    assert renumber_factors(numbers.slice(1), before=(EUR, USD, CORP), after=after).to_pylist() == [[2], None, []]
    with pytest.raises(ValueError, match="SPREAD 'EUR' is not in the market"):
        renumber_factors(numbers, before=(EUR, USD, CORP), after=(EUR, USD))
    assert renumber_factors(numbers, before=(EUR, USD, CORP), after=(EUR, USD, CORP, replace(GBP))).equals(numbers)
