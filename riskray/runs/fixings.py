"""Store and describe tables of fixings, and the indices that a market knows, without HTTP.

A function that stores returns the description of the table under its name, and whether its content is new.
"""

from collections.abc import Mapping
from dataclasses import asdict
from itertools import groupby
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from pricers.market.fixings import Fixings
from pricers.market.indices import STANDARD_INDICES, Index
from pricers.time.dates import to_date, to_day
from riskray.errors import Conflict, InvalidRequest
from riskray.market.build import market_fixings
from riskray.market.fixing_files import read_fixings as read_file
from riskray.market.fixings import (
    NumberedFixing,
    appended,
    fixing_problems,
    fixing_table,
    fixings_of_table,
    published_by,
    refused,
)
from riskray.market.index_checks import indices_of
from riskray.market.inflation_curves import base_problems
from riskray.market.problem import Problem
from riskray.models.market_data import MarketDocument
from riskray.models.snapshot import FixingsOfIndex, FixingTable, FixingTableDetail, IndexDescription
from riskray.snapshots.content import fixings_content
from riskray.snapshots.kinds import FIXINGS, MARKETS, FixingsRecord
from riskray.store import snapshots
from riskray.store.database import Database
from riskray.store.markets import load_market, read_fixings, read_market

_ATTEMPTS_MAX = 10


def upload_fixings(
    database: Database, content: BinaryIO, *, format: str, name: str, market: str | None = None, rates_unchecked: bool = False
) -> tuple[FixingTable, bool]:
    """Read and store a table of fixings (csv, json, parquet) under a name.

    Args:
        market: id or name of a market whose own indices are known, too.
        rates_unchecked: accept rates so large that they look like per cent.
    Raises:
        InvalidRequest: lists every problem of the file.
        NotFound: the market.
    """
    name = FIXINGS.checked_name(name)
    given = read_file(content, format=format, indices=_known(database, market), rates_unchecked=rates_unchecked)
    record, created = snapshots.store(database, FIXINGS, name=name, content=fixings_content(fixing_table(given)))
    return FIXINGS.describe(record), created


def append_fixings(
    database: Database, content: BinaryIO, *, format: str, name: str, market: str | None = None, rates_unchecked: bool = False
) -> tuple[FixingTable, bool]:
    """Store the last table under a name with further rows as the name's next version; arguments as of `upload_fixings`.

    Raises:
        InvalidRequest: lists every problem of the file, and every row that changes a value without being marked as a correction.
        NotFound: no table has the name, or no market.
        Conflict: other clients keep appending to the name.
    """
    given = read_file(content, format=format, indices=_known(database, market), may_correct=True, rates_unchecked=rates_unchecked)
    for _ in range(_ATTEMPTS_MAX):
        last = snapshots.last_upload(database, FIXINGS, name)
        table = appended(read_fixings(database, last.fixings_id), given)
        try:
            record, created = snapshots.store(database, FIXINGS, name=name, content=fixings_content(table), after_version=last.version)
        except snapshots.Superseded:
            continue  # another client has appended meanwhile: its rows come first
        return FIXINGS.describe(record), created
    raise Conflict(f"other clients append to fixing table {name!r} all the time; repeat the upload")


def describe_fixings(database: Database, record: FixingsRecord) -> FixingTableDetail:
    """A stored table, with its fixings counted by index."""
    rows = fixings_of_table(read_fixings(database, record.fixings_id))
    by_index = ((name, list(of_index)) for name, of_index in groupby(rows, key=lambda row: row.index))
    summary = [
        FixingsOfIndex(
            index=name, fixing_count=len(rows), first_date=rows[0].fixing_date, last_date=rows[-1].fixing_date, last_value=rows[-1].value
        )
        for name, rows in by_index
    ]
    return FixingTableDetail(**FIXINGS.fields(record), summary=summary)


# ------------------------------------------------------------------------------------------------------- what a market knows


def resolve_fixings(database: Database, document: MarketDocument) -> tuple[MarketDocument, list[Problem]]:
    """The document with the id of the fixing table that it names; and, where the market does not see all of it, a problem that says so.

    Raises:
        NotFound: no fixing table has the id or name.
        InvalidRequest: a fixing that cannot be, by the definition that the document gives of its index; an inflation curve whose base is
            not the published index of its month.
    """
    if not isinstance(document.fixings, str):
        _require_published_bases(document, None)
        return document, []
    record = snapshots.get(database, FIXINGS, document.fixings)
    table, indices = read_fixings(database, record.fixings_id), indices_of(document)
    own = {definition.name for definition in document.indices}
    place = ("fixings", record.fixings_id)
    redefined = [NumberedFixing(place, row) for row in fixings_of_table(table) if row.index in own] if own else []
    if problems := list(fixing_problems(redefined, indices=indices, rates_checked=document.rates_checked)):
        raise refused(problems)
    _require_published_bases(document, table)
    resolved = document.model_copy(update={"fixings": record.fixings_id})
    unseen = table.filter(pc.invert(pa.array(published_by(table, as_of=to_day(document.as_of), indices=indices))))
    if not unseen.num_rows:
        return resolved, []
    first = next(fixings_of_table(unseen))
    message = (
        f"the market does not see {unseen.num_rows:,} of the {table.num_rows:,} fixings of {record.fixings_id}, which were published after "
        f"{document.as_of} or are of indices that it does not define; the first is {first.index} of {first.fixing_date}"
    )
    return resolved, [{"loc": ["fixings"], "msg": message, "code": "look_ahead"}]


def _require_published_bases(document: MarketDocument, table: pa.Table | None) -> None:
    fixings = market_fixings(document, table)
    problems = [
        found
        for number, curve in enumerate(document.inflation_curves)
        for found in base_problems(curve, fixings, loc=("inflation_curves", number))
    ]
    if problems:
        raise InvalidRequest(problems[0]["msg"], problems)


def describe_indices(database: Database, market: str | None) -> list[IndexDescription]:
    """The indices that a market (id or name) knows, with its last fixings; the standard indices for None. Raises NotFound."""
    fixings = Fixings.none()
    if market is not None:
        record = snapshots.get(database, MARKETS, market)
        base_currency = read_market(database, market_id=record.market_id).curves[0].currency
        fixings = load_market(database, market_id=record.market_id, base_currency=base_currency).fixings
    return [_described(index, fixings) for _, index in sorted(fixings.indices.items())]


def _described(index: Index, fixings: Fixings) -> IndexDescription:
    series = fixings.series.get(index.name)
    return IndexDescription(
        **asdict(index),
        is_standard=STANDARD_INDICES.get(index.name) == index,
        fixing_count=0 if series is None else series.days.size,
        last_fixing_date=None if series is None else to_date(int(series.days[-1])),
        last_fixing=None if series is None else float(series.values[-1]),
    )


def _known(database: Database, market: str | None) -> Mapping[str, Index]:
    if market is None:
        return STANDARD_INDICES
    record = snapshots.get(database, MARKETS, market)
    return indices_of(read_market(database, market_id=record.market_id))
