"""A scenario set as a value: labels, factors and the matrix of moves; its hash, its stored form, and its files.

The hash is SHA-256 over the numeraire, the labels, the factors and the bits of the matrix. It does not depend on the file format, and a
download read back gives the same hash. Minus zero counts as zero.
"""

import csv
import hashlib
import io
import json
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from jaxtyping import Float

from riskray.decimals import decimals_as_floats
from riskray.errors import InvalidRequest, UnsupportedFormat
from riskray.models.rate_units import RATE_MOVE_MAX, move_fault
from riskray.models.scenario import MoveKind
from riskray.scenario.factors import Factor, parse_factor

FORMATS = ("csv", "parquet", "json", "arrow")
LABEL_COLUMN = "scenario"
_PROBLEMS_LISTED_MAX = 100
_HASH_VERSION = b"riskray scenarios 1"
_NUMERAIRE_KEY = b"riskray.numeraire"
_IPC_OPTIONS = pa.ipc.IpcWriteOptions(compression=pa.Codec("zstd", compression_level=3))


@dataclass(frozen=True)
class ScenarioMatrix:
    """Moves of factors, one row a scenario. A name may come twice, once absolute and once relative; both moves are then added."""

    labels: tuple[str, ...]
    factors: tuple[Factor, ...]
    values: Float[np.ndarray, "scenario factor"]
    numeraire: str
    """Currency in which FX moves are stated."""

    def __post_init__(self) -> None:
        if self.values.shape != (len(self.labels), len(self.factors)):
            raise ValueError(f"{len(self.labels)} labels and {len(self.factors)} factors, but the matrix is {self.values.shape}")


def checked_matrix(labels: tuple[str, ...], factors: tuple[Factor, ...], values: np.ndarray, *, numeraire: str) -> ScenarioMatrix:
    """A matrix whose content makes sense. Raises InvalidRequest with every problem."""
    problems = []
    if not labels:
        problems.append(_problem(["labels"], "empty", "a scenario set needs at least one scenario"))
    if not factors:
        problems.append(_problem(["factors"], "empty", "a scenario set needs at least one factor"))
    for what, names in (("scenario", list(labels)), ("factor", [factor.header for factor in factors])):
        seen: set[str] = set()
        for index, name in enumerate(names):
            if name in seen:
                problems.append(_problem([f"{what}s", index], "duplicate", f"{what} {name!r} is there twice"))
            if not name:
                problems.append(_problem([f"{what}s", index], "missing", f"{what} {index + 1} has no name"))
            seen.add(name)
    for row, column in np.argwhere(~np.isfinite(values))[:_PROBLEMS_LISTED_MAX].tolist():
        text = f"scenario {labels[row]!r}: {factors[column].header} is {values[row, column]}, not a finite number"
        problems.append(_problem([labels[row], factors[column].header], "not_finite", text))
    for column, factor in enumerate(factors):
        if factor.type == "price":
            for row in np.flatnonzero(values[:, column] < -1.0)[:10].tolist():
                text = f"scenario {labels[row]!r}: {factor.name} falls by {-values[row, column]:.0%}; a price is at least 0"
                problems.append(_problem([labels[row], factor.header], "out_of_range", text))
        if factor.type == "fx":
            for row in np.flatnonzero(values[:, column] <= -1.0)[:10].tolist():
                text = f"scenario {labels[row]!r}: {factor.name} falls by {-values[row, column]:.0%}; a price stays positive"
                problems.append(_problem([labels[row], factor.header], "out_of_range", text))
            if factor.currency == numeraire and np.any(values[:, column] != 0.0):
                text = f"{factor.name} is the numeraire and cannot move against itself"
                problems.append(_problem([factor.header], "not_allowed", text))
    if problems:
        count = f"{len(problems)} problem{'s' * (len(problems) > 1)}"
        raise InvalidRequest(f"the scenario set has {count}: {problems[0]['msg']}", problems)
    return ScenarioMatrix(labels, factors, np.ascontiguousarray(values, np.float64) + 0.0, numeraire)


def move_unit_problems(matrix: ScenarioMatrix) -> list[dict[str, object]]:
    """Additive moves of zero rates of a size that speaks of another unit, the first hundred."""
    is_rate = np.array([factor.type == "zero" and factor.kind is MoveKind.ABSOLUTE for factor in matrix.factors])
    return [
        _problem(
            [matrix.labels[row], matrix.factors[column].header],
            "out_of_range",
            f"scenario {matrix.labels[row]!r}, {matrix.factors[column].header}: {move_fault(float(matrix.values[row, column]))}",
        )
        for row, column in np.argwhere(is_rate & (np.abs(matrix.values) > RATE_MOVE_MAX))[:_PROBLEMS_LISTED_MAX].tolist()
    ]


