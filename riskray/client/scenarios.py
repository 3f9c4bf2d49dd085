"""The client's methods for scenario sets, market histories and hierarchies."""

from datetime import date
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter

from riskray.client.calls import Calls, given, segment
from riskray.client.payload import Source, name_of, payload_of
from riskray.models.hierarchy import HierarchyDocument, StoredHierarchy
from riskray.models.problems import arguments_checked
from riskray.models.scenario import (
    DemoHistoryRequest,
    MarketHistory,
    ScenarioDefinition,
    ScenarioSet,
    ScenarioSetRequest,
)
from riskray.snapshots.kinds import HIERARCHIES, HISTORIES, SCENARIO_SETS

_DEFINITIONS: TypeAdapter[ScenarioDefinition] = TypeAdapter(ScenarioDefinition)


class ScenarioCalls(Calls):
    """Methods for scenario sets, market histories and hierarchies."""

    def create_scenario_set(self, name: str, *, market: str, definition: ScenarioDefinition | dict[str, Any]) -> ScenarioSet:
        """Create a scenario set of stress shocks, of a history's moves, or by Monte Carlo; `definition` is an object or a dictionary."""
        with arguments_checked():
            request = ScenarioSetRequest(name=name, market=market, definition=_DEFINITIONS.validate_python(definition))
        return ScenarioSet.model_validate_json(self._post_json(SCENARIO_SETS.path, request, timeout_s=600.0).content)

    def upload_scenario_matrix(
        self,
        source: Source,
        *,
        name: str = "",
        numeraire: str = "USD",
        market: str | None = None,
        description: str = "",
        rates_unchecked: bool = False,
    ) -> ScenarioSet:
        """Store a matrix of moves: a file (CSV, Parquet, JSON) or a table; with `market`, factors that the market lacks are refused.

        `rates_unchecked` accepts moves of rates so large that they look like basis points.
        """
        content, media_type = payload_of(source)
        unchecked = "true" if rates_unchecked else None
        params = given(
            {
                "name": name_of(source, name),
                "numeraire": numeraire,
                "market": market,
                "description": description,
                "rates_unchecked": unchecked,
            }
        )
        return self._post_content(f"{SCENARIO_SETS.path}/matrix", content, media_type, ScenarioSet, params=params)

    def download_scenario_set(
        self, scenario_set: str, path: str | Path, *, format: Literal["json", "csv", "parquet", "arrow"] = "parquet"
    ) -> Path:
        """Write the moves to a file and return its path."""
        self._save(f"{SCENARIO_SETS.path}/{segment(scenario_set)}/matrix", Path(path), params={"format": format})
        return Path(path)

    def upload_history(self, source: Source, *, name: str = "", numeraire: str = "USD", rates_unchecked: bool = False) -> MarketHistory:
        """Store a market history: a file (CSV, Parquet), a table or a DataFrame, wide or long.

        `rates_unchecked` accepts zero rates so large that they look like per cent.
        """
        content, media_type = payload_of(source)
        params = {"name": name_of(source, name), "numeraire": numeraire, "rates_unchecked": "true" if rates_unchecked else None}
        return self._post_content(HISTORIES.path, content, media_type, MarketHistory, params=given(params))

    def create_demo_history(
        self, *, market: str, name: str = "demo-history", first_date: date | None = None, seed: int = 1
    ) -> MarketHistory:
        """Create a history of ECB reference rates and of generated zero rates and spreads for a market."""
        with arguments_checked():
            request = DemoHistoryRequest(name=name, market=market, first_date=first_date, seed=seed)
        return MarketHistory.model_validate_json(self._post_json(f"{HISTORIES.path}/demo", request, timeout_s=600.0).content)

    def download_history(self, history: str, path: str | Path, *, format: Literal["csv", "parquet"] = "parquet") -> Path:
        """Write the levels to a file and return its path."""
        self._save(f"{HISTORIES.path}/{segment(history)}/levels", Path(path), params={"format": format})
        return Path(path)

    def create_hierarchy(self, document: HierarchyDocument | dict[str, Any]) -> StoredHierarchy:
        """Store a tree over the values of a dimension."""
        with arguments_checked():
            checked = HierarchyDocument.model_validate(document)
        return StoredHierarchy.model_validate_json(self._post_json(HIERARCHIES.path, checked).content)
