"""A shard's rows, failures and sums, from valuations written by hand so that every number can be checked by eye."""

import math
from typing import Any

import numpy as np
import pytest

from pricers.contract.columns import Contracts, Text
from pricers.market.factors import factors_of
from pricers.market.market import Curve, CurveKind, Market
from pricers.measures import Measure
from pricers.status import RowStatus
from pricers.value.valuation import Valuation
from riskray.engine.shard import ShardPositions, failed_shard, shard_result
from riskray.engine.sums import ShardSums, merge, roll_up, shard_sums

ALL = frozenset(Measure)


def _curve(name, currency, pillars):
    days = np.arange(1, pillars + 1, dtype=np.int32) * 365
    labels = tuple(f"{n}Y" for n in range(1, pillars + 1))
    kind = CurveKind.RATE if currency else CurveKind.SPREAD
    return Curve(name, kind, currency, "LINEAR_ZERO", labels, days, np.full(pillars, 0.03))


MARKET = Market(20_000, "USD", (_curve("EUR", "EUR", 2), _curve("USD", "USD", 3), _curve("CORP", "", 1)), {"USD": 1.0, "EUR": 1.1})
FACTORS = factors_of(MARKET)


def _positions(books=("X", "Y", "X"), first=10):
    return ShardPositions("FX_FWD", first, Contracts(len(books), {}), Text.of(list(books)), Text.of(["EUR"] * len(books)))


def _valuation(**changes):
    """Three rows: on both curves, failed, on one curve."""
    nan = math.nan
    fields: dict[str, Any] = {
        "status": np.array([RowStatus.OK, RowStatus.MISSING_CURVE, RowStatus.OK], np.uint8),
        "messages": {},
        "values": {
            Measure.PV: np.array([1.5, nan, -0.5]),
            Measure.PV_BASE: np.array([1.75, nan, -0.5]),
            Measure.DV01: np.array([-0.25, nan, 0.125]),
            Measure.CS01: np.array([nan, nan, 0.0625]),
            Measure.FX_DELTA: np.array([0.5, nan, 0.25]),
        },
        "factor_offsets": np.array([0, 3, 3, 5]),
        "factor_nos": np.array([0, 1, 3, 0, 3], np.int16),
        "bucket_offsets": np.array([0, 2, 5, 6, 8, 9]),
        "sensitivities": np.array([1.0, 2.0, 3.0, 4.0, 5.0, 0.5, 0.5, 0.25, 0.25]),
    }
    return Valuation(**(fields | changes))


def _sums(**positions):
    described = _positions(**positions)
    return shard_sums(described, shard_result(described, _valuation(), market=MARKET, measures=ALL), factors=FACTORS)


def test_results_hold_the_priced_rows_with_null_where_a_measure_does_not_apply():
    rows = shard_result(_positions(), _valuation(), market=MARKET, measures=ALL).results.to_pylist()
    assert [row["position_no"] for row in rows] == [10, 12]
    assert [row["pv"] for row in rows] == [1.5, -0.5]
    assert [row["cs01"] for row in rows] == [None, 0.0625]
    assert [row["convexity"] for row in rows] == [None, None]
    assert [row["factor_nos"] for row in rows] == [[0, 1, 3], [0, 3]]  # curves, a spread curve, and then the foreign currency
    assert [row["sensitivities"] for row in rows] == [[1.0, 2.0, 3.0, 4.0, 5.0, 0.5], [0.5, 0.25, 0.25]]


def test_failures_carry_code_message_and_remedy():
    plain = shard_result(_positions(), _valuation(), market=MARKET, measures=ALL).failures.to_pylist()
    assert plain == [
        {"position_no": 11, "code": "MISSING_CURVE", "message": RowStatus.MISSING_CURVE.message, "remedy": RowStatus.MISSING_CURVE.remedy}
    ]
    own = shard_result(_positions(), _valuation(messages={1: "no curve EUR-X"}), market=MARKET, measures=ALL).failures.to_pylist()
    assert own[0]["message"] == "no curve EUR-X"


