"""Moves of a document's quotes as moves of its curves."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pricers.calibration.quote_scenarios import basis_point_move, quote_scenarios
from pricers.calibration.quotes import CalibrationError
from riskray.errors import InvalidRequest
from riskray.market.quotes import (
    calibration_of,
    credit_calibration_of,
    curves_with_instruments,
    has_instruments,
    quotes_of,
    spot_rates,
)
from riskray.models.market_data import MarketDocument


@dataclass(frozen=True)
class DocumentQuotes:
    """The quotes of a document, as `pricers.market.market.QuotedCurves` wants them; curves are built when quotes move."""

    document: MarketDocument

    @cached_property
    def basis_points(self) -> Mapping[str, float]:
        """By quote, its move for one basis point, in its unit."""
        used = {name for curve in curves_with_instruments(self.document) for name in curve.instruments}
        spots = spot_rates(self.document)
        return {quote.name: basis_point_move(quote, spots) for quote in quotes_of(self.document) if quote.name in used}

    def shifts(self, moves: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        """Curve -> float64[pillar, scenario]; moves: quote -> float64[scenario]. Credit curves move with their own quotes alone.

        Raises:
            InvalidRequest: quotes that no curve meets.
        """
        count = next(iter(moves.values())).size
        try:
            return {**self._shifts_of_rates(moves, count), **self._shifts_of_hazards(moves, count)}
        except CalibrationError as error:
            problems = [{"loc": ["factors", f"quote/{one.name}"], "msg": one.message, "code": one.code} for one in error.problems]
            raise InvalidRequest(f"a scenario moves quotes too far: {error}", problems) from error

    def _shifts_of_rates(self, moves: Mapping[str, np.ndarray], count: int) -> Mapping[str, np.ndarray]:
        calibration = calibration_of(self.document)
        if calibration is None:
            return {}
        rows = np.array([moves.get(quote.name, np.zeros(count)) for quote in calibration.system.quotes])
        return quote_scenarios(calibration, rows).shifts

    def _shifts_of_hazards(self, moves: Mapping[str, np.ndarray], count: int) -> Mapping[str, np.ndarray]:
        shifts = {}
        for curve in self.document.credit_curves:
            own = {name: moves[name] for name in curve.instruments if name in moves}
            if not own:
                continue
            today = credit_calibration_of(self.document, curve)
            shift = np.zeros((today.curve.pillar_days.size, count))
            for scenario in np.flatnonzero(np.any([move != 0.0 for move in own.values()], axis=0)).tolist():
                quotes = [
                    quote.model_copy(update={"value": quote.value + float(own[quote.quote_id][scenario])})
                    if quote.quote_id in own
                    else quote
                    for quote in self.document.quotes
                ]
                moved = credit_calibration_of(self.document.model_copy(update={"quotes": quotes}), curve)
                shift[:, scenario] = moved.curve.zero_rates - today.curve.zero_rates
            shifts[curve.name] = shift
        return shifts


def quoted_curves(document: MarketDocument) -> DocumentQuotes | None:
    """What makes the document's curves follow its quotes; None where no curve has instruments."""
    return DocumentQuotes(document) if has_instruments(document) else None
