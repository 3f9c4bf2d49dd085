"""Market documents as the store holds them, those of earlier versions included.

A stored document keeps its text and its hash. What has changed since it was stored is changed when it is read: `kind` of a curve is
`quoted_as` now, and names are unique over all curves, so a spread curve that has the name of a discount curve is read as `NAME:SPREAD`.
Contracts and scenario sets that call it `NAME` still find it (see `pricers.market.market.Market.resolve`).
"""

import json
from typing import Any

from pricers.market.market import CurveKind
from riskray.models.market_data import MarketDocument


def stored_market(text: str) -> MarketDocument:
    """The document of a stored text, which was checked by the rules of its day."""
    data: dict[str, Any] = json.loads(text)
    for curve in data["curves"]:
        if "kind" in curve:
            curve["quoted_as"] = curve.pop("kind")
    document = MarketDocument.model_validate_json(json.dumps(data))
    taken = {curve.name for curve in document.curves}
    spreads = [
        spread.model_copy(update={"name": f"{spread.name}:{CurveKind.SPREAD}"}) if spread.name in taken else spread
        for spread in document.spread_curves
    ]
    return document.model_copy(update={"spread_curves": spreads})
