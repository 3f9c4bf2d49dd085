"""Market documents from JSON, CSV and Parquet, checked as a whole, and back into any of the three with the same content hash.

JSON is the document itself. CSV and Parquet hold one table with a row a number:

    kind                         name          tenor_or_date         value                 further columns
    snapshot                     document's    as_of                                       description
    zero_rate, discount_factor   curve's       of the point          rate or factor        currency, interpolation, compounding
    spread                       curve's       of the point          spread                issuer, rating, interpolation
    hazard_rate,                 curve's       of the point          zero hazard rate or   entity, currency, seniority, restructuring,
      survival_probability                                             probability           recovery_rate
    inflation_rate               curve's       of the point          zero-coupon rate      index, base_date, base_index_value,
                                                                                             observation_lag_months, seasonality
    fx_spot                      pair          spot date, or blank   rate                  spot_lag_days, calendar
    fx_discount_curve            curve's                                                   currency
    index                        index's       tenor, or blank                             index_kind, currency, and INDEX_COLUMNS
    fixing                       index's       fixing date           value                 published_at
    fixings                      id or name of a fixing table
    spot_price                   security's                          price                 currency

with source on any row but an index's, and quality and observed_on on rows of curves, exchange rates and prices. The rows of one curve
agree on everything but point and value; a blank says nothing. Seasonality is twelve numbers with blanks between them.
A document insists on rates of unlikely size by rates_checked, a table where it is read (`riskray.models.rate_units`).
"""

import csv
import hashlib
import io
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet

from riskray.errors import InvalidRequest, MalformedJson, UnsupportedFormat
from riskray.market.checks import rate_unit_problems
from riskray.market.examine import Part, examine
from riskray.market.index_checks import fixing_unit_problems
from riskray.market.problem import Problem
from riskray.market.quotes import has_instruments, quote_unit_problems, with_built_curves
from riskray.market.table_rows import Row, csv_rows, parquet_rows, refuse
from riskray.models.market_data import CURVE_PARTS, AnyCurveDocument, CreditQuotedAs, FixingDocument, MarketDocument, QuotedAs
from riskray.strict_json import parse_json

FORMATS = ("json", "csv", "parquet")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")

TABLE_COLUMNS = (
    "kind", "name", "currency", "tenor_or_date", "value", "interpolation", "compounding", "issuer", "rating", "spot_lag_days", "calendar",
    "source", "quality", "observed_on", "description",
)  # fmt: skip
INDEX_COLUMNS = (
    "index_kind", "quote_currency", "day_count", "fixing_lag", "fixing_calendar", "value_calendar", "convention", "end_of_month",
    "forecast_curve", "publication_lag_days", "observation_lag_months",
)  # fmt: skip
_REQUIRED_COLUMNS = ("kind", "name", "tenor_or_date", "value")
_SOURCED = ("source", "quality", "observed_on")
_CURVE_FIELDS = ("currency", "interpolation", "compounding", *_SOURCED)
_SPREAD_FIELDS = ("issuer", "rating", "interpolation", *_SOURCED)
_CREDIT_FIELDS = ("entity", "currency", "seniority", "restructuring", "recovery_rate", *_SOURCED)
_INFLATION_FIELDS = ("index", "base_date", "base_index_value", "observation_lag_months", "seasonality", *_SOURCED)
_ALL_COLUMNS = tuple(dict.fromkeys((*TABLE_COLUMNS, *_CREDIT_FIELDS, *_INFLATION_FIELDS, *INDEX_COLUMNS, "published_at")))
_SPOT_FIELDS = ("spot_lag_days", "calendar", *_SOURCED)
_PRICE_FIELDS = ("currency", *_SOURCED)
_QUOTED_AS_OF_ROW: Mapping[str, QuotedAs | CreditQuotedAs] = {
    "zero_rate": QuotedAs.ZERO_RATES,
    "discount_factor": QuotedAs.DISCOUNT_FACTORS,
    "hazard_rate": CreditQuotedAs.HAZARD_RATES,
    "survival_probability": CreditQuotedAs.SURVIVAL_PROBABILITIES,
}
_ROW_OF_QUOTED_AS = {quoted_as: row for row, quoted_as in _QUOTED_AS_OF_ROW.items()}

