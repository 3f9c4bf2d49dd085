"""Positions as JSON: one model per product, derived from the columns that its pricer declares.

The OpenAPI document describes the positions in request bodies with these models. `riskray.portfolio.reader` checks positions: it uses the
declarations too, but reads whole columns and lists all problems at once.
"""

import datetime
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, create_model

from pricers.contract.columns import INSTRUMENT, Column, Kind
from riskray.models.common import JsonObject
from riskray.models.instrument import COMMON_COLUMNS, PRODUCT

_TYPES: dict[Kind, Any] = {
    "float": FiniteFloat,
    "date": datetime.date,
    "integer": int,
    "boolean": bool,
    "text": str,
    "date_list": list[datetime.date],
    "float_list": list[FiniteFloat],
}
_SHORTEST: dict[Kind, int] = {"text": 1}


class PositionModel(BaseModel):
    """The fields that all positions have."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


@lru_cache(maxsize=256)
def position_model(product: str) -> type[PositionModel]:
    """The model of a product's positions. Raises UnknownProductError."""
    from pricers.registry import pricer  # loads every kernel, which a process that only reads models does without

    spec = pricer(product)
    fields: dict[str, Any] = {
        column.name: (Literal[product], Field(description=column.meaning)) if column.name == PRODUCT else _field(column)
        for column in (*COMMON_COLUMNS, *spec.columns)
    }
    return create_model(f"{product}_position", __base__=PositionModel, __doc__=f"{spec.title}.", **fields)


class _OfAnyProduct:
    """The OpenAPI schema of a position: the model of any product that is registered when the document is created."""

    def __get_pydantic_json_schema__(self, _schema: Any, _handler: Any) -> JsonObject:
        from pricers.registry import known_products  # as above

        return {"oneOf": [position_model(product).model_json_schema() for product in known_products()]}


Position = Annotated[JsonObject, _OfAnyProduct()]
"""A position of any product, in a request body."""


def _field(column: Column) -> tuple[Any, Any]:
    kind = Literal[column.allowed] if column.kind == "choice" else _TYPES[column.kind]
    kind = str | JsonObject if column.name == INSTRUMENT else kind
    bounds = _given({"ge": column.minimum, "le": column.maximum})
    if column.kind == "float_list" and bounds:
        kind, bounds = list[Annotated[FiniteFloat, Field(**bounds)]], {}  # bounds of each element
    given = bounds | _given(
        {
            "description": column.meaning + (f" [{column.unit}]" if column.unit else ""),
            "examples": None if column.example is None else [column.example],
            "min_length": _SHORTEST.get(column.kind),
        }
    )
    if column.required:
        return kind, Field(**given)
    return kind | None, Field(default=column.default, **given)


def _given(constraints: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in constraints.items() if value is not None}
