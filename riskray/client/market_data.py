"""The client's methods for tables of fixings and for indices."""

from pathlib import Path
from typing import Literal

from riskray.client.calls import Calls, given, segment
from riskray.client.payload import Source, name_of, payload_of
from riskray.models.snapshot import FixingTable, IndexDescription
from riskray.snapshots.kinds import FIXINGS

_INDICES_PATH = "/api/v1/market-data/indices"


class FixingCalls(Calls):
    """Methods for tables of fixings and for indices."""

    def upload_fixings(self, source: Source, *, name: str = "", market: str | None = None, rates_unchecked: bool = False) -> FixingTable:
        """Store a table of fixings: a file (CSV, JSON, Parquet), a table, a DataFrame, or a list of dictionaries.

        `market`: id or name of a market whose own indices are known, too; `rates_unchecked` accepts rates so large that they look like
        per cent.
        """
        content, media_type = payload_of(source)
        params = {"name": name_of(source, name), "market": market, "rates_unchecked": "true" if rates_unchecked else None}
        return self._post_content(FIXINGS.path, content, media_type, FixingTable, params=given(params))

    def append_fixings(self, name: str, source: Source, *, market: str | None = None, rates_unchecked: bool = False) -> FixingTable:
        """Store the last table under a name with further rows as its next version; a changed value needs `is_correction` in its row."""
        content, media_type = payload_of(source)
        params = {"market": market, "rates_unchecked": "true" if rates_unchecked else None}
        return self._post_content(f"{FIXINGS.path}/{segment(name)}/append", content, media_type, FixingTable, params=given(params))

    def download_fixings(self, fixings: str, path: str | Path, *, format: Literal["csv", "json", "parquet"] = "parquet") -> Path:
        """Write the fixings to a file and return its path."""
        self._save(f"{FIXINGS.path}/{segment(fixings)}/rows", Path(path), params={"format": format})
        return Path(path)

    def indices(self, market: str | None = None) -> list[IndexDescription]:
        """Return the standard indices, or those that a market knows with the last fixing of each that the market sees."""
        return self._get(_INDICES_PATH, list[IndexDescription], market=market)
