"""Create scenario sets: compile a definition, or read a matrix, against a market; store the set; describe a stored set."""

import json
from typing import BinaryIO

from riskray.errors import InvalidRequest, NotFound
from riskray.models.scenario import (
    MatrixDefinition,
    ScenarioDefinition,
    ScenarioSet,
    ScenarioSetDetail,
    ScenarioSetRequest,
    StressDefinition,
)
from riskray.runs.uploads import load_history
from riskray.scenario.bind import bind_scenarios
from riskray.scenario.codec import ScenarioMatrix, decode
from riskray.scenario.compile import compile_scenarios
from riskray.scenario.matrix import read_matrix
from riskray.snapshots.content import scenario_set_content
from riskray.snapshots.kinds import HISTORIES, MARKETS, SCENARIO_SETS, ScenarioSetRecord
from riskray.store import snapshots
from riskray.store.database import Database
from riskray.store.markets import load_market

NAMES_SHOWN_MAX = 1000


def create_scenario_set(database: Database, request: ScenarioSetRequest) -> tuple[ScenarioSet, bool]:
    """Compile a definition against a market and store it. Returns the set, and whether its moves are new.

    Raises NotFound for the market or the history, InvalidRequest if the definition does not fit them.
    """
    definition, name = request.definition, SCENARIO_SETS.checked_name(request.name)
    if isinstance(definition, MatrixDefinition):
        message = "a matrix is uploaded as a file: POST it to /sets/matrix as CSV, Parquet or JSON"
        raise InvalidRequest(message, [{"loc": ["definition", "kind"], "msg": message, "code": "not_allowed"}])
    history = None
    numeraire = definition.numeraire if isinstance(definition, StressDefinition) else ""
    if not isinstance(definition, StressDefinition):
        stored = snapshots.get(database, HISTORIES, definition.history)
        history = load_history(database, stored.history_id)
        definition = definition.model_copy(update={"history": stored.history_id})
        numeraire = history.numeraire
    market_id = snapshots.get(database, MARKETS, request.market).market_id
    market = load_market(database, market_id=market_id, base_currency=numeraire)
    return _store(database, name, definition, compile_scenarios(definition, market=market, history=history), market_id=market_id)


def upload_matrix(
    database: Database,
    content: BinaryIO,
    *,
    format: str,
    name: str,
    definition: MatrixDefinition,
    market: str | None = None,
    rates_unchecked: bool = False,
) -> tuple[ScenarioSet, bool]:
    """Read and store a file of moves (csv, parquet, json). Returns the set, and whether its moves are new.

    Args:
        definition: where the moves come from; its numeraire applies if the file names none.
        market: id or name; factors that it lacks are refused.
        rates_unchecked: accept moves of rates so large that they look like basis points.
    Raises:
        NotFound: the market.
        InvalidRequest: lists every problem of the file, or the factors that the market lacks.
    """
    name = SCENARIO_SETS.checked_name(name)
    matrix = read_matrix(content, format=format, numeraire=definition.numeraire, rates_unchecked=rates_unchecked)
    definition = definition.model_copy(update={"numeraire": matrix.numeraire})
    market_id = None
    if market is not None:
        market_id = snapshots.get(database, MARKETS, market).market_id
        bind_scenarios(matrix, market=load_market(database, market_id=market_id, base_currency=matrix.numeraire))
    return _store(database, name, definition, matrix, market_id=market_id)


def load_matrix(database: Database, scenario_set_id: str) -> ScenarioMatrix:
    """The moves of a stored set. Raises NotFound."""
    return decode(snapshots.read_payload(database, SCENARIO_SETS, scenario_set_id))


def describe_scenario_set(database: Database, record: ScenarioSetRecord) -> ScenarioSetDetail:
    """A stored set: its definition, and the names of its first scenarios and factors."""
    matrix = load_matrix(database, record.scenario_set_id)
    return ScenarioSetDetail.model_validate(
        {
            **SCENARIO_SETS.fields(record),
            "definition": json.loads(snapshots.read_document(database, SCENARIO_SETS, record.scenario_set_id)),
            "numeraire": matrix.numeraire,
            "labels": matrix.labels[:NAMES_SHOWN_MAX],
            "factors": [factor.header for factor in matrix.factors[:NAMES_SHOWN_MAX]],
            "unmoved": _unmoved(database, record, matrix),
        }
    )


def _unmoved(database: Database, record: ScenarioSetRecord, matrix: ScenarioMatrix) -> tuple[str, ...] | None:
    if record.market_id is None:
        return None
    try:
        market = load_market(database, market_id=record.market_id, base_currency=matrix.numeraire)
    except NotFound:
        return None
    return bind_scenarios(matrix, market=market).unmoved


def _store(
    database: Database, name: str, definition: ScenarioDefinition, matrix: ScenarioMatrix, *, market_id: str | None
) -> tuple[ScenarioSet, bool]:
    content = scenario_set_content(definition, matrix, market_id=market_id)
    record, created = snapshots.store(database, SCENARIO_SETS, name=name, content=content)
    return SCENARIO_SETS.describe(record), created
