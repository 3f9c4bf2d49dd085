"""The measure dictionary as the one place that declares a measure: models, tables and SQL follow from it."""

import re
from pathlib import Path

import pytest

from pricers.measures import ADDITIVE_MEASURES, MEASURES, SCALAR_MEASURES, Measure
from riskray.models.position_result import PositionResult
from riskray.models.result import Rollup, RunTotals
from riskray.models.what_if import WhatIfGroup

ROOT = Path(__file__).resolve().parents[3]
OF_ONE_MEASURE = re.compile(rf"\b(?:{Measure.THETA_1D}|{Measure.THETA_1D.name}|{Measure.WEIGHTED_AVERAGE_LIFE})\b")


def _declared_elsewhere(folder):
    files = [path for path in sorted((ROOT / folder).rglob("*")) if path.suffix in {".py", ".sql"}]
    return [str(path.relative_to(ROOT)) for path in files if OF_ONE_MEASURE.search(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("folder", ["riskray", "deployments", "sql/queries"])
def test_no_other_file_names_a_measure_that_is_only_reported(folder):
    """A scalar measure is the dictionary's entry, a kernel and a migration; a second list of measures would leave it out."""
    assert _declared_elsewhere(folder) == []


def test_models_have_a_field_for_every_measure():
    assert set(SCALAR_MEASURES) <= PositionResult.model_fields.keys()
    for model in (Rollup, RunTotals, WhatIfGroup):
        assert set(ADDITIVE_MEASURES) <= model.model_fields.keys()
        assert (set(SCALAR_MEASURES) & model.model_fields.keys()) - set(ADDITIVE_MEASURES) <= {Measure.PV}


def test_every_scalar_measure_has_a_head_and_an_example():
    for measure in SCALAR_MEASURES:
        assert MEASURES[measure].label
        assert MEASURES[measure].example is not None, measure
