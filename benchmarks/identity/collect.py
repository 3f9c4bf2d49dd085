"""Values the inputs on a stack and collects every kind of result under its canonical name.

Monte Carlo sets and parametric VaR are left out, because both depend on the order of the market's factors, which is not canonical.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.identity import canonical
from benchmarks.identity.canonical import Terms
from benchmarks.identity.figures import Figures, figures_of_rows
from riskray.client import Client, RunHandle
from riskray.models.run import RunState
from riskray.models.tail_risk import NodeFilter, QuantileConvention

CONFIDENCES: Final = (0.95, 0.99)
EXPLAINED_PER_PRODUCT: Final = 5
ROLLUPS: Final[tuple[tuple[Any, ...], ...]] = (
    (), ("book",), ("product",), ("currency",), ("counterparty",), ("book", "product", "currency"), ("product", "counterparty"),
)  # fmt: skip
LADDERS: Final[tuple[tuple[Any, ...], ...]] = ((), ("book",), ("product",), ("book", "product"))
VECTORS: Final[tuple[tuple[Any, ...], ...]] = ((), ("book", "product", "currency"), ("counterparty",))
PNL: Final[tuple[tuple[Any, ...], ...]] = (("book",), ("product", "currency"), ("counterparty",))

HISTORICAL: Final = {"kind": "historical", "history": "identity", "window": 250, "spread_moves": "relative"}
STRESS: Final[dict[str, Any]] = {
    "kind": "stress",
    "numeraire": "USD",
    "scenarios": [
        {"name": "all up", "shocks": [{"type": "parallel", "shift": {"bp": 100}}]},
        {"name": "EUR down a third", "shocks": [{"type": "parallel", "curves": ["EUR-*"], "shift": {"relative": -0.33}}]},
        {"name": "steeper", "shocks": [{"type": "steepener", "short": {"bp": -20}, "long": {"bp": 45}}]},
        {"name": "twist", "shocks": [{"type": "twist", "size": {"bp": 30}}]},
        {"name": "two tenors", "shocks": [{"type": "tenors", "curves": ["USD-GOVT"], "shifts": {"5Y": {"bp": 25}, "10Y": {"bp": 50}}}]},
        {"name": "spreads wider", "shocks": [{"type": "parallel", "target": "spread", "shift": {"bp": 80}}]},
        {"name": "BBB half as wide again", "shocks": [
            {"type": "parallel", "curves": ["*-BBB"], "target": "spread", "shift": {"relative": 0.5}},
        ]},
        {"name": "own spreads", "shocks": [{"type": "credit", "bp": 50}]},
        {"name": "EUR and GBP rise", "shocks": [{"type": "fx", "currencies": ["EUR", "GBP"], "relative": 0.1}]},
        {"name": "JPY falls", "shocks": [{"type": "fx", "currencies": ["JPY"], "relative": -0.15}]},
    ],
    "combinations": [{"name": "everything", "of": ["all up", "spreads wider", "own spreads", "EUR and GBP rise"]}],
}  # fmt: skip
NO_VALUE: Final = {
    "kind": "stress",
    "rates_checked": False,
    "scenarios": [
        {"name": "all up", "shocks": [{"type": "parallel", "shift": {"bp": 100}}]},
        {"name": "beyond all numbers", "shocks": [{"type": "parallel", "curves": ["EUR-FLAT-FORWARD"], "shift": {"bp": -1e7}}]},
    ],
}
WHAT_IFS: Final[dict[str, dict[str, Any]]] = {
    "market": {
        "market": {
            "fx_rates": {"EURUSD": 1.15},
            "shocks": [
                {"type": "parallel", "curves": ["USD-*"], "shift": {"bp": 25}},
                {"type": "parallel", "target": "spread", "shift": {"bp": 10}},
                {"type": "fx", "currencies": ["GBP"], "relative": 0.05},
            ],
        }
    },
}

Say = Callable[[str], None]


def collect(client: Client, inputs: Mapping[str, bytes], *, say: Say) -> dict[str, Figures]:
    """All figures by name; those without a row are left out."""
    with tempfile.TemporaryDirectory(prefix="riskray-identity-") as directory:
        stored = _Stored(client, inputs, Path(directory))
    found: dict[str, Figures] = {}
    base = _run(client, say, portfolio=stored.portfolio, market=stored.market)
    kinds, terms_of_base = _results(client, base)
    found |= _named("base", kinds)
    later = _run(client, say, portfolio=stored.portfolio_later, market=stored.market_later)
    kinds, terms_of_later = _results(client, later)
    found |= _named("later", kinds)
    found |= _named("pnl", _pnl(client, base, later, [terms_of_base, terms_of_later]))
    found |= _named("what_if", canonical.what_if(_what_ifs(client, base), terms_of_base))
    found |= _named("explain", {"flows": canonical.explanations(_explanations(client, base))})
    for name, scenario_set, vectors in (("historical", stored.historical, "group"), ("stress", stored.stress, "position")):
        run = _run(client, say, portfolio=stored.portfolio, market=stored.market, scenario_set=scenario_set, vectors=vectors)
        found |= _named(name, _results(client, run, has_vectors=True)[0])
    terms = _run(client, say, portfolio=stored.terms, market=stored.market_terms, base_currency="EUR")
    found |= _named("terms", _results(client, terms)[0])
    for policy in ("drop_position", "drop_scenario"):
        request = {"portfolio": stored.terms, "market": stored.market_terms, "base_currency": "EUR", "failure_policy": policy}
        run = _run(client, say, **request, scenario_set=stored.no_value, vectors="position")
        found |= _named(policy, _results(client, run, has_vectors=True)[0])
    failing = _run(client, say, portfolio=stored.failing, market=stored.market)
    found |= _named("failing", _results(client, failing)[0])
    found |= _named("failing", {"rejected": stored.rejected})
    return {name: part for name, part in found.items() if part.row_count and part.values}


class _Stored:
    """The inputs, uploaded: ids by what they are."""

    def __init__(self, client: Client, inputs: Mapping[str, bytes], directory: Path) -> None:
        for name, content in inputs.items():
            is_market, is_history = name.startswith("market"), name.startswith("history")
            adapted = canonical.uploaded_market if is_market else canonical.uploaded_history if is_history else bytes
            (directory / name).write_bytes(adapted(content))
        self.market, self.market_later, self.market_terms = (
            client.upload_market(directory / f"market{suffix}.json").market_id for suffix in ("", "-later", "-terms")
        )
        self.portfolio, self.portfolio_later, self.terms = (
            client.upload_portfolio(directory / name).portfolio_id
            for name in ("portfolio.parquet", "portfolio-later.parquet", "terms.json")
        )
        failing = client.upload_portfolio(directory / "failing.json", allow_partial=True)
        self.failing = failing.portfolio_id
        problems = [{**problem.model_dump(), "loc": " ".join(map(str, problem.loc))} for problem in failing.problems]
        self.rejected = figures_of_rows(problems, keys=("loc", "code"))
        client.upload_history(directory / "history.csv", name="identity", numeraire="USD")
        self.historical, self.stress, self.no_value = (
            client.create_scenario_set(name, market=market, definition=definition).scenario_set_id
            for name, market, definition in (
                ("identity historical", self.market, HISTORICAL),
                ("identity stress", self.market, STRESS),
                ("identity no value", self.market_terms, NO_VALUE),
            )
        )


def _named(name: str, kinds: Mapping[str, Figures]) -> dict[str, Figures]:
    return {f"{name}/{kind}": part for kind, part in kinds.items()}


def _run(client: Client, say: Say, **request: Any) -> RunHandle:
    handle = client.submit(**request)
    run = handle.wait()
    if run.state not in (RunState.SUCCEEDED, RunState.PARTIAL):
        raise RuntimeError(f"run {run.run_id} is {run.state.value}; its figures cannot be compared")
    say(f"{run.progress.ok_count:,} positions priced, {run.progress.failed_count:,} failed{' under scenarios' * bool(run.scenario_set_id)}")
    return handle


def _by(groups: Sequence[str]) -> str:
    return ",".join(groups)


def _results(client: Client, handle: RunHandle, *, has_vectors: bool = False) -> tuple[dict[str, Figures], Terms]:
    """All results of one run, and the terms of its sums."""
    table = handle.positions().to_arrow()
    kinds, terms = canonical.positions(table, factors=handle.factors())
    ladders, deltas = (
        {_by(groups): handle.sensitivities(*groups, kind=kinds) for groups in LADDERS} for kinds in (("RATE", "SPREAD"), ("CURRENCY",))
    )
    kinds |= {
        "rollups": canonical.rollups({_by(groups): handle.rollup(*groups) for groups in ROLLUPS}, terms),
        "fx_rollups": canonical.fx_rollups(deltas, terms),
        "ladder_rollups": canonical.ladder_rollups(ladders, terms),
        "totals": canonical.totals(handle.totals(), terms),
        "failures": canonical.position_table(handle.failures().to_arrow()),
        "failure_summary": canonical.rows_by(handle.failure_summary(), "code", "product"),
    }
    return kinds | (_vectors(client, handle, terms) if has_vectors else {}), terms


def _vectors(client: Client, handle: RunHandle, terms: Terms) -> dict[str, Figures]:
    answers = {_by(groups): handle.stress(*groups) for groups in VECTORS}
    kinds = canonical.vectors(answers, terms)
    kinds |= canonical.tail_risk(_tail_risk(handle), terms)
    if handle.run.vectors == "position":
        table = client.position_stress(handle.run_id).to_arrow()
        kinds["position_vectors"] = canonical.position_vectors(table, scenarios=answers[""].scenarios, gross=terms.gross)
        kinds["scenario_failures"] = canonical.rows_by(_scenario_failures(client, handle), "position_id")
    return kinds


def _tail_risk(handle: RunHandle) -> dict[str, Any]:
    by_convention = {
        f"all, {convention.value}": handle.var("book", confidence=CONFIDENCES, convention=convention) for convention in QuantileConvention
    }
    forwards = handle.var("currency", confidence=CONFIDENCES, filters=NodeFilter(products=("FX_FWD",)))
    return by_convention | {"forwards": forwards, "counterparties": handle.var("counterparty", confidence=CONFIDENCES)}


def _scenario_failures(client: Client, handle: RunHandle) -> list[Any]:
    rows: list[Any] = []
    cursor = None
    while True:
        page = client.scenario_failures(handle.run_id, cursor=cursor, limit=1000)
        rows += page.data
        cursor = page.next_cursor
        if cursor is None:
            return rows


def _pnl(client: Client, base: RunHandle, later: RunHandle, terms: Sequence[Terms]) -> dict[str, Figures]:
    answers = {_by(groups): base.pnl(later, *groups) for groups in PNL}
    positions = client.pnl_positions(base.run_id, later.run_id).to_arrow()
    return {
        "groups": canonical.pnl_groups(answers, positions, terms),
        "ladder": canonical.pnl_ladder(answers[_by(PNL[0])].rates_by_pillar, positions, terms),
        "positions": canonical.position_pnl(positions, terms),
    }


def _what_ifs(client: Client, base: RunHandle) -> dict[str, Any]:
    """A changed market, and a changed portfolio with positions removed, scaled and added, one of which has no value."""
    ids = [row.position_id for row in base.first_page(limit=10)]
    added = {
        "product": "FIXED_BOND", "currency": "USD", "notional": 1e6, "coupon_rate": 0.03, "issue_date": "2020-01-15", "book": "NEW",
        "counterparty": "NEW", "maturity_date": "2033-01-15", "discount_curve": "USD-GOVT", "spread_curve": "USD-CORP-BBB",
    }  # fmt: skip
    add = [{**added, "position_id": "N-1"}, {**added, "position_id": "N-2", "discount_curve": "USD-LIBOR"}]
    positions = {"remove": ids[:3], "scale": dict.fromkeys(ids[3:6], -0.5), "add": add}
    questions = WHAT_IFS | {"positions": positions, "both": {**WHAT_IFS["market"], **positions}}
    answers = {name: base.what_if("book", **question, wait_s=50.0) for name, question in questions.items()}
    if late := [name for name, answer in answers.items() if answer.total is None]:
        raise RuntimeError(f"what-if {', '.join(late)} did not end within 50 s, because the machine is too busy; retry later")
    return answers


def _explanations(client: Client, base: RunHandle) -> list[Any]:
    products = [row.group["product"] for row in base.rollup("product")]
    ids = [row.position_id for product in products for row in base.top("pv_base", limit=EXPLAINED_PER_PRODUCT, product=product)]
    return [client.explain(base.run_id, position_id) for position_id in ids]
