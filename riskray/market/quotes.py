"""Quotes of market documents: what is wrong with them, and the points of the curves that they determine.

A document is stored with its quotes and with the points that they gave, so that readers need not bootstrap. Where a document that is read
has both, they must agree.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final

import numpy as np

from pricers.calibration.bootstrap import calibration_system
from pricers.calibration.calibrated import Calibration
from pricers.calibration.order import KnownCurve
from pricers.calibration.quote_scenarios import basis_point_move, quote_scenarios
from pricers.calibration.quotes import CalibrationError, CurveRecipe, Quote
from pricers.calibration.quotes import Problem as CalibrationProblem
from pricers.market.fixings import Fixings
from pricers.time.dates import to_date, to_day
from riskray.errors import InvalidRequest
from riskray.market.fixings import fixing_table, visible_fixings
from riskray.market.index_checks import indices_of, listed_fixings
from riskray.market.problem import Problem, problem
from riskray.market.zero_rates import discount_curve
from riskray.models.market_data import (
    QUOTE_TYPES,
    Compounding,
    CurveDocument,
    CurvePoint,
    MarketDocument,
    QuotedAs,
    QuoteDocument,
    QuoteType,
)
from riskray.models.rate_units import rate_fault, rate_limit
from riskray.models.snapshot import FittedQuote

SPREAD_MAX: Final = 0.1
PRICE_MIN, PRICE_MAX = 50.0, 150.0
POINTS_OF_SPOT_MAX: Final = 0.5
POINTS_TOLERANCE: Final = 1e-9
"""Zero rates of points that are given beside instruments may differ by this from those that the quotes give."""
_FIELDS: Final = {"quotes": "instruments", "start": "start_date", "end": "end_date"}
"""What a field of the pricers' recipes and quotes is called in documents."""


def calibration_problems(document: MarketDocument) -> list[Problem]:
    """What is wrong with the quotes of a document that is sound otherwise: dictionaries with `loc`, `msg`, `code`."""
    if not has_instruments(document):
        return []
    problems = [*_duplicates(document), *(quote_unit_problems(document) if document.rates_checked else [])]
    if problems:
        return problems
    try:
        calibration = _calibrated(_content(document))
    except CalibrationError as error:
        return [_placed(one, document) for one in error.problems]
    return list(_contradicted_points(document, calibration))


def with_built_curves(document: MarketDocument) -> MarketDocument:
    """The document with points of the curves that have instruments and residuals of their quotes; without instruments, itself.

    Raises:
        CalibrationError: quotes that give no curves (see `calibration_problems`).
    """
    if not has_instruments(document):
        return document
    calibration = _calibrated(_content(document))
    curves = {curve.name: curve for curve in calibration.curves}
    residuals = dict(zip((quote.name for quote in calibration.system.quotes), calibration.residuals.tolist(), strict=True))
    form = {"quoted_as": QuotedAs.ZERO_RATES, "compounding": Compounding.CONTINUOUS}

    def built(curve: CurveDocument) -> CurveDocument:
        if not curve.instruments:
            return curve
        days, rates = curves[curve.name].pillar_days.tolist(), curves[curve.name].zero_rates.tolist()
        points = [CurvePoint(date=to_date(to_day(document.as_of) + day), value=rate) for day, rate in zip(days, rates, strict=True)]
        return curve.model_copy(update={"points": points, **form})

    quotes = [quote.model_copy(update={"residual": residuals.get(quote.quote_id)}) for quote in document.quotes]
    return document.model_copy(update={"curves": [built(curve) for curve in document.curves], "quotes": quotes})


def fitted_quotes(document: MarketDocument) -> list[FittedQuote]:
    """The quotes of a built document, with the curves that they determine and their residuals."""
    curve_of = {name: curve.name for curve in document.curves for name in curve.instruments}
    return [
        FittedQuote(
            quote_id=quote.quote_id,
            instrument=quote.instrument.value,
            value=quote.value,
            curve=curve_of.get(quote.quote_id),
            residual=quote.residual,
        )
        for quote in document.quotes
    ]


def calibration_of(document: MarketDocument) -> Calibration:
    """The calibration of a document's curves that have instruments, for scenarios of its quotes; kept for documents used lately."""
    return _calibrated(_content(document))


def has_instruments(document: MarketDocument) -> bool:
    """Whether a curve of the document comes from quotes."""
    return any(curve.instruments for curve in document.curves)


def quote_unit_problems(document: MarketDocument) -> list[Problem]:
    """Values of a size that speaks of another unit."""
    spots = {spot.pair: spot.rate for spot in document.fx_spots}
    found = []
    for number, quote in enumerate(document.quotes):
        if fault := _unit_fault(quote, spots):
            found.append(problem(("quotes", number, "value"), "out_of_range", f"quote {quote.quote_id}: {fault}"))
    return found


def _unit_fault(quote: QuoteDocument, spots: dict[str, float]) -> str | None:
    value, name = quote.value, quote.convention or quote.index or ""
    match QUOTE_TYPES[quote.instrument]:
        case QuoteType.RATE:
            return rate_fault(value, limit=rate_limit(name[:3]), what="rate")
        case QuoteType.SPREAD if abs(value) > SPREAD_MAX:
            return f"spread {value:g} is beyond {SPREAD_MAX:g} and looks like basis points; write {value * 1e-4:.10g}"
        case QuoteType.PRICE if not PRICE_MIN <= value <= PRICE_MAX:
            return f"price {value:g} is not between {PRICE_MIN:g} and {PRICE_MAX:g}; a future's price is 100 less its rate in per cent"
        case QuoteType.POINTS:
            spot = spots.get(name.replace("/", ""))
            if spot is not None and abs(value) > POINTS_OF_SPOT_MAX * spot:
                return f"points {value:g} are beyond half the spot rate {spot:g} and look like pips; write {value * 1e-4:.10g}"
    return None