def test_sums_are_by_book_currency_and_pillar_and_leave_failed_rows_out():
    others = dict.fromkeys(("ie01", "jump_to_default", "recovery01", "undrawn_amount"), 0.0)
    rollups = roll_up([_sums(books=("X", "Y", "X")).to_bytes()], factors=FACTORS)
    assert rollups.groups.to_pylist() == [
        {"book": "X", "product": "FX_FWD", "currency": "EUR", "ok_count": 2, "failed_count": 0, "pv": 1.0, "pv_base": 1.25,
         "dv01": -0.125, "cs01": 0.0625, "fx_delta": 0.75, "theta_1d": 0.0, **others},
        {"book": "Y", "product": "FX_FWD", "currency": "EUR", "ok_count": 0, "failed_count": 1, "pv": 0.0, "pv_base": 0.0,
         "dv01": 0.0, "cs01": 0.0, "fx_delta": 0.0, "theta_1d": 0.0, **others},
    ]  # fmt: skip
    by_factor = [(row["book"], row["factor_no"], row["sensitivities"]) for row in rollups.sensitivities.to_pylist()]
    assert by_factor == [("X", 0, [1.5, 2.25]), ("X", 1, [3.0, 4.0, 5.0]), ("X", 3, [0.75])]


def test_merged_sums_are_the_same_bytes_in_any_order():
    parts = [_sums(books=books) for books in (("X", "Y", "X"), ("Y", "Y", "Z"), ("A", "A", "A"))]
    there = merge(parts).to_bytes()
    assert merge(parts[::-1]).to_bytes() == there
    assert merge([merge(parts[:2]), ShardSums.from_bytes(parts[2].to_bytes(), factors=FACTORS)]).to_bytes() == there


def test_measures_not_asked_for_are_null():
    only = frozenset({Measure.PV})
    valuation = _valuation(
        factor_offsets=np.zeros(4, np.int64),
        factor_nos=np.empty(0, np.int16),
        bucket_offsets=np.zeros(1, np.int64),
        sensitivities=np.empty(0),
    )
    row = shard_result(_positions(), valuation, market=MARKET, measures=only).results.to_pylist()[0]
    assert row["factor_nos"] is None
    assert row["sensitivities"] is None


def test_shard_without_a_priced_row_has_failures_only():
    result = failed_shard(_positions(), status=RowStatus.WORKER_CRASHED)
    assert (result.ok_count, result.failed_count) == (0, 3)
    rollups = roll_up([shard_sums(_positions(), result, factors=()).to_bytes()], factors=())
    assert rollups.groups.column("failed_count").to_pylist() == [2, 1]
    assert set(result.failures.column("code").to_pylist()) == {"WORKER_CRASHED"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"status": np.zeros(3, np.uint8)}, "status OK with a present value of nan"),
        ({"status": np.array([0, 7, 7], np.uint8)}, "position number 12.*MISSING_CURVE"),
        ({"factor_offsets": np.array([0, 2, 3, 5])}, "a failed row has sensitivities"),
        ({"factor_nos": np.array([1, 0, 3, 0, 3], np.int16)}, "one number for each bucket of RATE USD"),
    ],
)
def test_pricer_that_breaks_its_contract_raises(changes, message):
    with pytest.raises(ValueError, match=message):
        shard_result(_positions(), _valuation(**changes), market=MARKET, measures=ALL)


def test_pricer_that_returns_another_number_of_rows_raises():
    with pytest.raises(ValueError, match="4 positions were given"):
        shard_result(_positions(books=("X", "Y", "X", "Y")), _valuation(), market=MARKET, measures=ALL)


@pytest.mark.parametrize(("raised", "stored"), [("a\0b", "a\\0b"), ("half \ud83d", "half \\ud83d"), ("é" * 600, "é" * 500)])
def test_message_that_the_database_would_refuse_is_made_storable(raised, stored):
    result = shard_result(_positions(), _valuation(messages={1: raised}), market=MARKET, measures=ALL)
    whole = failed_shard(_positions(), status=RowStatus.PRICER_ERROR, message=raised)
    assert {row["message"] for row in [*result.failures.to_pylist(), *whole.failures.to_pylist()]} == {stored}
