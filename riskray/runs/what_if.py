"""What-if under another market: the market that a change makes of a run's own, and the run that values the portfolio under it."""

import hashlib
import itertools
import json

from riskray.config import Settings
from riskray.errors import InvalidRequest
from riskray.market.build import build_market
from riskray.market.checks import rate_unit_problems
from riskray.market.derive import replaced, shifted
from riskray.market.reader import parse_market
from riskray.market.stored import stored_market
from riskray.models.market_data import MarketDocument
from riskray.models.run import Run, RunRequest, RunState
from riskray.models.scenario import CreditShock, StressDefinition, StressScenario
from riskray.models.what_if import MarketChange
from riskray.runs.submit import submit_run
from riskray.scenario.bind import bind
from riskray.scenario.stress import stress_matrix
from riskray.store.database import Database
from riskray.store.markets import get_market, get_market_document
from riskray.store.runs import run_keys

_SUFFIX = "~what-if"
_NAME_LENGTH_MAX = 200
_DESCRIPTION_LENGTH_MAX = 2000


def derive_market(database: Database, *, run: Run, change: MarketChange) -> MarketDocument:
    """The run's market after the change, checked like an upload. Its name and description say what it comes from.

    Raises InvalidRequest for a curve, pair, currency or pillar that the market has not got, for a shock of credit spreads, and for
    numbers that no market may have.
    """
    record = get_market(database, market=run.market_id)
    given = stored_market(get_market_document(database, market_id=record.market_id))
    if change.rates_checked and (problems := rate_unit_problems(change.curves, loc=("market", "curves"))):
        raise InvalidRequest(problems[0]["msg"], problems)
    document = replaced(given, curves=change.curves, spread_curves=change.spread_curves, fx_rates=change.fx_rates)
    document = _checked(document)  # before it is moved: a curve that is wrong has no pillars to move
    if change.shocks:
        document = _shocked(document, change, base_currency=run.base_currency)
    words = json.dumps(change.model_dump(mode="json", exclude_defaults=True), sort_keys=True, ensure_ascii=False)
    text = f"what-if from {run.market_id}: {words}"
    name = f"{given.name.removesuffix(_SUFFIX)[: _NAME_LENGTH_MAX - len(_SUFFIX)]}{_SUFFIX}"
    return _checked(document.model_copy(update={"name": name, "description": text[:_DESCRIPTION_LENGTH_MAX]}))


def _shocked(document: MarketDocument, change: MarketChange, *, base_currency: str) -> MarketDocument:
    for index, shock in enumerate(change.shocks):
        if isinstance(shock, CreditShock):
            message = (
                "contracts' own credit spreads are no part of a market; shock spread curves, or value a stress scenario with this shock"
            )
            raise InvalidRequest(message, [{"loc": ["market", "shocks", index], "msg": message, "code": "not_allowed"}])
    scenario = StressScenario(name="what-if", shocks=change.shocks)
    definition = StressDefinition(numeraire=change.numeraire, scenarios=[scenario], rates_checked=change.rates_checked)
    market = build_market(document, base_currency=base_currency)
    moves = bind(stress_matrix(definition, market=market), market=market).scenarios
    return shifted(
        document,
        shifts={name: shift[:, 0] for name, shift in moves.shifts.items()},
        fx_factors={currency: float(factor[0]) for currency, factor in moves.fx_factors.items()},
    )


def _checked(document: MarketDocument) -> MarketDocument:
    # Its unlikely rates are those that the stored market has, or that the change insists on.
    return parse_market({**document.model_dump(mode="json", exclude_none=True), "rates_checked": False})


def submit_under_market(database: Database, settings: Settings, *, base: Run, market_id: str) -> Run:
    """The run of the base run's portfolio and measures under another market, in the same shards, which actors have compiled already.

    Asked again, it is the same run, unless that one failed or was cancelled.
    """
    request = RunRequest(
        portfolio=base.portfolio_id,
        market=market_id,
        base_currency=base.base_currency,
        measures=base.measures,
        name=f"what-if of {base.run_id}",
        rows_per_shard=run_keys(database, run_id=base.run_id)["rows_per_shard"],
    )
    fingerprint = hashlib.sha256(request.model_dump_json().encode()).digest()
    for attempt in itertools.count():
        key = f"what-if {base.run_id} {market_id} {attempt}"
        run, _ = submit_run(database, settings, request, idempotency_key=key, fingerprint=fingerprint)
        if run.state not in (RunState.FAILED, RunState.CANCELLED):
            return run
    raise AssertionError("there is always a next attempt")
