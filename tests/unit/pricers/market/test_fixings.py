"""Fixings: the hash that is part of a compiled batch's key changes with everything that lowering reads."""

from dataclasses import replace

import numpy as np
import pytest

from pricers import STANDARD_INDICES, Fixings, FixingSeries, Index, IndexKind


def fixings(name="EURIBOR-3M", days=(20_000, 20_001), values=(0.02, 0.021)):
    return Fixings({name: FixingSeries(np.array(days, np.int32), np.array(values))})


@pytest.mark.parametrize(
    "other",
    [fixings(name="EURIBOR-6M"), fixings(days=(20_000, 20_002)), fixings(values=(0.02, 0.022)), fixings(days=(20_000,), values=(0.02,))],
)
def test_hash_changes_with_name_day_value_and_number(other):
    assert other.content_hash not in (fixings().content_hash, Fixings.none().content_hash)


def test_hash_does_not_depend_on_the_order_of_the_indices():
    series = {**fixings().series, **fixings(name="SONIA").series}
    assert Fixings(series).content_hash == Fixings(dict(reversed(series.items()))).content_hash


@pytest.mark.parametrize(
    ("days", "values"), [((20_001, 20_000), (0.02, 0.021)), ((20_000, 20_000), (0.02, 0.021)), ((20_000,), (0.02, 0.021))]
)
def test_days_that_do_not_increase_or_lack_a_value_are_refused_with_the_index(days, values):
    with pytest.raises(ValueError, match="fixings of 'EURIBOR-3M'"):
        fixings(days=days, values=values)


def test_values_on_days_are_missing_where_nothing_is_published():
    found = fixings().values_on("EURIBOR-3M", np.array([19_999, 20_000, 20_001, 20_002]))
    np.testing.assert_array_equal(found, [np.nan, 0.02, 0.021, np.nan])
    assert np.isnan(fixings().values_on("SONIA", np.array([20_000]))).all()


def test_hash_changes_with_a_definition_and_with_a_new_index():
    overridden = {**STANDARD_INDICES, "EUR-ESTR": replace(STANDARD_INDICES["EUR-ESTR"], forecast_curve="EUR-OIS")}
    extended = {**STANDARD_INDICES, "MY-INDEX": Index("MY-INDEX", IndexKind.OVERNIGHT, "EUR")}
    assert len({Fixings.none().content_hash, Fixings({}, overridden).content_hash, Fixings({}, extended).content_hash}) == 3


def test_fixings_count_until_the_valuation_date_or_a_later_day_that_is_given():
    assert fixings().known_until(20_000) == 20_000
    through = replace(fixings(), through=20_005)
    assert (through.known_until(20_000), through.known_until(20_010)) == (20_005, 20_010)
    assert through.content_hash != fixings().content_hash


def test_published_fixings_end_on_the_day_until_which_they_count():
    assert fixings().published("EURIBOR-3M", 20_000).values.tolist() == [0.02]
    assert replace(fixings(), through=20_001).published("EURIBOR-3M", 20_000).values.tolist() == [0.02, 0.021]
    assert fixings().published("SONIA", 20_000).days.size == 0
