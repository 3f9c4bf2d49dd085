"""The Python SDK: a thin, typed, synchronous client of the HTTP API.

    with Client() as client:
        market = client.upload_market("market.json")
        portfolio = client.upload_portfolio("positions.parquet", name="desk")
        run = client.submit(portfolio=portfolio.portfolio_id, market=market.market_id)
        run.wait()
        run.totals(), run.rollup("book", "product"), run.positions().to_pandas()

Errors are raised as the exceptions of `riskray.errors`, by their code. The client retries only requests whose repetition changes nothing:
reads, deletes, uploads (equal content is one snapshot) and submits (each has an idempotency key). It retries after connection errors and
after 429, 502, 503 and 504, with jitter, honouring Retry-After, until a total deadline.
"""

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import httpx
from httpx_sse import EventSource
from pydantic import TypeAdapter

from pricers.market.factors import FactorKind
from pricers.measures import Measure
from riskray.client.calls import given, segment
from riskray.client.market_data import FixingCalls
from riskray.client.payload import Source, name_of, payload_of
from riskray.client.results import ResultTable, RunHandle
from riskray.client.risk import RiskCalls
from riskray.client.scenarios import ScenarioCalls
from riskray.client.snapshots import SnapshotCalls
from riskray.client.transport import ApiError, Refused, RunTimeout, Transport, Truncated, Unreachable
from riskray.config import Settings
from riskray.errors import Overloaded, StoreUnavailable
from riskray.models.common import CursorPage, Page
from riskray.models.event import RunEvent
from riskray.models.instrument import ProductDescription
from riskray.models.position_result import PositionFailure, PositionOrigin, PositionResult
from riskray.models.pricing import PriceAnswer, PriceRequest
from riskray.models.problems import arguments_checked
from riskray.models.result import Explanation, FailureSummary, RiskFactor, Rollup, RunTotals, Sensitivity
from riskray.models.run import ALL_MEASURES, FailurePolicy, Preflight, Run, RunRequest, Vectors
from riskray.models.snapshot import MarketUpload, PortfolioUpload, StoredCurve
from riskray.snapshots.kinds import MARKETS, PORTFOLIOS

EVENT_READ_TIMEOUT_S = 30.0

Format = Literal["json", "csv", "parquet", "arrow"]

__all__ = ["ApiError", "Client", "ResultTable", "RunHandle", "RunTimeout", "Truncated", "Unreachable"]


