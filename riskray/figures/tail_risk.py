"""VaR, ES and stress results of any node of a finished run, computed from its stored vectors."""

from collections.abc import Mapping, Sequence

import numpy as np

from pricers.market.factors import FactorKind
from pricers.market.market import Market
from riskray.errors import Conflict, InvalidRequest
from riskray.figures.estimators import contributions, delta_tail_risk, move_covariance, tail_risk, tail_weights, worst_scenarios
from riskray.figures.nodes import Node, Parts, parts_of, resolve_node
from riskray.figures.vectors import VectorReader
from riskray.models.tail_risk import (
    Contribution,
    NodeRequest,
    StressAnswer,
    StressNode,
    TailFigures,
    TailScenario,
    VarAnswer,
    VarRequest,
)
from riskray.scenario.codec import ScenarioMatrix
from riskray.scenario.sensitivities import factor_sensitivities
from riskray.store.database import Database
from riskray.store.markets import load_market
from riskray.store.results import ResultFilter, risk_factors, rollups, sensitivities
from riskray.store.runs import get_run
from riskray.store.vectors import VectorRun

GroupKey = tuple[tuple[str, str], ...]


def var_answer(database: Database, reader: VectorReader, *, run_id: str, request: VarRequest) -> VarAnswer:
    """Tail risk of a node, the contributions of its parts and the scenarios that drive it.

    Raises:
        NotFound: the run, the hierarchy, or the node in it does not exist.
        Conflict: the run has not ended, has no vectors, or every scenario was dropped.
        InvalidRequest: the run has no positions in the node, or its stored vectors do not distinguish the node's parts.
    """
    run = reader.run(run_id)
    node = resolve_node(database, request)
    if request.method == "parametric":
        return _parametric(database, reader, run_id, run, node, request)
    parts = parts_of(reader.groups(run_id, run, node), node, run_id=run_id)
    kept = _kept_scenarios(reader, run, run_id)
    pnl = parts.pnl if kept.size == run.scenario_count else parts.pnl[:, kept]
    total = pnl.sum(axis=0)
    return _answer(
        run_id, run, request, parts.ok_count.sum(), parts.dropped_count.sum(), parts.pv_base.sum(),
        dropped_scenario_count=run.scenario_count - kept.size,
        figures=[_figures(total, confidence, request) for confidence in request.confidences],
        contributions=[row for confidence in request.confidences for row in _contributions(parts, pnl, confidence, request)]
        if node.dimensions
        else [],
        tail_scenarios=_tail_scenarios(total, reader.matrix(run).labels, kept, request),
        left_out_factors=[],
    )  # fmt: skip


def stress_answer(database: Database, reader: VectorReader, *, run_id: str, request: NodeRequest, scenarios: Sequence[str]) -> StressAnswer:
    """P&L of a node's parts in all or in the named scenarios. Raises as `var_answer`, and InvalidRequest for an unknown scenario."""
    run = reader.run(run_id)
    node = resolve_node(database, request)
    parts = parts_of(reader.groups(run_id, run, node), node, run_id=run_id)
    labels = reader.matrix(run).labels
    dropped = reader.dropped_scenarios(run)
    chosen = chosen_scenarios(scenarios, labels=labels)
    pnl = parts.pnl[:, chosen]
    pnl[:, np.isin(chosen, dropped)] = np.nan
    nodes = [
        StressNode(
            group=key,
            position_count=int(parts.ok_count[number]),
            dropped_position_count=int(parts.dropped_count[number]),
            pv_base=float(parts.pv_base[number]),
            pnl=[None if np.isnan(value) else value for value in pnl[number].tolist()],
        )
        for number, key in enumerate(parts.keys)
    ]
    return StressAnswer(
        run_id=run_id,
        base_currency=run.base_currency,
        scenario_set_id=run.scenario_set_id,
        scenarios=[labels[number] for number in chosen],
        dropped_scenarios=[labels[number] for number in dropped],
        nodes=nodes,
    )


