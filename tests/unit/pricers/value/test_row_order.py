"""Flows are stored by curve set and roll day; contracts and results keep their order."""

import numpy as np
import pytest

from pricers import Scenarios, compile_contracts, contracts_of, present_values, pricer
from pricers.value.valuation import value_cashflows
from tests.unit.pricers.examples import AS_OF, BOND, BONDS, EUR, MARKET, bonds
from tests.unit.pricers.value.test_valuation import FORWARD

MATURITIES = ("2031-03-15", "2029-05-02", "2034-06-15", "2030-08-02", "2033-09-15", "2028-02-02", "2029-12-15", "2036-11-02")
FORWARDS = [{**FORWARD, "notional": 1e6 * (i + 1), "delivery_date": f"2027-{1 + 5 * i % 12:02d}-{2 + 3 * i:02d}"} for i in range(6)]


def test_bonds_of_one_roll_day_are_stored_together_and_name_their_rows():
    batch = bonds(*({**BOND, "maturity_date": day, "frequency": "QUARTERLY"} for day in MATURITIES))
    compiled = compile_contracts("FIXED_BOND", batch, as_of=AS_OF)
    assert sorted(compiled.stored_rows[:4].tolist()) == [1, 3, 5, 7]  # the 2nd of the quarter's middle month
    assert sorted(compiled.stored_rows[4:].tolist()) == [0, 2, 4, 6]
    counts = np.diff(compiled.flow_offsets)
    for row in range(len(MATURITIES)):
        alone = compile_contracts("FIXED_BOND", batch.take(np.array([row])), as_of=AS_OF)
        (place,) = np.flatnonzero(compiled.stored_rows == row)
        flows = slice(*compiled.flow_offsets[place : place + 2])
        assert counts[place] == alone.amount.size
        np.testing.assert_array_equal(compiled.amount[flows], alone.amount)


@pytest.mark.parametrize(
    ("product", "rows"), [("FIXED_BOND", [*BONDS, *({**BOND, "maturity_date": d} for d in MATURITIES)]), ("FX_FWD", FORWARDS)]
)
def test_results_follow_the_contracts_whatever_their_order(product, rows):
    batch = contracts_of(pricer(product).columns, rows)
    order = np.random.default_rng(11).permutation(len(rows))
    scenarios = Scenarios(3, shifts={EUR.name: np.full((EUR.zero_rates.size, 3), [0.0, 0.01, -0.01])})
    found = []
    for contracts in (batch, batch.take(order)):
        compiled = compile_contracts(product, contracts, as_of=AS_OF)
        found.append((value_cashflows(compiled, market=MARKET), present_values(compiled, market=MARKET, scenarios=scenarios)))
    (given, vectors), (shuffled, shuffled_vectors) = found
    np.testing.assert_array_equal(shuffled.status, given.status[order])
    for measure, values in given.values.items():
        np.testing.assert_array_equal(shuffled.values[measure], values[order], err_msg=measure)
    np.testing.assert_array_equal(shuffled_vectors, vectors[order])
    for place, row in enumerate(order.tolist()):
        entries = [slice(*each.factor_offsets[at : at + 2]) for each, at in ((given, row), (shuffled, place))]
        np.testing.assert_array_equal(given.factor_nos[entries[0]], shuffled.factor_nos[entries[1]])
        buckets = [
            slice(each.bucket_offsets[e.start], each.bucket_offsets[e.stop]) for each, e in zip((given, shuffled), entries, strict=True)
        ]
        np.testing.assert_array_equal(given.sensitivities[buckets[0]], shuffled.sensitivities[buckets[1]])
