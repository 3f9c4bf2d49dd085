"""Writes Arrow tables by binary COPY and reads them by ADBC. Neither creates Python objects for rows."""

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
"""Rows encoded at a time: a shard of the default size is one batch of about 5 MB."""


def copy_in(connection: Connection, name: str, rows: pa.Table | pa.RecordBatch, *, schema: pa.Schema, keys: Mapping[str, int]) -> None:
    """Write `rows` by the COPY statement `name`, whose columns are `keys` (integers that are constant over all rows) and then `schema`'s.

    Raises ValueError, before anything is written, if the columns of `rows` are not those of `schema`; this is a defect of the caller.
    """
    if rows.schema.names != schema.names:
        raise ValueError(f"{name} requires the columns {schema.names}, got {rows.schema.names}")
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
    database: Database, name: str, parameters: Parameters, **identifiers: Sequence[str] | Composed
) -> Generator[pa.RecordBatchReader, None, None]:
    """Stream the rows of the named query as batches; `identifiers` fill its braces as in `compose`.

    psycopg quotes the values into the text, because a query with parameters cannot be streamed: the driver streams by COPY, which takes no
    parameters.
    """
    with database.connection() as connection:
        text = psycopg.ClientCursor(connection).mogrify(compose(name, **identifiers), parameters)
    with database.arrow_reader(text) as reader:
        yield reader


def read(database: Database, name: str, parameters: Parameters, **identifiers: Sequence[str] | Composed) -> pa.Table:
    """Return all rows of the named query, for results of bounded length."""
    with stream(database, name, parameters, **identifiers) as reader:
        return reader.read_all()


def _copy_statement(name: str, schema: pa.Schema) -> Composed:
    """The COPY statement: the columns of wide tables are those of the schema, the columns of narrow ones are written in the statement."""
    return compose(name, columns=schema.names if "{columns}" in sql.load(name) else ())


def compose(name: str, **identifiers: Sequence[str] | Composed) -> Composed:
    """The named query with lists of names in its braces, each name quoted as an identifier, or with a part already composed."""
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
