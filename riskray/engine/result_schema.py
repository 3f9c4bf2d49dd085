"""Arrow schemas of what a run leaves behind: the engine makes these tables, the store writes them, both from this one definition.

Column names are those of `position_result`, `position_failure` and the rollup tables; the store adds the run's keys.
"""

import pyarrow as pa

from pricers.measures import ADDITIVE_MEASURES, SCALAR_MEASURES, Measure

ALWAYS_PRESENT = (Measure.PV, Measure.PV_BASE)
ROLLUP_MEASURES: tuple[Measure, ...] = (Measure.PV, *ADDITIVE_MEASURES)
"""Summed per book, product and currency; PV is in the native currency, which is why the currency is part of the key."""

FACTOR_MEASURES = frozenset({Measure.KEY_RATE_DV01, Measure.FX_DELTA})
"""Any of these asks for sensitivities by factor."""


def _not_null(name: str, kind: pa.DataType) -> pa.Field:
    return pa.field(name, kind, nullable=False)


RESULT_SCHEMA = pa.schema(
    [
        _not_null("position_no", pa.int32()),
        *(pa.field(measure.value, pa.float64(), nullable=measure not in ALWAYS_PRESENT) for measure in SCALAR_MEASURES),
        pa.field("factor_nos", pa.list_(pa.int16())),
        pa.field("sensitivities", pa.list_(pa.float64())),
    ]
)
"""One row a priced position. Null (never NaN) where a measure does not apply or was not asked for; `riskray.engine.sensitivities` says what
the last two columns hold."""

FAILURE_SCHEMA = pa.schema(
    [_not_null("position_no", pa.int32()), *(_not_null(name, pa.string()) for name in ("code", "message", "remedy"))]
)
"""One row a failed position; `code` is the name of a RowStatus."""

_GROUP = [_not_null(name, pa.string()) for name in ("book", "product", "currency")]

ROLLUP_SCHEMA = pa.schema(
    [
        *_GROUP,
        _not_null("ok_count", pa.int32()),
        _not_null("failed_count", pa.int32()),
        *(_not_null(measure.value, pa.float64()) for measure in ROLLUP_MEASURES),
    ]
)
"""Sums of the results; `currency` is the position's."""

SENSITIVITY_SCHEMA = pa.schema([*_GROUP[:2], _not_null("factor_no", pa.int16()), _not_null("sensitivities", pa.list_(pa.float64()))])
"""Sums of the sensitivities to one factor of the run, stored as in RESULT_SCHEMA."""
