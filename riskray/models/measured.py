"""Fields of result models that follow from the measure dictionary, so that a new measure is declared there and nowhere else."""

from collections.abc import Iterable
from typing import Any

from pydantic import Field, create_model

from pricers.measures import MEASURES, Measure
from riskray.models.common import Model


def measured(base: type[Model], measures: Iterable[Measure], kind: Any) -> Any:
    """`base` with one more field a measure, each of type `kind`: the base class of a model whose own fields follow."""
    fields: dict[str, Any] = {measure.value: (kind, Field()) for measure in measures}
    return create_model(base.__name__, __base__=base, __module__=base.__module__, **fields)


def measured_with_titles(base: type[Model], measures: Iterable[Measure], kind: Any) -> Any:
    """As `measured`, for fields that are no plain numbers: described by the measure's title, without its example."""
    fields: dict[str, Any] = {measure.value: (kind, Field(description=f"{MEASURES[measure].title}.")) for measure in measures}
    return create_model(base.__name__, __base__=base, __module__=base.__module__, **fields)
