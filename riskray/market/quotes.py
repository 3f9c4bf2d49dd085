"""Quotes of market documents: what is wrong with them, and the points of the curves that they determine.

A document is stored with its quotes and with the points that they gave, so that readers need not bootstrap. Where a document that is read
has both, they must agree.
"""

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

import numpy as np

from pricers.calibration.bootstrap import calibration_system
from pricers.calibration.calibrated import Calibration
from pricers.calibration.credit import CreditCalibration, CreditRecipe, credit_calibration
from pricers.calibration.order import KnownCurve
from pricers.calibration.quotes import CalibrationError, CurveRecipe, Instrument, Quote
from pricers.calibration.quotes import Problem as CalibrationProblem
from pricers.market.fixings import Fixings
from pricers.market.market import Curve
from pricers.time.dates import to_date, to_day
from riskray.market.credit_curves import hazard_curve
from riskray.market.fixings import fixing_table, visible_fixings
from riskray.market.index_checks import indices_of, listed_fixings
from riskray.market.problem import Problem, problem
from riskray.market.zero_rates import discount_curve
from riskray.models.market_data import (
    QUOTE_TYPES,
    Compounding,
    CreditCurveDocument,
    CreditQuotedAs,
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
PREMIUM_MAX: Final = 1.0
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
        calibration = calibration_of(document)
    except CalibrationError as error:
        return [_placed(one, document) for one in error.problems]
    problems = [] if calibration is None else list(_contradicted_points(document, calibration))
    if problems:
        return problems
    with_rates, found = _with_rates(document), []
    for number, curve in enumerate(document.credit_curves):
        if curve.instruments:
            try:
                built = credit_calibration_of(with_rates, curve)
            except CalibrationError as error:
                found += [_placed(one, document) for one in error.problems]
            else:
                found += _contradicted_hazards(document, curve, built, number)
    return found


def with_built_curves(document: MarketDocument) -> MarketDocument:
    """The document with points of the curves that have instruments and residuals of their quotes; without instruments, itself.

    Raises:
        CalibrationError: quotes that give no curves (see `calibration_problems`).
    """
    if not has_instruments(document):
        return document
    built, calibration = _with_rates(document), calibration_of(document)
    residuals: dict[str, float] = {}
    if calibration is not None:
        residuals = dict(zip((quote.name for quote in calibration.system.quotes), calibration.residuals.tolist(), strict=True))
    credit_curves = []
    for curve in built.credit_curves:
        if curve.instruments:
            found = credit_calibration_of(built, curve)
            residuals |= dict(zip((quote.name for quote in found.quotes), found.residuals.tolist(), strict=True))
            points = _points(found.curve, document)
            curve = curve.model_copy(update={"points": points, "quoted_as": CreditQuotedAs.HAZARD_RATES})
        credit_curves.append(curve)
    quotes = [quote.model_copy(update={"residual": residuals.get(quote.quote_id)}) for quote in document.quotes]
    return built.model_copy(update={"credit_curves": credit_curves, "quotes": quotes})


def _with_rates(document: MarketDocument) -> MarketDocument:
    calibration = calibration_of(document)
    if calibration is None:
        return document
    curves = {curve.name: curve for curve in calibration.curves}
    form = {"quoted_as": QuotedAs.ZERO_RATES, "compounding": Compounding.CONTINUOUS}
    built = [
        curve.model_copy(update={"points": _points(curves[curve.name], document), **form}) if curve.instruments else curve
        for curve in document.curves
    ]
    return document.model_copy(update={"curves": built})


def _points(curve: Curve, document: MarketDocument) -> list[CurvePoint]:
    first = to_day(document.as_of)
    pillars = zip(curve.pillar_days.tolist(), curve.zero_rates.tolist(), strict=True)
    return [CurvePoint(date=to_date(first + day), value=rate) for day, rate in pillars]


def credit_calibration_of(document: MarketDocument, curve: CreditCurveDocument) -> CreditCalibration:
    """The calibration of a credit curve with instruments, in a document whose discount curves have their points.

    Raises:
        CalibrationError: a quote or a discount curve that the document lacks, or premiums that no hazard rates meet.
    """
    quotes = {quote.quote_id: _quote(quote) for quote in document.quotes}
    discount = next((one for one in document.curves if one.name == curve.discount_curve), None)
    problems = [
        CalibrationProblem("curves", curve.name, "quotes", "missing_quote",
                           f"{curve.name} is built from the quote {name!r}, which is missing; add it, or remove it from the instruments")
        for name in curve.instruments
        if name not in quotes
    ]  # fmt: skip
    if discount is None:
        message = f"{curve.name} discounts on {curve.discount_curve!r}, and there is no such curve; add it or correct the name"
        problems.append(CalibrationProblem("curves", curve.name, "discount_curve", "unknown_dependency", message))
    if problems or discount is None:
        raise CalibrationError(tuple(problems))
    recipe = CreditRecipe(
        curve.name,
        curve.currency or "",
        tuple(curve.instruments),
        discount_curve(discount, as_of=document.as_of),
        curve.recovery_rate or 0.0,
    )
    return credit_calibration(recipe, [quotes[name] for name in curve.instruments], as_of=to_day(document.as_of))


def fitted_quotes(document: MarketDocument) -> list[FittedQuote]:
    """The quotes of a built document, with the curves that they determine and their residuals."""
    curve_of = {name: curve.name for curve in curves_with_instruments(document) for name in curve.instruments}
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


def calibration_of(document: MarketDocument) -> Calibration | None:
    """The calibration of the discount curves that have instruments, kept for documents used lately; None where no curve has."""
    return _calibrated(_content(document)) if any(curve.instruments for curve in document.curves) else None


def has_instruments(document: MarketDocument) -> bool:
    """Whether a curve of the document comes from quotes."""
    return bool(curves_with_instruments(document))


def curves_with_instruments(document: MarketDocument) -> list[CurveDocument | CreditCurveDocument]:
    """The curves of a document that come from quotes."""
    curves: list[CurveDocument | CreditCurveDocument] = [*document.curves, *document.credit_curves]
    return [curve for curve in curves if curve.instruments]


def quotes_of(document: MarketDocument) -> list[Quote]:
    """The quotes of a document as the pricers take them."""
    return [_quote(quote) for quote in document.quotes]


def spot_rates(document: MarketDocument) -> dict[str, float]:
    """Spot rates by pair, "EUR/USD"."""
    return {f"{spot.pair[:3]}/{spot.pair[3:]}": spot.rate for spot in document.fx_spots}


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
        case QuoteType.SPREAD if abs(value) > (limit := PREMIUM_MAX if quote.instrument is Instrument.CDS else SPREAD_MAX):
            return f"spread {value:g} is beyond {limit:g} and looks like basis points; write {value * 1e-4:.10g}"
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
    field = (_FIELDS.get(found.field, found.field),) if found.field else ()
    places: list[tuple[str, list[str]]] = [("quotes", [quote.quote_id for quote in document.quotes])]
    if found.part == "curves":
        places = [(part, [curve.name for curve in getattr(document, part)]) for part in ("curves", "credit_curves")]
    part, names = next((part, names) for part, names in places if found.name in names)
    return problem((part, names.index(found.name), *field), found.code, found.message)


def _contradicted_points(document: MarketDocument, calibration: Calibration) -> Iterator[Problem]:
    built = {curve.name: curve for curve in calibration.curves}
    for number, curve in enumerate(document.curves):
        if not curve.instruments or not curve.points:
            continue
        if not _is_equal(discount_curve(curve, as_of=document.as_of), built[curve.name]):
            message = f"the points of {curve.name} are not those that its instruments give; leave the points out, or the instruments"
            yield problem(("curves", number, "points"), "contradiction", message)


def _contradicted_hazards(document: MarketDocument, curve: CreditCurveDocument, built: CreditCalibration, number: int) -> Iterator[Problem]:
    if curve.points and not _is_equal(hazard_curve(curve, as_of=document.as_of), built.curve):
        message = f"the points of {curve.name} are not those that its instruments give; leave the points out, or the instruments"
        yield problem(("credit_curves", number, "points"), "contradiction", message)


def _is_equal(given: Curve, wanted: Curve) -> bool:
    is_close = np.array_equal(given.pillar_days, wanted.pillar_days) and np.all(
        np.abs(given.zero_rates - wanted.zero_rates) <= POINTS_TOLERANCE
    )
    return bool(is_close)


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
        fx_spots=spot_rates(document),
        known=known,
    ).solve()


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
