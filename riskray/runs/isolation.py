"""When a pricer raises on a batch: halving the batch until the rows that it cannot take are alone, all within the actor.

A pricer should mark a bad row with a status. One that raises has an error of its own; the other rows of the batch need not suffer.
"""

from collections.abc import Callable, Iterator

import pyarrow as pa

from pricers.market.market import Market
from pricers.status import RowStatus
from riskray.engine.shard import ShardPositions, ShardResult, failed_shard, joined
from riskray.errors import RiskrayError
from riskray.runs.loading import describe_positions, prepare_positions

ValuePart = Callable[[pa.Table, int], ShardResult]
"""(contracts, number of the first position) -> result; may raise."""


def value_bisecting(table: pa.Table, *, product: str, first_position_no: int, value_part: ValuePart) -> ShardResult:
    """Value a batch whose valuation as a whole raised; rows that raise alone fail with PRICER_ERROR and the error's text.

    Costs one valuation for most rows and about 2 log2(rows) small ones for each bad row.
    """
    return joined(list(_parts(table, product, first_position_no, value_part)))


def lower_bisecting(table: pa.Table, *, product: str, first_position_no: int, market: Market) -> list[ShardPositions]:
    """Positions whose lowering as a whole raised, in parts; rows that raise alone are described only."""
    half = table.num_rows // 2
    parts: list[ShardPositions] = []
    for part, first in ((table.slice(0, half), first_position_no), (table.slice(half), first_position_no + half)):
        if part.num_rows == 0:
            continue
        try:
            parts.append(prepare_positions(part, product=product, first_position_no=first, market=market))
        except RiskrayError:
            raise
        except Exception:  # whatever a pricer may raise
            if part.num_rows > 1:
                parts += lower_bisecting(part, product=product, first_position_no=first, market=market)
            else:
                parts.append(describe_positions(part, product=product, first_position_no=first))
    return parts


def _parts(table: pa.Table, product: str, first: int, value_part: ValuePart) -> Iterator[ShardResult]:
    half = table.num_rows // 2
    for part, start in ((table.slice(0, half), first), (table.slice(half), first + half)):
        if part.num_rows == 0:
            continue
        try:
            yield value_part(part, start)
        except RiskrayError:
            raise
        except Exception as error:  # whatever a pricer may raise
            if part.num_rows > 1:
                yield from _parts(part, product, start, value_part)
            else:
                positions = describe_positions(part, product=product, first_position_no=start)
                yield failed_shard(positions, status=RowStatus.PRICER_ERROR, message=f"{type(error).__name__}: {error}")
