"""The client's methods for scenario sets, market histories and hierarchies."""

from datetime import date
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter

from riskray.client.calls import Calls, given, segment
from riskray.client.payload import Source, payload_of
from riskray.models.common import Page
from riskray.models.problems import arguments_checked
from riskray.models.scenario import (
    DemoHistoryRequest,
    MarketHistory,
    MarketHistoryDetail,
    ScenarioDefinition,
    ScenarioSet,
    ScenarioSetDetail,
    ScenarioSetRequest,
)
from riskray.models.tail_risk import HierarchyDetail, HierarchyDocument, StoredHierarchy

_SETS = "/api/v1/scenarios/sets"
_HISTORIES = "/api/v1/scenarios/histories"
_HIERARCHIES = "/api/v1/scenarios/hierarchies"
_DEFINITIONS: TypeAdapter[ScenarioDefinition] = TypeAdapter(ScenarioDefinition)


class ScenarioCalls(Calls):
    """Methods for scenario sets, market histories and hierarchies."""

    def create_scenario_set(self, name: str, *, market: str, definition: ScenarioDefinition | dict[str, Any]) -> ScenarioSet:
        """Create a scenario set of stress shocks, of a history's moves, or by Monte Carlo; `definition` is an object or a dictionary."""
        with arguments_checked():
            request = ScenarioSetRequest(name=name, market=market, definition=_DEFINITIONS.validate_python(definition))
        return ScenarioSet.model_validate_json(self._post_json(_SETS, request, timeout_s=600.0).content)

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
                "name": _name(source, name),
                "numeraire": numeraire,
                "market": market,
                "description": description,
                "rates_unchecked": unchecked,
            }
        )
        return self._post_content(f"{_SETS}/matrix", content, media_type, ScenarioSet, params=params)

    def list_scenario_sets(self, *, name: str | None = None, offset: int = 0, limit: int = 50) -> Page[ScenarioSet]:
        """Return a page of uploads of scenario sets, newest first; `name`: only those under this name."""
        return self._get(_SETS, Page[ScenarioSet], name=name, offset=offset, limit=limit)

    def get_scenario_set(self, scenario_set: str) -> ScenarioSetDetail:
        """Return a scenario set by id or name, with its definition."""
        return self._get(f"{_SETS}/{segment(scenario_set)}", ScenarioSetDetail)

    def download_scenario_set(
        self, scenario_set: str, path: str | Path, *, format: Literal["json", "csv", "parquet", "arrow"] = "parquet"
    ) -> Path:
        """Write the moves to a file and return its path."""
        self._save(f"{_SETS}/{segment(scenario_set)}/matrix", Path(path), params={"format": format})
        return Path(path)

    def delete_scenario_set(self, scenario_set: str) -> None:
        """Delete a scenario set that no run uses."""
        self._delete(f"{_SETS}/{segment(scenario_set)}")

    def upload_history(self, source: Source, *, name: str = "", numeraire: str = "USD", rates_unchecked: bool = False) -> MarketHistory:
        """Store a market history: a file (CSV, Parquet), a table or a DataFrame, wide or long.

        `rates_unchecked` accepts zero rates so large that they look like per cent.
        """
        content, media_type = payload_of(source)
        params = {"name": _name(source, name), "numeraire": numeraire, "rates_unchecked": "true" if rates_unchecked else None}
        return self._post_content(_HISTORIES, content, media_type, MarketHistory, params=given(params))

    def create_demo_history(
        self, *, market: str, name: str = "demo-history", first_date: date | None = None, seed: int = 1
    ) -> MarketHistory:
        """Create a history of ECB reference rates and of generated zero rates and spreads for a market."""
        with arguments_checked():
            request = DemoHistoryRequest(name=name, market=market, first_date=first_date, seed=seed)
        return MarketHistory.model_validate_json(self._post_json(f"{_HISTORIES}/demo", request, timeout_s=600.0).content)

    def list_histories(self, *, name: str | None = None, offset: int = 0, limit: int = 50) -> Page[MarketHistory]:
        """Return a page of uploads of market histories, newest first; `name`: only those under this name."""
        return self._get(_HISTORIES, Page[MarketHistory], name=name, offset=offset, limit=limit)

    def get_history(self, history: str) -> MarketHistoryDetail:
        """Return a market history by id or name, with its gaps."""
        return self._get(f"{_HISTORIES}/{segment(history)}", MarketHistoryDetail)

    def download_history(self, history: str, path: str | Path, *, format: Literal["csv", "parquet"] = "parquet") -> Path:
        """Write the levels to a file and return its path."""
        self._save(f"{_HISTORIES}/{segment(history)}/levels", Path(path), params={"format": format})
        return Path(path)

    def delete_history(self, history: str) -> None:
        """Delete a market history; scenario sets created from it are kept."""
        self._delete(f"{_HISTORIES}/{segment(history)}")

    def create_hierarchy(self, document: HierarchyDocument | dict[str, Any]) -> StoredHierarchy:
        """Store a tree over the values of a dimension."""
        with arguments_checked():
            checked = HierarchyDocument.model_validate(document)
        return StoredHierarchy.model_validate_json(self._post_json(_HIERARCHIES, checked).content)

    def list_hierarchies(self, *, name: str | None = None, offset: int = 0, limit: int = 50) -> Page[StoredHierarchy]:
        """Return a page of uploads of hierarchies, newest first; `name`: only those under this name."""
        return self._get(_HIERARCHIES, Page[StoredHierarchy], name=name, offset=offset, limit=limit)

    def get_hierarchy(self, hierarchy: str) -> HierarchyDetail:
        """Return a hierarchy by id or name, with its tree."""
        return self._get(f"{_HIERARCHIES}/{segment(hierarchy)}", HierarchyDetail)

    def delete_hierarchy(self, hierarchy: str) -> None:
        """Delete a hierarchy."""
        self._delete(f"{_HIERARCHIES}/{segment(hierarchy)}")


def _name(source: Source, name: str) -> str:
    return name or (Path(source).stem if isinstance(source, str | Path) else "")