class Client(SnapshotCalls, FixingCalls, ScenarioCalls, RiskCalls):
    """A client of one API. Settings come from the environment (RISKRAY_API_URL, RISKRAY_API_TOKEN) unless given."""

    def __init__(self, settings: Settings | None = None, *, deadline_s: float = 60.0, http: httpx.Client | None = None) -> None:
        self.transport = Transport(settings or Settings(), deadline_s=deadline_s, http=http)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.transport.close()

    # --------------------------------------------------------------------------------------------------------- snapshots

    def upload_market(self, source: Source, *, allow_partial: bool = False, rates_unchecked: bool = False) -> MarketUpload:
        """Store a market: a file (JSON, CSV, Parquet), the document as a dictionary or bytes of JSON, or its rows as a table.

        `rates_unchecked` accepts rates so large that they look like per cent.
        """
        content, media_type = payload_of(source)
        params = given({"allow_partial": str(allow_partial).lower(), "rates_unchecked": "true" if rates_unchecked else None})
        return self._post_content(MARKETS.path, content, media_type, MarketUpload, params=params)

    def market_curves(self, market: str) -> list[StoredCurve]:
        """Return a market's curves as positions are valued on them."""
        return self._get(f"{MARKETS.path}/{segment(market)}/curves", list[StoredCurve])

    def download_market(self, market: str, *, format: Format = "json") -> bytes:
        """Return the market's document."""
        path = f"{MARKETS.path}/{segment(market)}/document"
        return self.transport.send("GET", path, repeatable=True, params={"format": format}).content

    def upload_portfolio(self, source: Source, *, name: str = "", allow_partial: bool = False) -> PortfolioUpload:
        """Store a portfolio: a file (CSV, JSON, Parquet), an Arrow table, a DataFrame, or a list of dictionaries."""
        content, media_type = payload_of(source)
        params = given({"name": name_of(source, name), "allow_partial": str(allow_partial).lower()})
        return self._post_content(PORTFOLIOS.path, content, media_type, PortfolioUpload, params=params)

    def download_portfolio(self, portfolio: str, path: str | Path, *, format: Format = "parquet") -> Path:
        """Write all contracts to a file and return its path. Raises Truncated, and then leaves no file."""
        target = Path(path)
        self._save(f"{PORTFOLIOS.path}/{segment(portfolio)}/download", target, params={"format": format})
        return target

    def products(self) -> list[ProductDescription]:
        """Return the products that can be priced, with their columns."""
        return self._get(f"{PORTFOLIOS.path}/products", list[ProductDescription])

    # -------------------------------------------------------------------------------------------------------------- runs

    def submit(
        self,
        *,
        portfolio: str,
        market: str,
        base_currency: str = "USD",
        measures: Sequence[Measure] = ALL_MEASURES,
        name: str = "",
        preflight: Literal["flag", "strict"] = "flag",
        executor: Literal["pool", "job"] = "pool",
        rows_per_shard: int | None = None,
        scenario_set: str | None = None,
        vectors: Vectors | None = None,
        failure_policy: FailurePolicy = "drop_position",
        reuse_from: str | None = None,
        idempotency_key: str | None = None,
        wait_s: int = 0,
    ) -> RunHandle:
        """Submit a run; with `wait_s`, the call returns at the run's end or after this many seconds, whichever comes first.

        With a `scenario_set` (id or name) the portfolio is also valued under each of its scenarios; see `RunRequest` for what is stored.
        With `reuse_from` (a run id) only positions that failed there or depend on a change are valued; the other results are reused.
        """
        with arguments_checked():
            request = RunRequest(
                portfolio=portfolio,
                market=market,
                base_currency=base_currency,
                measures=list(measures),
                name=name,
                preflight=preflight,
                executor=executor,
                rows_per_shard=rows_per_shard,
                scenario_set=scenario_set,
                vectors=vectors,
                failure_policy=failure_policy,
                reuse_from=reuse_from,
            )
        headers = {"Idempotency-Key": idempotency_key or uuid4().hex}
        if wait_s:
            headers["Prefer"] = f"wait={wait_s}"
        response = self._post_json("/api/v1/runs", request, headers=headers, timeout_s=60.0 + wait_s)
        return RunHandle(self, Run.model_validate_json(response.content))

    def preflight(self, *, portfolio: str, market: str, base_currency: str = "USD", scenario_set: str | None = None) -> Preflight:
        """Return the market data that a run would lack. Raises InvalidRequest if the scenario set moves factors that the market lacks."""
        with arguments_checked():
            request = RunRequest(portfolio=portfolio, market=market, base_currency=base_currency, scenario_set=scenario_set)
        return Preflight.model_validate_json(self._post_json("/api/v1/runs/preflight", request).content)

    def attach(self, run_id: str) -> RunHandle:
        """Return a handle of an existing run."""
        return RunHandle(self, self.get_run(run_id))

    def get_run(self, run_id: str) -> Run:
        """Return the run as stored."""
        return self._get(f"/api/v1/runs/{segment(run_id)}", Run)

    def list_runs(self, *, state: str | None = None, name: str | None = None, offset: int = 0, limit: int = 50) -> Page[Run]:
        """Return a page of runs, newest first."""
        return self._get("/api/v1/runs", Page[Run], state=state, name=name, offset=offset, limit=limit)

    def cancel_run(self, run_id: str) -> Run:
        """Request a run's cancellation."""
        response = self.transport.send("POST", f"/api/v1/runs/{segment(run_id)}/cancel", repeatable=True)
        return Run.model_validate_json(response.content)

    def delete_run(self, run_id: str) -> None:
        """Delete an ended run and its results."""
        self.transport.send("DELETE", f"/api/v1/runs/{segment(run_id)}", repeatable=True)

    def events(self, run_id: str, *, after_seq: int = 0, deadline: float | None = None) -> Iterator[RunEvent]:
        """Yield the events of a run until its end (or `deadline` on the monotonic clock), reconnecting when the server ends the stream."""
        return (told for told in self.follow(run_id, after_seq=after_seq, deadline=deadline) if isinstance(told, RunEvent))

    def follow(self, run_id: str, *, after_seq: int = 0, deadline: float | None = None) -> Iterator[RunEvent | Run]:
        """Yield what `events` does; also the run if no process has driven it for some seconds, and at last the ended run."""
        path = f"/api/v1/runs/{segment(run_id)}/events"
        refused_since = None
        while deadline is None or time.monotonic() < deadline:
            headers = {"Accept": "text/event-stream", "Last-Event-ID": str(after_seq)}
            try:
                with self.transport.stream(path, headers=headers, timeout_s=EVENT_READ_TIMEOUT_S) as response:
                    refused_since = None
                    for told in EventSource(response).iter_sse():
                        if not told.data:  # a retry hint alone
                            continue
                        if told.event in ("end", "undriven"):
                            yield Run.model_validate_json(told.data)
                            if told.event == "end":
                                return
                            continue
                        event = RunEvent.model_validate_json(told.data)
                        after_seq = event.seq
                        yield event
                        if deadline is not None and time.monotonic() > deadline:
                            return
            except (Truncated, StoreUnavailable, Overloaded):
                time.sleep(random.uniform(0, 1.0))  # nothing is lost: the next stream begins after the last event received
            except Refused:  # a proxy may be restarting
                refused_since = refused_since or time.monotonic()
                if time.monotonic() - refused_since > self.transport.connect_patience_s:
                    raise
                time.sleep(random.uniform(0, 1.0))

    # ----------------------------------------------------------------------------------------------------------- results

    def totals(self, run_id: str) -> RunTotals:
        """Return the totals of a run."""
        return self._get(f"/api/v1/results/{segment(run_id)}/totals", RunTotals)

    def rollup(self, run_id: str, group_by: Sequence[str] = ("book",), **filters: Any) -> list[Rollup]:
        """Return sums by any of book, product, currency and counterparty; each of these names is also a filter."""
        # An empty group_by is sent too, because it means one sum, not the default.
        path = f"/api/v1/results/{segment(run_id)}/rollup"
        response = self.transport.send("GET", path, repeatable=True, params={"group_by": ",".join(group_by), **given(filters)})
        return TypeAdapter(list[Rollup]).validate_json(response.content)

    def factors(self, run_id: str) -> list[RiskFactor]:
        """Return what `factor_nos` of a run's positions refer to: curves and foreign currencies, with unit, bump and buckets."""
        return self._get(f"/api/v1/results/{segment(run_id)}/factors", list[RiskFactor])

    def sensitivities(
        self,
        run_id: str,
        group_by: Sequence[str] = (),
        *,
        kind: Sequence[FactorKind | str] = (),
        factor: Sequence[str] = (),
        by_factor: bool = False,
        **node: Any,
    ) -> list[Sensitivity]:
        """Return sensitivities by factor and bucket, and by any of book and product.

        `kind`, `factor`: only these factors; `by_factor`: one sum a factor over its buckets; `node`: book, product, or hierarchy and node.
        """
        path = f"/api/v1/results/{segment(run_id)}/sensitivities"
        chosen = {"kind": [str(name) for name in kind], "factor": list(factor)}
        totals = {"by_factor": True} if by_factor else {}
        return self._get(path, list[Sensitivity], group_by=",".join(group_by), **totals, **chosen, **node)

    def failure_summary(self, run_id: str) -> list[FailureSummary]:
        """Return the failed positions by reason."""
        return self._get(f"/api/v1/results/{segment(run_id)}/failures/summary", list[FailureSummary])

    def position(self, run_id: str, position_id: str) -> PositionResult | PositionFailure:
        """Return one position's outcome."""
        path = f"/api/v1/results/{segment(run_id)}/positions/{segment(position_id)}"
        answer: PositionResult | PositionFailure = TypeAdapter(PositionFailure | PositionResult).validate_python(
            self.transport.send("GET", path, repeatable=True).json()
        )
        return answer

    def position_origin(self, run_id: str, position_id: str) -> PositionOrigin:
        """Return the run that valued a position's row: `run_id`, or the earlier run whose row it reuses."""
        return self._get(f"/api/v1/results/{segment(run_id)}/positions/{segment(position_id)}/origin", PositionOrigin)

    def page_positions(self, run_id: str, *, cursor: str | None = None, limit: int = 50, **filters: Any) -> CursorPage[PositionResult]:
        """Return a page of results as objects; `download_results` returns all results at once."""
        path = f"/api/v1/results/{segment(run_id)}/positions"
        return self._get(path, CursorPage[PositionResult], cursor=cursor, limit=limit, **filters)

    def explain(self, run_id: str, position_id: str) -> Explanation:
        """Return one position's value, flow by flow."""
        return self._get(f"/api/v1/results/{segment(run_id)}/positions/{segment(position_id)}/explain", Explanation)

    def download_results(self, run_id: str, *, columns: Sequence[str] = (), **filters: Any) -> ResultTable:
        """Download the measures of all priced positions; `columns`: only these, which is faster without the ladders."""
        return self._download(f"/api/v1/results/{segment(run_id)}/positions", {"columns": ",".join(columns), **filters})

    def download_failures(self, run_id: str, **filters: Any) -> ResultTable:
        """Download all failed positions."""
        return self._download(f"/api/v1/results/{segment(run_id)}/failures", filters)

    def export(
        self, run_id: str, path: str | Path, *, format: Literal["parquet", "csv", "arrow"], failed: bool = False, **filters: Any
    ) -> int | None:
        """Write all results (or all failures) to a file; return their number if the API states it. Raises Truncated, leaving no file."""
        what = "failures" if failed else "positions"
        headers = self._save(f"/api/v1/results/{segment(run_id)}/{what}", Path(path), params=given({"format": format, **filters}))
        rows = headers.get("x-row-count")
        return int(rows) if rows is not None else None

    # ----------------------------------------------------------------------------------------------------------- pricing

    def price(
        self,
        positions: Sequence[Mapping[str, Any]],
        *,
        market: str,
        base_currency: str = "USD",
        measures: Sequence[Measure] = (Measure.PV, Measure.PV_BASE, Measure.DV01),
    ) -> PriceAnswer:
        """Price positions that are not stored."""
        with arguments_checked():
            request = PriceRequest(
                market=market, base_currency=base_currency, measures=list(measures), positions=[dict(position) for position in positions]
            )
        return PriceAnswer.model_validate_json(self._post_json("/api/v1/pricing/price", request).content)
