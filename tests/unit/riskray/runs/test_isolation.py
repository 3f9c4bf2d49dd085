"""A pricer that raises on a batch: the rows it cannot take fail alone, the others are as if they had come by themselves."""

import pyarrow as pa
import pytest

from pricers.status import RowStatus
from riskray.engine.result_schema import FAILURE_SCHEMA, RESULT_SCHEMA
from riskray.engine.shard import ShardResult
from riskray.errors import StoreUnavailable
from riskray.runs.isolation import value_bisecting


def _table(values):
    return pa.table({"book": ["B"] * len(values), "counterparty": ["C"] * len(values), "currency": ["USD"] * len(values), "value": values})


def _value_part(table, first):
    """Worth `value`; a negative one raises for the whole part."""
    values = table.column("value").to_numpy()
    if (values < 0).any():
        raise ZeroDivisionError("no negative values")
    rows = [{"position_no": first + i, "pv": value, "pv_base": value} for i, value in enumerate(values.tolist())]
    return ShardResult(
        pa.RecordBatch.from_pylist([dict.fromkeys(RESULT_SCHEMA.names) | row for row in rows], schema=RESULT_SCHEMA),
        pa.RecordBatch.from_pylist([], schema=FAILURE_SCHEMA),
    )


def _isolate(values):
    return value_bisecting(_table(values), product="P", first_position_no=100, value_part=_value_part)


@pytest.mark.parametrize("bad", [[0], [6], [3, 4], [0, 1, 2, 3, 4, 5, 6]])
def test_rows_that_raise_fail_alone_and_the_others_are_priced_in_order(bad):
    values = [-1.0 if n in bad else float(n) for n in range(7)]
    result = _isolate(values)
    good = [n for n in range(7) if n not in bad]
    assert result.results.column("position_no").to_pylist() == [100 + n for n in good]
    assert result.results.column("pv").to_pylist() == [float(n) for n in good]
    failures = result.failures.to_pylist()
    assert [row["position_no"] for row in failures] == [100 + n for n in bad]
    assert {(row["code"], row["message"]) for row in failures} == {("PRICER_ERROR", "ZeroDivisionError: no negative values")}


def test_trouble_with_the_database_is_no_fault_of_the_rows():
    def value_part(table, first):
        raise StoreUnavailable("gone")

    with pytest.raises(StoreUnavailable):
        value_bisecting(_table([1.0, 2.0]), product="P", first_position_no=0, value_part=value_part)


def test_a_single_row_that_raises_fails():
    result = _isolate([-1.0])
    assert (result.ok_count, result.failed_count) == (0, 1)
    assert result.failures.column("remedy").to_pylist() == [RowStatus.PRICER_ERROR.remedy]