def chosen_scenarios(names: Sequence[str], *, labels: Sequence[str]) -> np.ndarray:
    """Indices of the named scenarios, or of all if no name is given. Raises InvalidRequest for an unknown name."""
    if not names:
        return np.arange(len(labels))
    place = {label: number for number, label in enumerate(labels)}
    problems = [
        {"loc": ["scenario"], "msg": f"{name!r} is not a scenario of the run's set", "code": "unknown_value"}
        for name in names
        if name not in place
    ]
    if problems:
        raise InvalidRequest(f"{problems[0]['msg']}; its scenarios begin with {', '.join(labels[:10])}", problems)
    return np.array([place[name] for name in dict.fromkeys(names)])


def _kept_scenarios(reader: VectorReader, run: VectorRun, run_id: str) -> np.ndarray:
    kept = np.setdiff1d(np.arange(run.scenario_count), reader.dropped_scenarios(run))
    if not kept.size:
        raise Conflict(f"every scenario of run {run_id} was dropped, because some position has no value in it; use drop_position instead")
    return kept


def _figures(total: np.ndarray, confidence: float, request: VarRequest) -> TailFigures:
    risk = tail_risk(total, confidence=confidence, convention=request.convention)
    return TailFigures(confidence=confidence, var=risk.var, expected_shortfall=risk.es)


def _contributions(parts: Parts, pnl: np.ndarray, confidence: float, request: VarRequest) -> list[Contribution]:
    shares = contributions(pnl, confidence=confidence, convention=request.convention, allocation=request.allocation)
    return [
        _contribution(
            key, confidence, float(parts.pv_base[number]), var=shares.var[number], es=shares.es[number],
            component_var=shares.component_var[number], component_es=shares.component_es[number],
            incremental_var=shares.incremental_var[number], incremental_es=shares.incremental_es[number],
        )
        for number, key in enumerate(parts.keys)
    ]  # fmt: skip


def _contribution(key: Mapping[str, str], confidence: float, pv_base: float, **shares: float) -> Contribution:
    return Contribution(
        group=dict(key),
        confidence=confidence,
        pv_base=pv_base,
        var=shares["var"],
        expected_shortfall=shares["es"],
        component_var=shares["component_var"],
        component_expected_shortfall=shares["component_es"],
        marginal_var=shares["component_var"] / pv_base if pv_base else None,
        incremental_var=shares["incremental_var"],
        incremental_expected_shortfall=shares["incremental_es"],
    )


def _tail_scenarios(total: np.ndarray, labels: Sequence[str], kept: np.ndarray, request: VarRequest) -> list[TailScenario]:
    weights = tail_weights(-total, confidence=max(request.confidences), convention=request.convention).es
    worst = worst_scenarios(total, count=request.tail_scenario_count)
    return [TailScenario(scenario=labels[kept[place]], pnl=float(total[place]), weight=float(weights[place])) for place in worst]


def _answer(
    run_id: str, run: VectorRun, request: VarRequest, position_count: int, dropped_count: int, pv_base: float, **fields: object
) -> VarAnswer:
    return VarAnswer.model_validate(
        {
            "run_id": run_id, "base_currency": run.base_currency, "scenario_set_id": run.scenario_set_id, "method": request.method,
            "convention": request.convention, "scenario_count": run.scenario_count, "position_count": int(position_count),
            "dropped_position_count": int(dropped_count), "pv_base": float(pv_base), **fields,
        }
    )  # fmt: skip


# ---------------------------------------------------------------------------------------------------------------- parametric


