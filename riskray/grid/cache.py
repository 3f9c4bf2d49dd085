"""The size in bytes of compiled positions, for the budget of the cache that keeps them between shards."""

import sys

import numpy as np

from pricers.contract.columns import Contracts, Ragged, Text
from riskray.engine.shard import ShardPositions


def positions_nbytes(positions: ShardPositions) -> int:
    """Approximate size of a shard's positions in bytes."""
    compiled = 0 if positions.compiled is None else positions.compiled.nbytes
    fields = sum(sys.getsizeof(row) for row in positions.fields)
    return compiled + fields + _contracts_nbytes(positions.contracts) + positions.books.codes.nbytes + positions.currencies.codes.nbytes


def _contracts_nbytes(contracts: Contracts) -> int:
    total = 0
    for data in contracts.data.values():
        match data:
            case Text():
                total += data.codes.nbytes
            case Ragged():
                total += data.offsets.nbytes + data.values.nbytes
            case np.ndarray():
                total += data.nbytes
    return total