def _duplicates(document: MarketDocument) -> Iterator[Problem]:
    seen: set[str] = set()
    for number, quote in enumerate(document.quotes):
        if quote.quote_id in seen:
            yield problem(("quotes", number), "duplicate", f"quotes has {quote.quote_id!r} twice; give it once")
        seen.add(quote.quote_id)


def _placed(found: CalibrationProblem, document: MarketDocument) -> Problem:
    names = [quote.quote_id for quote in document.quotes] if found.part == "quotes" else [curve.name for curve in document.curves]
    field = (_FIELDS.get(found.field, found.field),) if found.field else ()
    return problem((found.part, names.index(found.name), *field), found.code, found.message)


def _contradicted_points(document: MarketDocument, calibration: Calibration) -> Iterator[Problem]:
    built = {curve.name: curve for curve in calibration.curves}
    for number, curve in enumerate(document.curves):
        if not curve.instruments or not curve.points:
            continue
        given, wanted = discount_curve(curve, as_of=document.as_of), built[curve.name]
        is_equal = np.array_equal(given.pillar_days, wanted.pillar_days) and np.all(
            np.abs(given.zero_rates - wanted.zero_rates) <= POINTS_TOLERANCE
        )
        if not is_equal:
            message = f"the points of {curve.name} are not those that its instruments give; leave the points out, or the instruments"
            yield problem(("curves", number, "points"), "contradiction", message)


def _content(document: MarketDocument) -> str:
    """What a calibration depends on, as text: the key under which it is kept."""
    parts = {"name", "as_of", "curves", "quotes", "fx_spots", "indices", *(() if isinstance(document.fixings, str) else ("fixings",))}
    given = document.model_dump(mode="json", exclude_none=True, include=parts)
    for curve in given["curves"]:
        if curve.get("instruments"):
            curve["points"] = []
    for quote in given.get("quotes", []):
        quote.pop("residual", None)
    return json.dumps(given | {"name": "-"}, sort_keys=True)


@lru_cache(maxsize=8)
def _calibrated(content: str) -> Calibration:
    document = MarketDocument.model_validate_json(content)
    recipes = [_recipe(curve) for curve in document.curves if curve.instruments]
    used = {name for recipe in recipes for name in recipe.quotes}
    known = [
        KnownCurve(discount_curve(curve, as_of=document.as_of), curve.index or "", curve.collateral_currency or "")
        for curve in document.curves
        if not curve.instruments
    ]
    return calibration_system(
        [_quote(quote) for quote in document.quotes if quote.quote_id in used],
        recipes,
        as_of=to_day(document.as_of),
        fixings=_listed_fixings(document),
        fx_spots=_spot_rates(document),
        known=known,
    ).solve()


def _spot_rates(document: MarketDocument) -> dict[str, float]:
    return {f"{spot.pair[:3]}/{spot.pair[3:]}": spot.rate for spot in document.fx_spots}


def _listed_fixings(document: MarketDocument) -> Fixings:
    """The fixings that the document lists; those of a table that it names are not at hand where a document is read."""
    indices = indices_of(document)
    if not document.fixings:
        return Fixings({}, indices)
    return visible_fixings(fixing_table(listed_fixings(document)), as_of=to_day(document.as_of), indices=indices)


def _quote(quote: QuoteDocument) -> Quote:
    return Quote(
        quote.quote_id,
        quote.instrument,
        quote.value,
        quote.convention or quote.index or "",
        quote.tenor or "",
        None if quote.start_date is None else to_day(quote.start_date),
        None if quote.end_date is None else to_day(quote.end_date),
        quote.convexity_adjustment or 0.0,
    )


def _recipe(curve: CurveDocument) -> CurveRecipe:
    return CurveRecipe(
        curve.name,
        curve.currency,
        tuple(curve.instruments),
        curve.interpolation.value,
        curve.index or "",
        curve.collateral_currency or "",
        tuple(curve.depends_on),
        curve.solve_group or "",
    )


@dataclass(frozen=True)
class DocumentQuotes:
    """The quotes of a document, as `pricers.market.market.QuotedCurves` wants them; curves are built when quotes move."""

    document: MarketDocument

    @cached_property
    def basis_points(self) -> Mapping[str, float]:
        """By quote, its move for one basis point, in its unit."""
        used = {name for curve in self.document.curves for name in curve.instruments}
        spots = _spot_rates(self.document)
        return {quote.quote_id: basis_point_move(_quote(quote), spots) for quote in self.document.quotes if quote.quote_id in used}

    def shifts(self, moves: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        """Curve -> float64[pillar, scenario]; moves: quote -> float64[scenario]. Raises InvalidRequest for quotes that no curve meets."""
        calibration = calibration_of(self.document)
        still = np.zeros(next(iter(moves.values())).size)
        rows = np.array([moves.get(quote.name, still) for quote in calibration.system.quotes])
        try:
            return quote_scenarios(calibration, rows).shifts
        except CalibrationError as error:
            problems = [{"loc": ["factors", f"quote/{one.name}"], "msg": one.message, "code": one.code} for one in error.problems]
            raise InvalidRequest(f"a scenario moves quotes too far: {error}", problems) from error


def quoted_curves(document: MarketDocument) -> DocumentQuotes | None:
    """What makes the document's curves follow its quotes; None where no curve has instruments."""
    return DocumentQuotes(document) if has_instruments(document) else None