Location = tuple[str | int, ...]


@dataclass(frozen=True)
class MarketRead:
    """What was read. `problems`: why `rejected` curves, quotes and entries were left out."""

    document: MarketDocument
    rejected: int = 0
    problems: list[Problem] = dataclass_field(default_factory=list)


def read_market(source: bytes | Path | BinaryIO, *, format: str, rates_unchecked: bool = False) -> MarketDocument:
    """Read and check a market document, all of which must be sound; arguments and errors as of `read_market_upload`."""
    return read_market_upload(source, format=format, allow_partial=False, rates_unchecked=rates_unchecked).document


def read_market_upload(source: bytes | Path | BinaryIO, *, format: str, allow_partial: bool, rates_unchecked: bool = False) -> MarketRead:
    """Read and check a market document.

    Args:
        source: the file's bytes, its path, or an open binary file.
        format: "json", "csv" or "parquet".
        allow_partial: leave out the curves, quotes and entries that something is wrong with (see `riskray.market.examine`).
        rates_unchecked: take zero rates of unlikely size, as `rates_checked: false` in a document does.
    Raises:
        UnsupportedFormat: another format.
        InvalidRequest: not readable or not sound; `problems` names every place by `loc`, a path in the JSON document or
            ["rows", number, column] of a table (rows count from 1, the header is not counted).
    """
    data = source if isinstance(source, bytes) else source.read_bytes() if isinstance(source, Path) else source.read()
    match format:
        case "json":
            document = _json(data)
            if rates_unchecked and isinstance(document, dict):
                document["rates_checked"] = False
            return _checked(document, allow_partial=allow_partial)
        case "csv":
            rows, problems = csv_rows(data, columns=_ALL_COLUMNS, required=_REQUIRED_COLUMNS)
            return _parse_table(rows, problems, allow_partial=allow_partial, rates_unchecked=rates_unchecked)
        case "parquet":
            rows = parquet_rows(data, columns=_ALL_COLUMNS, required=_REQUIRED_COLUMNS)
            return _parse_table(rows, [], allow_partial=allow_partial, rates_unchecked=rates_unchecked)
    raise UnsupportedFormat(f"format {format!r} is not offered; use {', '.join(FORMATS)}")


def parse_market(data: Any) -> MarketDocument:
    """Check a document that is already a dictionary. Curves, spots and so on come out sorted by name. Raises InvalidRequest."""
    return _checked(data, allow_partial=False).document


def _checked(data: Any, *, allow_partial: bool, table: "_TableReader | None" = None) -> MarketRead:
    """`table`: what the document was made of."""
    found = examine(data, known_bad=table.contradicted if table is not None else ())
    place = table.place if table is not None else lambda loc: loc
    disputed = table.of_disputed_kind if table is not None else set()  # the size of what may be a rate or a factor says nothing
    judged = [problem for problem in found.problems if problem["code"] != "out_of_range" or tuple(problem["loc"][:2]) not in disputed]
    problems = [_placed(problem, place) for problem in judged]
    consequences = [_placed(problem, place) for problem in found.consequences]
    if table is not None:
        if table.problems:  # then what seems to be missing may be on a row that could not be placed
            problems = [problem for problem in problems if problem["loc"][:1] == ["rows"]]
        problems = sorted([*table.problems, *table.contradictions, *problems], key=lambda problem: tuple(problem["loc"][1:2]))
    is_hopeless = found.document is None or (table is not None and bool(table.problems))
    if found.document is None or is_hopeless or (problems and not allow_partial):
        what = "document" if table is None else "file"
        count = f"{len(problems)} problem{'s' * (len(problems) > 1)}"
        raise InvalidRequest(f"the market {what} has {count}: {problems[0]['msg']}", problems)
    return MarketRead(_normal(with_built_curves(found.document)), len(found.left_out), problems + consequences)


