"""The encoder of binary COPY against PostgreSQL's own."""

import numpy as np
import pyarrow as pa
import pytest

from riskray.store.binary_copy import HEADER, TRAILER, encode_rows
from riskray.store.database import Database

pytestmark = pytest.mark.postgres


def test_database_sends_back_the_bytes_that_it_was_sent(database: Database) -> None:
    """PostgreSQL's own encoder is the judge, over values of every kind that riskray stores."""
    rng = np.random.default_rng(1)
    count = 5_000
    texts = ["", "BOOK-1", "Zürich", "x" * 300]
    ladders = [None if draw < 0.1 else rng.normal(size=rng.integers(0, 14)).tolist() for draw in rng.random(count)]
    columns = {
        "small": pa.array(rng.integers(-(2**15), 2**15, count), pa.int16()),
        "number": pa.array(rng.integers(-(2**31), 2**31, count), pa.int32()),
        "amount": pa.array(rng.normal(size=count) * 10.0 ** rng.integers(-300, 300, count), mask=rng.random(count) < 0.3),
        "name": pa.array([texts[n] for n in rng.integers(0, 4, count)], mask=rng.random(count) < 0.1),
        "payload": pa.array([rng.bytes(n) for n in rng.integers(0, 50, count)], pa.binary()),
        "codes": pa.array([[n, -n] for n in rng.integers(0, 2**15, count).tolist()], pa.list_(pa.int16())),
        "ladder": pa.array(ladders, pa.list_(pa.float64())),
    }
    batch = pa.RecordBatch.from_pydict(columns)
    sent = HEADER + bytes(encode_rows(batch)) + TRAILER
    with database.transaction() as connection, connection.cursor() as cursor:
        cursor.execute(
            "CREATE TEMPORARY TABLE every_kind"
            " (small int2, number int4, amount float8, name text, payload bytea, codes int2[], ladder float8[])"
        )
        with cursor.copy("COPY every_kind FROM STDIN (FORMAT binary)") as copy:
            copy.write(sent)
        with cursor.copy("COPY every_kind TO STDOUT (FORMAT binary)") as copy:
            assert b"".join(bytes(piece) for piece in copy) == sent
