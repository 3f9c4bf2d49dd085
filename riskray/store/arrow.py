"""Arrow in by binary COPY, Arrow out by ADBC. Neither makes a Python object of a row."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
import pyarrow as pa
from psycopg.sql import SQL, Composed, Identifier, Literal

import sql
from riskray.store.binary_copy import HEADER, TRAILER, encode_rows
from riskray.store.database import Connection, Database, Parameters
from riskray.tracing import span

COPY_BATCH_ROWS = 20_000
"""Encoded at a time: a shard of the usual size is one batch, some 5 MB."""


def copy_in(connection: Connection, name: str, rows: pa.Table | pa.RecordBatch, *, schema: pa.Schema, keys: Mapping[str, int]) -> None:
    """Write `rows` by the COPY statement `name`, whose columns are `keys` (the same integers in every row) and then `schema`'s.

    Raises ValueError when `rows` has other columns than `schema`: a bug of the caller, found before anything is written.
    """
    if rows.schema.names != schema.names:
        raise ValueError(f"{name} wants the columns {schema.names}, got {rows.schema.names}")
    table = (pa.Table.from_batches([rows]) if isinstance(rows, pa.RecordBatch) else rows).cast(schema)
    full_schema = pa.schema([*(pa.field(key, pa.int32(), nullable=False) for key in keys), *schema])
    with (
        span("COPY", statement=name, rows=table.num_rows),
        connection.cursor() as cursor,
        cursor.copy(_copy_statement(name, schema)) as copy,
    ):
        copy.write(HEADER)
        for batch in table.to_batches(max_chunksize=COPY_BATCH_ROWS):
            constants = [pa.repeat(pa.scalar(value, pa.int32()), batch.num_rows) for value in keys.values()]
            copy.write(encode_rows(pa.RecordBatch.from_arrays([*constants, *batch.columns], schema=full_schema)))
        copy.write(TRAILER)


@contextmanager
def stream(
    database: Database, name: str, parameters: Parameters, *, columns: Sequence[str] = ()
) -> Generator[pa.RecordBatchReader, None, None]:
    """Rows of the named query as a stream of batches; `columns` go into its `{columns}`, quoted.

    The values are put into the text by psycopg's own quoting, because a query with parameters cannot be streamed: the driver streams
    by COPY, which takes none.
    """
    with database.connection() as connection:
        text = psycopg.ClientCursor(connection).mogrify(compose(name, columns=columns), parameters)
    with database.arrow_reader(text) as reader:
        yield reader


def read(database: Database, name: str, parameters: Parameters, *, columns: Sequence[str] = ()) -> pa.Table:
    """All rows of the named query, for answers of bounded length."""
    with stream(database, name, parameters, columns=columns) as reader:
        return reader.read_all()


def _copy_statement(name: str, schema: pa.Schema) -> Composed:
    """The columns of wide tables follow the schema; of narrow ones they are written out in the statement."""
    return compose(name, columns=schema.names if "{columns}" in sql.load(name) else ())


def compose(name: str, **identifiers: Sequence[str] | Composed) -> Composed:
    """The named query with lists of names in its braces, each name quoted as an identifier, or with what `for_each` made."""
    lists: dict[str, Any] = {
        key: items if isinstance(items, Composed) else SQL(", ").join(Identifier(item) for item in items)
        for key, items in identifiers.items()
        if items
    }
    return SQL(sql.load(name)).format(**lists)


def for_each(name: str, measures: Sequence[str]) -> Composed:
    """The named part of a query once a measure, with commas between: `{measure}` and `{size}` are names, `{text}` is the measure's own."""
    part = SQL(sql.load(name))
    return SQL(", ").join(
        part.format(measure=Identifier(measure), size=Identifier(f"{measure}_size"), text=Literal(measure)) for measure in measures
    )