def _placed(problem: Problem, place: Callable[[Location], Location]) -> Problem:
    loc = place(tuple(problem["loc"]))
    message = f"{_path(loc)}: {problem['msg']}" if problem.get("is_of_value") else problem["msg"]
    return {"loc": list(loc), "msg": message, "code": problem["code"]}


def _normal(document: MarketDocument) -> MarketDocument:
    return document.model_copy(
        update={
            **{part: sorted(getattr(document, part), key=lambda curve: curve.name) for part in CURVE_PARTS},
            "fx_spots": sorted(document.fx_spots, key=lambda spot: spot.pair),
            "fx_discount_curves": dict(sorted(document.fx_discount_curves.items())),
            "quotes": sorted(document.quotes, key=lambda quote: quote.quote_id),
            "indices": sorted(document.indices, key=lambda index: index.name),
            "spot_prices": sorted(document.spot_prices, key=lambda price: price.name),
            "fixings": _sorted(document.fixings),
            # No other content for nothing.
            "rates_checked": document.rates_checked
            or not (
                rate_unit_problems(document.all_curves, loc=()) or quote_unit_problems(document) or any(fixing_unit_problems(document))
            ),
        }
    )


def _sorted(fixings: str | list[FixingDocument] | None) -> str | list[FixingDocument] | None:
    if fixings is None or isinstance(fixings, str):
        return fixings
    by_key = {(fixing.index, fixing.fixing_date): fixing for fixing in reversed(fixings)}  # equal ones count once
    return [by_key[key] for key in sorted(by_key)]


def _path(loc: Location) -> str:
    return ".".join(str(part) for part in loc) or "document"


# ------------------------------------------------------------------------------------------------------------ content


