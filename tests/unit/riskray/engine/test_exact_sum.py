"""Exact sums: equal to math.fsum, whatever the order and the grouping into parts."""

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskray.engine.exact_sum import ExactSums

finite = st.floats(allow_nan=False, allow_infinity=False, width=64)
moderate = st.floats(min_value=-1e300, max_value=1e300, allow_nan=False)


def _sums(values, groups=None, group_count=1):
    sums = ExactSums(group_count)
    sums.add(np.zeros(len(values), np.int64) if groups is None else np.asarray(groups, np.int64), np.array(values, np.float64))
    return sums


@settings(deadline=None)  # the first example compiles
@given(st.lists(moderate, max_size=60))
def test_round_equals_fsum(values):
    assert _sums(values).round()[0] == math.fsum(values)


@settings(deadline=None)  # the first example compiles
@given(st.lists(finite, max_size=40), st.randoms(use_true_random=False))
def test_bytes_do_not_depend_on_order_or_parts(values, shuffle):
    whole = _sums(values)
    shuffled = list(values)
    shuffle.shuffle(shuffled)
    cut = shuffle.randint(0, len(values))
    merged = ExactSums(1)
    for part in (shuffled[:cut], shuffled[cut:]):
        merged.add_sums(np.zeros(1, np.int64), ExactSums.from_bytes(_sums(part).to_bytes()))
    assert merged.to_bytes() == whole.to_bytes()


@settings(deadline=None)  # the first example compiles
@given(st.lists(st.tuples(st.integers(0, 4), moderate), max_size=60))
def test_each_group_has_its_own_sum(pairs):
    sums = _sums([value for _, value in pairs], [group for group, _ in pairs], group_count=5)
    expected = [math.fsum(value for group, value in pairs if group == wanted) for wanted in range(5)]
    assert sums.round().tolist() == expected


def test_round_cancellation_over_all_exponents_is_exact():
    rng = random.Random(7)
    values = [math.ldexp(rng.uniform(-1, 1), rng.randint(-1070, 1000)) for _ in range(2000)]
    rest = [5e-324, -1e-200, 3.0]
    mixed = values + rest + [-value for value in values]
    rng.shuffle(mixed)
    assert _sums(mixed).round()[0] == math.fsum(rest) == math.fsum(mixed)


def test_round_ties_go_to_even():
    assert _sums([1.0, 2.0**-53]).round()[0] == 1.0
    assert _sums([1.0, 2.0**-53, 5e-324]).round()[0] == 1.0 + 2.0**-52
    assert _sums([1.0 + 2.0**-52, 2.0**-53]).round()[0] == 1.0 + 2.0**-51


def test_round_sum_beyond_the_largest_double_is_infinite_and_comes_back():
    largest = np.finfo(np.float64).max
    assert _sums([largest, largest]).round()[0] == math.inf
    assert _sums([-largest, -largest]).round()[0] == -math.inf
    assert _sums([largest, largest, -largest]).round()[0] == largest


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_add_value_that_is_not_finite_raises(value):
    with pytest.raises(ValueError, match="finite"):
        _sums([1.0, value])


def test_add_group_out_of_range_raises():
    with pytest.raises(ValueError, match=r"0\.\.1"):
        _sums([1.0], [2], group_count=2)


def test_from_bytes_of_anything_else_raises():
    with pytest.raises(ValueError, match="exact sums"):
        ExactSums.from_bytes(b"\x05\x00\x00\x00short")


@settings(deadline=None)  # the first example compiles
@given(st.lists(finite, max_size=40))
def test_sums_taken_by_number_are_the_same(values):
    assert _sums(values).taken(np.array([0, 0])).round().tolist() == [*_sums(values).round()] * 2