def _parametric(database: Database, reader: VectorReader, run_id: str, run: VectorRun, node: Node, request: VarRequest) -> VarAnswer:
    """Normal figures from the run's sums, which distinguish books and products."""
    if node.filters.currencies or node.filters.counterparties or {"currency", "counterparty"} & set(node.dimensions):
        message = "the parametric method distinguishes books and products, not currencies or counterparties; use full_revaluation"
        raise InvalidRequest(message, [{"loc": ["method"], "msg": message, "code": "not_allowed"}])
    if node.hierarchy is not None:
        dimension = node.hierarchy.dimension
        values = [row.group[dimension] for row in rollups(database, run_id=run_id, group_by=[dimension])]
        node.hierarchy.require_places(values)
    matrix = reader.matrix(run)
    stored = get_run(database, run_id=run_id)
    market = load_market(database, market_id=stored.market_id, base_currency=stored.base_currency)
    sums = _sensitivities(database, run_id, node, matrix, market)
    keys = sorted(sums.values)
    if not keys:
        message = f"run {run_id} has no position in this node; use fewer filters"
        raise InvalidRequest(message, [{"loc": ["filters"], "msg": message, "code": "unknown_value"}])
    covariance = move_covariance(matrix.values)
    vectors = np.array([sums.values[key] for key in keys])
    figures, rows = [], []
    for confidence in request.confidences:
        total = delta_tail_risk(vectors.sum(axis=0), covariance=covariance, confidence=confidence)
        figures.append(TailFigures(confidence=confidence, var=total.total.var, expected_shortfall=total.total.es))
        if node.dimensions:
            rows += [
                _parametric_share(dict(key), confidence, sums.pv_base[key], vectors, number, covariance) for number, key in enumerate(keys)
            ]
    return _answer(
        run_id, run, request, sums.ok_count, sums.failed_count, sum(sums.pv_base.values()), dropped_scenario_count=0,
        figures=figures, contributions=rows, tail_scenarios=[], left_out_factors=list(sums.left_out),
    )  # fmt: skip


def _parametric_share(
    key: dict[str, str], confidence: float, pv_base: float, vectors: np.ndarray, number: int, covariance: np.ndarray
) -> Contribution:
    def risk(sensitivities: np.ndarray) -> tuple[float, float, float]:
        found = delta_tail_risk(sensitivities, covariance=covariance, confidence=confidence)
        return found.total.var, found.total.es, found.standard_deviation

    whole, part = vectors.sum(axis=0), vectors[number]
    var, es, deviation = risk(whole)
    alone_var, alone_es, _ = risk(part)
    rest_var, rest_es, _ = risk(whole - part)
    share = float(part @ covariance @ whole) / deviation**2 if deviation else 0.0
    return _contribution(
        key, confidence, pv_base, var=alone_var, es=alone_es, component_var=var * share, component_es=es * share,
        incremental_var=var - rest_var, incremental_es=es - rest_es,
    )  # fmt: skip


class _Sums:
    """Sensitivities and values by part."""

    def __init__(self) -> None:
        self.values: dict[GroupKey, np.ndarray] = {}
        self.pv_base: dict[GroupKey, float] = {}
        self.left_out: tuple[str, ...] = ()
        self.ok_count = self.failed_count = 0


def _sensitivities(database: Database, run_id: str, node: Node, matrix: ScenarioMatrix, market: Market) -> _Sums:
    filters = ResultFilter(**node.filters.model_dump())
    by = node.dimensions

    def part(group: Mapping[str, str]) -> GroupKey:
        return tuple(node.part_key({dimension: group[dimension] for dimension in by}).items())

    ladders: dict[GroupKey, dict[tuple[str, str], float]] = {}
    fx_deltas: dict[GroupKey, dict[str, float]] = {}
    cs01: dict[GroupKey, float] = {}
    sums = _Sums()
    for whole in rollups(database, run_id=run_id, group_by=by, filters=filters):
        key = part(whole.group)
        cs01[key] = cs01.get(key, 0.0) + whole.cs01
        sums.pv_base[key] = sums.pv_base.get(key, 0.0) + whole.pv_base
        sums.ok_count += whole.ok_count
        sums.failed_count += whole.failed_count
    for row in sensitivities(database, run_id=run_id, group_by=by, filters=filters):
        key = part(row.group)
        if row.kind is FactorKind.CURRENCY:
            deltas = fx_deltas.setdefault(key, {})
            deltas[row.factor] = deltas.get(row.factor, 0.0) + row.sensitivity
        else:
            pillars = ladders.setdefault(key, {})
            pillars[row.factor, row.bucket] = pillars.get((row.factor, row.bucket), 0.0) + row.sensitivity
    kinds = {FactorKind.RATE, *(factor.kind for factor in risk_factors(database, run_id=run_id))}
    for key, credit in cs01.items():
        found = factor_sensitivities(
            matrix, market=market, ladders=ladders.get(key, {}), ladder_kinds=kinds, fx_deltas=fx_deltas.get(key, {}), cs01=credit
        )
        sums.values[key], sums.left_out = found.values, found.left_out
    return sums
