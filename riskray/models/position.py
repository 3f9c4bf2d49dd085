"""Positions as JSON: one model a product, made from the columns that its pricer declares.

For programs that make or check single positions, and for their JSON schema. Requests and files do not go through these models, but through
`riskray.portfolio.reader`, which checks the same declarations a column at a time.
"""

import datetime
from functools import lru_cache, reduce
from operator import or_
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, TypeAdapter, create_model

from pricers.columns import Column, Kind
from pricers.registry import known_products, pricer
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
    """What all positions have in common."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


@lru_cache(maxsize=256)
def position_model(product: str) -> type[PositionModel]:
    """The model of a product's positions. Raises UnknownProductError."""
    spec = pricer(product)
    fields: dict[str, Any] = {
        column.name: (Literal[product], Field(description=column.meaning)) if column.name == PRODUCT else _field(column)
        for column in (*COMMON_COLUMNS, *spec.columns)
    }
    return create_model(f"{product}_position", __base__=PositionModel, __doc__=f"{spec.title}.", **fields)


def position_type() -> Any:
    """The union of all registered products' models, told apart by `product`."""
    models = [position_model(product) for product in known_products()]
    return models[0] if len(models) == 1 else Annotated[reduce(or_, models), Field(discriminator=PRODUCT)]


def position_adapter() -> TypeAdapter[PositionModel]:
    """Validates one position of any registered product."""
    return TypeAdapter(position_type())


def _field(column: Column) -> tuple[Any, Any]:
    kind = Literal[column.allowed] if column.kind == "choice" else _TYPES[column.kind]
    bounds = _given({"ge": column.minimum, "le": column.maximum})
    if column.kind == "float_list" and bounds:
        kind, bounds = list[Annotated[FiniteFloat, Field(**bounds)]], {}  # of each element
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
