"""Stress results of single positions, from the vectors that a run with vectors=position has stored."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from jaxtyping import Int

from riskray.store.database import Database
from riskray.store.results import read_results
from riskray.store.vectors import PositionVectors, read_position_vectors

_IDENTITY = ("position_no", "position_id", "product", "book", "counterparty", "currency")
POSITION_STRESS_SCHEMA = pa.schema(
    [("position_no", pa.int32()), *((name, pa.string()) for name in _IDENTITY[1:]), ("pnl", pa.list_(pa.float64()))]
)
"""`pnl` is in the order of the requested scenarios, and null if the position has no value."""


def stress_of_positions(
    database: Database, *, run_id: str, scenarios: Int[np.ndarray, " chosen"], after_position_no: int = -1, limit: int | None = None
) -> Iterator[pa.RecordBatch]:
    """P&L of priced positions in order of position_no, in batches of a few hundred rows; POSITION_STRESS_SCHEMA.

    Raises NotFound, and Conflict if the run has no vectors of positions or has not ended; both before the first batch is requested.
    """
    blocks = read_position_vectors(database, run_id=run_id, first_position_no=after_position_no + 1)
    return _batches(database, run_id, blocks, scenarios, limit)


def _batches(
    database: Database, run_id: str, blocks: Iterator[PositionVectors], scenarios: np.ndarray, limit: int | None
) -> Iterator[pa.RecordBatch]:
    left = limit
    for block in blocks:
        wanted = block.pnl.shape[0] if left is None else min(left, block.pnl.shape[0])
        # Failed positions of a block have no result, so that the page may extend into the next block, with which those rows are returned.
        rows = read_results(
            database, run_id=run_id, columns=_IDENTITY, after_position_no=block.first_position_no - 1, limit=wanted
        ).combine_chunks()
        places = rows.column("position_no").to_numpy() - block.first_position_no
        inside = int(np.searchsorted(places, block.pnl.shape[0]))
        pnl = block.pnl[places[:inside]][:, scenarios]
        values = pa.array(pnl.reshape(-1), from_pandas=True)
        offsets = pa.array(np.arange(inside + 1, dtype=np.int32) * scenarios.size)
        columns = [rows.column(name).slice(0, inside).combine_chunks() for name in _IDENTITY]
        arrays = [_whole(column) for column in columns]
        yield pa.RecordBatch.from_arrays([*arrays, pa.ListArray.from_arrays(offsets, values)], schema=POSITION_STRESS_SCHEMA)
        if left is not None:
            left -= inside
            if left <= 0:
                return


def _whole(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    if isinstance(column, pa.ChunkedArray):
        return column.chunk(0) if column.num_chunks else pa.array([], column.type)
    return column