def _problem(loc: list[str | int], code: str, message: str) -> dict[str, object]:
    return {"loc": loc, "msg": message, "code": code}


def content_hash(matrix: ScenarioMatrix) -> bytes:
    """SHA-256 of the content, 32 bytes (see the module docstring)."""
    digest = hashlib.sha256(_HASH_VERSION)
    names = {"numeraire": matrix.numeraire, "labels": matrix.labels, "factors": [factor.header for factor in matrix.factors]}
    digest.update(json.dumps(names, ensure_ascii=False).encode())
    digest.update(np.ascontiguousarray(matrix.values + 0.0, "<f8").tobytes())
    return digest.digest()


def scenario_set_id(digest: bytes) -> str:
    """'scen-' and the first 16 hex digits of the content hash."""
    return f"scen-{digest.hex()[:16]}"


def encode(matrix: ScenarioMatrix) -> bytes:
    """An Arrow IPC stream (zstd): the column `scenario`, then one float64 column a factor, headed as in files."""
    return _ipc(_table(matrix), _IPC_OPTIONS)


def decode(payload: bytes | memoryview) -> ScenarioMatrix:
    """The inverse of `encode`."""
    with pa.ipc.open_stream(pa.py_buffer(payload)) as reader:
        return from_table(reader.read_all())


def write_matrix(matrix: ScenarioMatrix, *, format: str) -> bytes:
    """The set as a file: "csv", "parquet", "json" or "arrow". Floats are written so that they read back to the same bits."""
    match format:
        case "csv":
            sink = io.StringIO()
            writer = csv.writer(sink, lineterminator="\n")
            writer.writerow([LABEL_COLUMN, *(factor.header for factor in matrix.factors)])
            writer.writerows([label, *map(repr, row)] for label, row in zip(matrix.labels, matrix.values.tolist(), strict=True))
            return sink.getvalue().encode()
        case "parquet":
            buffer = pa.BufferOutputStream()
            pyarrow.parquet.write_table(_table(matrix), buffer, compression="zstd")
            return bytes(buffer.getvalue().to_pybytes())
        case "json":
            document = {
                "numeraire": matrix.numeraire,
                "factors": [factor.header for factor in matrix.factors],
                "scenarios": [{"name": label, "values": row} for label, row in zip(matrix.labels, matrix.values.tolist(), strict=True)],
            }
            insists = {"rates_checked": False} if move_unit_problems(matrix) else {}
            return json.dumps(insists | document, ensure_ascii=False).encode()
        case "arrow":
            return _ipc(_table(matrix), None)
    raise UnsupportedFormat(f"format {format!r} is not offered; use {', '.join(FORMATS)}")


def from_table(table: pa.Table, *, numeraire: str | None = None) -> ScenarioMatrix:
    """A checked matrix from a table with the column `scenario` and one column a factor; `numeraire`: where the table does not say."""
    if not table.column_names or table.column_names[0] != LABEL_COLUMN:
        message = f"the first column must be {LABEL_COLUMN!r}, has {table.column_names[:1]}"
        raise InvalidRequest(message, [_problem(["columns"], "missing", message)])
    factors = tuple(parse_factor(name) for name in table.column_names[1:])
    values = np.empty((table.num_rows, len(factors)))
    for index, factor in enumerate(factors):
        given = table.column(index + 1)
        try:
            if pa.types.is_boolean(given.type):
                raise pa.ArrowInvalid("expected numbers, got true or false")
            column = decimals_as_floats(given).cast(pa.float64())
        except pa.ArrowException as error:
            message = f"column {factor.header!r} holds something that is not a number: {error}"
            raise InvalidRequest(message, [_problem([factor.header], "not_a_number", message)]) from None
        values[:, index] = column.fill_null(np.nan).to_numpy()
    metadata = table.schema.metadata or {}
    stated = metadata.get(_NUMERAIRE_KEY, (numeraire or "USD").encode()).decode()
    labels = tuple("" if label is None else str(label) for label in table.column(0).to_pylist())
    return checked_matrix(labels, factors, values, numeraire=stated)


def _table(matrix: ScenarioMatrix) -> pa.Table:
    names = [LABEL_COLUMN, *(factor.header for factor in matrix.factors)]
    columns = [pa.array(list(matrix.labels), pa.string()), *(pa.array(np.ascontiguousarray(column)) for column in matrix.values.T)]
    return pa.table(columns, names=names).replace_schema_metadata({_NUMERAIRE_KEY: matrix.numeraire.encode()})


def _ipc(table: pa.Table, options: pa.ipc.IpcWriteOptions | None) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())