def canonical_json(document: MarketDocument) -> str:
    """The one text of a document: sorted keys, no blanks, nothing that is null. What is stored and hashed."""
    return json.dumps(document.model_dump(mode="json", exclude_none=True), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def content_hash(document: MarketDocument) -> bytes:
    """SHA-256 of the canonical text."""
    return hashlib.sha256(canonical_json(document).encode()).digest()


def market_id(document: MarketDocument) -> str:
    """'mkt-' and the first 16 hex digits of the content hash."""
    return f"mkt-{content_hash(document).hex()[:16]}"


def write_market(document: MarketDocument, *, format: str) -> bytes:
    """The document as a file that reads back to the same hash. Raises UnsupportedFormat, also for quotes in a table."""
    if format != "json" and has_instruments(document):
        raise UnsupportedFormat(f"a market from quotes has no place in a table; use json instead of {format}")
    match format:
        case "json":
            return canonical_json(document).encode()
        case "csv":
            sink = io.StringIO()
            writer = csv.DictWriter(sink, _columns_of(document), lineterminator="\n")
            writer.writeheader()
            writer.writerows(_rows(document))
            return sink.getvalue().encode()
        case "parquet":
            buffer = pa.BufferOutputStream()
            schema = pa.schema([(name, _PARQUET_TYPES.get(name, pa.string())) for name in _columns_of(document)])
            pa.parquet.write_table(pa.Table.from_pylist(list(_rows(document)), schema=schema), buffer)
            return bytes(buffer.getvalue().to_pybytes())
    raise UnsupportedFormat(f"format {format!r} is not offered; use {', '.join(FORMATS)}")


_PARQUET_TYPES = {
    "value": pa.float64(), "spot_lag_days": pa.int64(), "fixing_lag": pa.int64(), "publication_lag_days": pa.int64(),
    "observation_lag_months": pa.int64(), "end_of_month": pa.bool_(), "recovery_rate": pa.float64(), "base_index_value": pa.float64(),
}  # fmt: skip


def _columns_of(document: MarketDocument) -> tuple[str, ...]:
    """The columns that a document's table needs: those of credit and inflation curves, indices and fixings only where it has any."""
    further = {
        _CREDIT_FIELDS: document.credit_curves, _INFLATION_FIELDS: document.inflation_curves, INDEX_COLUMNS: document.indices,
        ("published_at",): isinstance(document.fixings, list),
    }  # fmt: skip
    return tuple(dict.fromkeys((*TABLE_COLUMNS, *(name for names, wanted in further.items() if wanted for name in names))))


def _rows(document: MarketDocument) -> Iterable[Row]:
    """The document as rows of the table."""
    yield {"kind": "snapshot", "name": document.name, "tenor_or_date": str(document.as_of), "description": document.description or None}
    for curve in document.curves:
        yield from _curve_rows(curve, _ROW_OF_QUOTED_AS[curve.quoted_as], _CURVE_FIELDS)
    for spread in document.spread_curves:
        yield from _curve_rows(spread, "spread", _SPREAD_FIELDS)
    for credit in document.credit_curves:
        yield from _curve_rows(credit, _ROW_OF_QUOTED_AS[credit.quoted_as], _CREDIT_FIELDS)
    for inflation in document.inflation_curves:
        yield from _curve_rows(inflation, "inflation_rate", _INFLATION_FIELDS)
    for spot in document.fx_spots:
        fields = spot.model_dump(mode="json", include=set(_SPOT_FIELDS))
        yield (
            {"kind": "fx_spot", "name": spot.pair, "value": spot.rate}
            | _given(fields)
            | {"tenor_or_date": None if spot.spot_date is None else str(spot.spot_date)}
        )
    for currency, name in document.fx_discount_curves.items():
        yield {"kind": "fx_discount_curve", "name": name, "currency": currency}
    for index in document.indices:
        fields = index.model_dump(mode="json")
        yield {"index_kind": fields.pop("kind"), "tenor_or_date": fields.pop("tenor") or None} | _given(fields) | {"kind": "index"}
    for price in document.spot_prices:
        fields = price.model_dump(mode="json", include=set(_PRICE_FIELDS))
        yield {"kind": "spot_price", "name": price.name, "value": price.value} | _given(fields)
    if isinstance(document.fixings, str):
        yield {"kind": "fixings", "name": document.fixings}
        return
    for fixing in document.fixings or ():
        fields = fixing.model_dump(mode="json", exclude={"index", "fixing_date"})
        yield {"kind": "fixing", "name": fixing.index, "tenor_or_date": str(fixing.fixing_date)} | _given(fields)


def _curve_rows(curve: AnyCurveDocument, kind: str, fields: tuple[str, ...]) -> Iterable[Row]:
    shared = {"kind": kind, "name": curve.name} | _given(curve.model_dump(mode="json", include=set(fields)))
    if "seasonality" in shared:
        shared["seasonality"] = " ".join(map(repr, shared["seasonality"]))
    for point in curve.points:
        yield shared | {"tenor_or_date": point.label, "value": point.value}


def _given(fields: Row) -> Row:
    return {name: value for name, value in fields.items() if value not in (None, "")}


# -------------------------------------------------------------------------------------------------------------- files


def _json(data: bytes) -> Any:
    try:
        return parse_json(data)
    except ValueError as error:
        message = f"the document is not valid JSON: {error}"
        raise MalformedJson(message, [{"loc": ["file"], "msg": message, "code": "malformed"}]) from error


# -------------------------------------------------------------------------------------------------------------- table


# Where a document's fields stand in a table, other than in a column of their name; and the column of what is wrong with a whole part.
_COLUMN_OF_FIELD = {"as_of": "tenor_or_date", "tenor": "tenor_or_date", "date": "tenor_or_date", "spot_date": "tenor_or_date",
                    "pair": "name", "rate": "value", "quoted_as": "kind", "[key]": "currency", "kind": "index_kind",
                    "index": "name", "fixing_date": "tenor_or_date", "fixings": "name"}  # fmt: skip
_COLUMN_OF_PART = {"points": "tenor_or_date", "fx_spots": "name", "fx_discount_curves": "name", "indices": "name", "fixings": "name",
                   "spot_prices": "name"}  # fmt: skip


class _TableReader:
    """Rows to a document's dictionary, remembering which row each part came from.

    `problems` are of rows that could not be placed, `contradictions` of the parts `contradicted`.
    """

    def __init__(self, problems: list[Problem]) -> None:
        self.document: dict[str, Any] = {**{part: [] for part in CURVE_PARTS}, "fx_spots": [], "fx_discount_curves": {}, "indices": []}
        self.document["spot_prices"] = []
        self.problems = problems
        self.contradictions: list[Problem] = []
        self.contradicted: set[Part] = set()
        self.of_disputed_kind: set[Part] = set()
        self._rows_of: dict[Location, int] = {}
        self._curve_index: dict[tuple[str, str], int] = {}

    def place(self, loc: Location) -> Location:
        """["rows", number, column] for a path in the document."""
        for length in range(len(loc), 0, -1):
            if loc[:length] in self._rows_of:
                field, *deeper = loc[length:] or loc[:1]
                if len(loc) == length and length > 1:
                    column = _COLUMN_OF_PART.get(str(loc[-2]), "name")
                else:
                    column = _COLUMN_OF_FIELD.get(str(field), str(field))
                return ("rows", self._rows_of[loc[:length]], column, *deeper)
        return loc

    def add(self, number: int, row: Row) -> None:
        """Take in one row."""
        kind = row.get("kind")
        match kind:
            case "snapshot":
                self._add_snapshot(number, row)
            case "zero_rate" | "discount_factor":
                self._add_point(number, row, "curves", _CURVE_FIELDS, {"quoted_as": _QUOTED_AS_OF_ROW[kind].value})
            case "spread":
                self._add_point(number, row, "spread_curves", _SPREAD_FIELDS, {})
            case "hazard_rate" | "survival_probability":
                self._add_point(number, row, "credit_curves", _CREDIT_FIELDS, {"quoted_as": _QUOTED_AS_OF_ROW[kind].value})
            case "inflation_rate":
                factors = row.get("seasonality")
                row = row | {"seasonality": None if factors is None else str(factors).split()}
                self._add_point(number, row, "inflation_curves", _INFLATION_FIELDS, {})
            case "fx_spot":
                self._rows_of["fx_spots", len(self.document["fx_spots"])] = number
                fields = {"pair": row.get("name"), "rate": row.get("value"), "spot_date": row.get("tenor_or_date")}
                self.document["fx_spots"].append(_some(fields | {name: row.get(name) for name in _SPOT_FIELDS}))
            case "fx_discount_curve":
                currency = str(row.get("currency") or "")
                self._rows_of["fx_discount_curves", currency] = number
                if currency in self.document["fx_discount_curves"]:
                    self._contradiction(
                        ("fx_discount_curves", currency), number, "currency", "duplicate", f"{currency} has a curve already"
                    )
                self.document["fx_discount_curves"][currency] = row.get("name")
            case "index":
                self._rows_of["indices", len(self.document["indices"])] = number
                fields = {name: row.get(name) for name in ("name", "currency", "interpolation", *INDEX_COLUMNS[1:])}
                self.document["indices"].append(_some(fields | {"kind": row.get("index_kind"), "tenor": row.get("tenor_or_date")}))
            case "spot_price":
                self._rows_of["spot_prices", len(self.document["spot_prices"])] = number
                fields = {name: row.get(name) for name in ("name", "value", *_PRICE_FIELDS)}
                self.document["spot_prices"].append(_some(fields))
            case "fixing" | "fixings":
                self._add_fixing(number, row, is_table=kind == "fixings")
            case _:
                known = (
                    f"snapshot, {', '.join(_QUOTED_AS_OF_ROW)}, spread, inflation_rate, fx_spot, fx_discount_curve, index, fixing, "
                    "fixings, spot_price"
                )
                self._problem(number, "kind", "unknown_kind", f"{kind!r} is none of {known}")

    def _add_snapshot(self, number: int, row: Row) -> None:
        if "as_of" in self.document:
            self._problem(number, "kind", "duplicate", "a second snapshot row")
        self.document |= _some({"name": row.get("name"), "as_of": row.get("tenor_or_date"), "description": row.get("description")})
        for field in ("name", "as_of", "description"):
            self._rows_of[field,] = number

    def _add_fixing(self, number: int, row: Row, *, is_table: bool) -> None:
        """One fixing, or the name of a table that holds them."""
        given = self.document.setdefault("fixings", (row.get("name") or "") if is_table else [])
        if isinstance(given, list) and not is_table:
            self._rows_of["fixings", len(given)] = number
            fields = {"index": row.get("name"), "fixing_date": row.get("tenor_or_date")}
            given.append(_some(fields | {name: row.get(name) for name in ("value", "source", "published_at")}))
        elif ("fixings",) in self._rows_of or isinstance(given, list):
            message = "fixings are given already; name one fixing table, or list fixings on rows of kind fixing"
            self._problem(number, "kind", "duplicate", message)
        else:
            self._rows_of["fixings",] = number

    def _add_point(self, number: int, row: Row, part: str, fields: tuple[str, ...], fixed: Row) -> None:
        name = str(row.get("name") or "")
        curves = self.document[part]
        given = _some({field: row.get(field) for field in fields}) | fixed
        index = self._curve_index.setdefault((part, name), len(curves))
        if index == len(curves):
            curves.append({"name": name, "points": []} | given)
            self._rows_of[part, index] = number
        for field, value in given.items():
            if curves[index].get(field) != value:
                message = f"{name}: {field} {value!r} differs from {curves[index].get(field)!r} on row {self._rows_of[part, index]}"
                self._contradiction((part, index), number, _COLUMN_OF_FIELD.get(field, field), "contradiction", message)
                if field == "quoted_as":
                    self.of_disputed_kind.add((part, index))
        place = str(row.get("tenor_or_date") or "")
        self._rows_of[part, index, "points", len(curves[index]["points"])] = number
        curves[index]["points"].append({"date" if _DATE.fullmatch(place) else "tenor": place, "value": row.get("value")})

    def _problem(self, number: int, column: str, code: str, message: str) -> None:
        self.problems.append({"loc": ["rows", number, column], "msg": f"row {number}: {message}", "code": code})

    def _contradiction(self, part: Part, number: int, column: str, code: str, message: str) -> None:
        self.contradicted.add(part)
        self.contradictions.append({"loc": ["rows", number, column], "msg": f"row {number}: {message}", "code": code})


def _some(fields: Row) -> Row:
    return {name: value for name, value in fields.items() if value is not None}


def _parse_table(rows: dict[int, Row], malformed: list[Problem], *, allow_partial: bool, rates_unchecked: bool) -> MarketRead:
    if not rows and not malformed:
        raise refuse("the file has no rows", "empty")
    reader = _TableReader(malformed)
    for number, row in rows.items():
        reader.add(number, row)
    if "as_of" not in reader.document:
        reader.problems.append({"loc": ["rows"], "msg": "there is no row of kind snapshot with name and date", "code": "missing"})
    if rates_unchecked:
        reader.document["rates_checked"] = False
    return _checked(reader.document, allow_partial=allow_partial, table=reader)
