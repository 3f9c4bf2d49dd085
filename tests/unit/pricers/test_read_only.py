"""Arrays that kernels receive are read-only, so that kernels are compiled for one kind of array; their creator keeps a writable array."""

import numpy as np
import pytest

from pricers import Column, Columns, contracts_of
from pricers.contract.columns import Contracts, Ragged, Text
from pricers.flows.cashflows import Cashflows, PriceTerms

COLUMNS = Columns(
    *(Column(kind, kind, "a term") for kind in ("float", "date", "integer", "date_list", "float_list")),
    Column("boolean", "boolean", "a term", default=False),
    Column("choice", "choice", "a term", allowed=("A", "B")),
)
TEXT = Text(np.array([-1], np.int32), ())


def arrays_of(column):
    return (column.offsets, column.values) if isinstance(column, Ragged) else (column,)


def copied(column):
    return Ragged(column.offsets.copy(), column.values.copy()) if isinstance(column, Ragged) else column.copy()


@pytest.mark.parametrize("name", [column.name for column in COLUMNS])
def test_column_of_every_kind_is_read_only_however_the_batch_was_made(name):
    batch = contracts_of(COLUMNS, [{}, {}])
    made = {name: copied(column) for name, column in batch.data.items()}
    for contracts in (batch, batch.take(np.array([1])), Contracts(2, made)):
        assert not any(array.flags.writeable for array in arrays_of(contracts.data[name]))
    assert all(array.flags.writeable for array in arrays_of(made[name]))


def test_cash_flows_and_price_terms_are_read_only():
    one, two = np.zeros(1), np.array([0, 1])
    flows = Cashflows(1, two, TEXT, one, two, (), one, one, one, one, one, one, one, one)
    terms = PriceTerms(one, one, one, one, one, one, one)
    arrays = [value for holder in (flows, terms) for value in vars(holder).values() if isinstance(value, np.ndarray)]
    assert len(arrays) == 18
    assert not any(array.flags.writeable for array in arrays)
    assert one.flags.writeable
    assert two.flags.writeable
