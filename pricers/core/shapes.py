"""Shapes in canonical form: one form for shapes that make the same nodes, one order, one text.

Terms are ordered by the kind of their curve (RATE, SPREAD, HAZARD, INFLATION, then OWN), name and lag; exponents are added in this order
everywhere, so that a value has one set of bits. Equal terms are one, with the sum of their signs, and vanish where that is 0. The latest
point lies on the anchor.
"""

import json
from functools import lru_cache
from typing import Final

from pricers.flows.cashflows import OWN, Shape, Term
from pricers.market.market import KIND_ORDER, CurveKind

OWN_ORDER: Final = len(KIND_ORDER)
_OWN_TEXT: Final = "OWN"
_SHAPES_KEPT: Final = 4096  # of the shapes worked out last: contracts of many small batches name the same curves

CurveKey = tuple[int, str]
"""(order of the kind, name): curves in canonical order. OWN is (OWN_ORDER, "")."""


def curve_key(term: Term) -> CurveKey:
    """The curve of a term, ordered as curves are."""
    return (OWN_ORDER, OWN) if term.curve == OWN else (KIND_ORDER[term.kind], term.curve)


@lru_cache(_SHAPES_KEPT)
def canonical(shape: Shape) -> tuple[Shape, int]:
    """The canonical form, and how many days its anchor lies before that of the given shape."""
    signs: dict[tuple[CurveKey, int], int] = {}
    kinds: dict[CurveKey, CurveKind] = {}
    for term in shape:
        key = curve_key(term)
        kinds[key] = CurveKind.RATE if term.curve == OWN else term.kind
        signs[key, term.lag] = signs.get((key, term.lag), 0) + term.sign
    kept = sorted(entry for entry, sign in signs.items() if sign)
    back = min((lag for _, lag in kept), default=0)
    return tuple(Term(key[1], lag - back, signs[key, lag], kinds[key]) for key, lag in kept), back


@lru_cache(_SHAPES_KEPT)
def sort_key(shape: Shape) -> tuple[tuple[tuple[CurveKey, int, int], ...], tuple[tuple[CurveKey, int, int], ...]]:
    """The order of canonical shapes: by their curves' terms, then by those of OWN."""
    terms = [(curve_key(term), term.lag, term.sign) for term in shape]
    return tuple(term for term in terms if term[0][0] != OWN_ORDER), tuple(term for term in terms if term[0][0] == OWN_ORDER)


def is_of_one_day(shape: Shape) -> bool:
    """Whether all points of a canonical shape lie on the anchor and move smoothly with its day, as indices of months do not."""
    return all(term.lag == 0 and term.kind is not CurveKind.INFLATION for term in shape)


def shape_text(shape: Shape) -> str:
    """A canonical shape as text, the same in every process: JSON rows of kind, curve, lag and sign."""
    rows = [[_OWN_TEXT if term.curve == OWN else str(term.kind), term.curve, term.lag, term.sign] for term in shape]
    return json.dumps(rows, ensure_ascii=False, separators=(",", ":"))


def parse_shape(text: str) -> Shape:
    """The inverse of `shape_text`."""
    return tuple(
        Term(curve, lag, sign, CurveKind.RATE if kind == _OWN_TEXT else CurveKind(kind)) for kind, curve, lag, sign in json.loads(text)
    )
