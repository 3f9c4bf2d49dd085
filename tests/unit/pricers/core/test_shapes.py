"""Shapes that make the same nodes have one canonical form."""

import pytest

from pricers import OWN, CurveKind, Term
from pricers.core.shapes import canonical, is_of_one_day, parse_shape, shape_text, sort_key

DISCOUNT, OWN_SPREAD = Term("EUR"), Term(OWN)
SPREAD, HAZARD = Term("BBB", kind=CurveKind.SPREAD), Term("ACME", kind=CurveKind.HAZARD)


def test_terms_are_ordered_by_kind_of_curve_then_name_then_lag_and_own_comes_last():
    terms = (OWN_SPREAD, HAZARD, Term("USD"), SPREAD, Term("EUR", lag=90), DISCOUNT)
    assert canonical(terms) == ((DISCOUNT, Term("EUR", lag=90), Term("USD"), SPREAD, HAZARD, OWN_SPREAD), 0)
    assert canonical(tuple(reversed(terms))) == canonical(terms)


def test_equal_terms_are_one_with_the_sum_of_their_signs_and_vanish_at_0():
    twice = canonical((DISCOUNT, DISCOUNT, SPREAD))
    assert twice == ((Term("EUR", sign=2), SPREAD), 0)
    forward_that_ends_at_payment = (DISCOUNT, Term("EUR", lag=90), Term("EUR", sign=-1))
    assert canonical(forward_that_ends_at_payment) == ((DISCOUNT,), 90)  # the anchor moves to the only point that is left
    assert canonical((DISCOUNT, Term("EUR", sign=-1))) == ((), 0)


@pytest.mark.parametrize("lag", [3, -3])
def test_latest_point_lies_on_the_anchor(lag):
    shape, back = canonical((Term("EUR", lag=lag), Term("USD", lag=lag + 2)))
    assert (shape, back) == ((Term("EUR"), Term("USD", lag=2)), lag)
    assert not is_of_one_day(shape)
    assert is_of_one_day(canonical((Term("EUR", lag=lag), Term("USD", lag=lag)))[0])


def test_text_of_a_shape_is_read_back_whatever_its_curves_are_called():
    shape, _ = canonical((Term('a "quoted" curve', lag=2, sign=-1), Term("Zürich"), Term("OWN"), SPREAD, HAZARD, OWN_SPREAD))
    assert parse_shape(shape_text(shape)) == shape
    assert shape_text((Term("OWN"),)) != shape_text((OWN_SPREAD,))


def test_shapes_that_differ_in_own_alone_are_neighbours():
    without, with_own, later = (canonical(terms)[0] for terms in ((DISCOUNT,), (DISCOUNT, OWN_SPREAD), (Term("USD"),)))
    assert sorted((later, with_own, without), key=sort_key) == [without, with_own, later]
