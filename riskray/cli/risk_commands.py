"""`riskray var`, `stress`, `sensitivities`, `top`, `diff` and `pnl`: queries of finished runs."""

from pathlib import Path
from typing import Annotated, Any

import typer

from pricers.market.factors import FactorKind
from pricers.measures import MEASURES, Measure
from riskray.cli.output import Json, format_of, print_json, print_line, print_table
from riskray.cli.run_commands import EXPORT_FORMATS, shown, sums_title
from riskray.models.position_result import Order
from riskray.models.problems import arguments_checked
from riskray.models.tail_risk import Allocation, NodeFilter, QuantileConvention, VarAnswer, VarMethod

RunId = Annotated[str, typer.Argument(help="Id of a run.")]
By = Annotated[str, typer.Option("--by", help="Group by: comma-separated, any of book, product, currency, counterparty.")]
Books = Annotated[list[str], typer.Option("--book", help="Only this book; may be repeated.")]
Products = Annotated[list[str], typer.Option("--product", help="Only this product; may be repeated.")]
Currencies = Annotated[list[str], typer.Option("--currency", help="Only positions in this currency; may be repeated.")]
Counterparties = Annotated[list[str], typer.Option("--counterparty", help="Only this counterparty; may be repeated.")]
HierarchyKey = Annotated[str | None, typer.Option("--hierarchy", help="Hierarchy id or name; requires --node.")]
NodeName = Annotated[str | None, typer.Option("--node", help="Node of the hierarchy.")]
Children = Annotated[bool, typer.Option("--children", help="Group by the node's children in the hierarchy.")]


def groups_of(by: str) -> list[Any]:
    """The names of a comma-separated option."""
    return [name.strip() for name in by.split(",") if name.strip()]


def var(
    run_id: RunId,
    by: By = "",
    confidence: Annotated[
        list[float] | None, typer.Option("--confidence", help="Confidence level, between 0 and 1; may be repeated. Default: 0.99.")
    ] = None,
    method: Annotated[
        VarMethod, typer.Option(help="Full revaluation from the scenario vectors, or a normal distribution from sensitivities.")
    ] = "full_revaluation",
    convention: Annotated[QuantileConvention, typer.Option(help="How VaR is read from the sorted losses.")] = QuantileConvention.HIGHER,
    allocation: Annotated[Allocation, typer.Option(help="How VaR is allocated to the groups.")] = Allocation.TAIL_AVERAGE,
    book: Books = [],  # noqa: B006  typer copies the default
    product: Products = [],  # noqa: B006
    currency: Currencies = [],  # noqa: B006
    counterparty: Counterparties = [],  # noqa: B006
    hierarchy: HierarchyKey = None,
    node: NodeName = None,
    children: Children = False,
    tail: Annotated[int, typer.Option(min=0, max=1000, help="Number of worst scenarios to show.")] = 5,
    as_json: Json = False,
) -> None:
    """Show VaR and expected shortfall of a run or one of its nodes, by full revaluation of every scenario. Positive is a loss."""
    from riskray.client import Client

    with arguments_checked():
        filters = NodeFilter(books=tuple(book), products=tuple(product), currencies=tuple(currency), counterparties=tuple(counterparty))
    with Client() as client:
        answer = client.var(
            run_id, groups_of(by), confidence=confidence or [0.99], method=method, convention=convention, allocation=allocation,
            filters=filters, hierarchy=hierarchy, node=node, by_children=children, tail_scenario_count=tail,
        )  # fmt: skip
    if as_json:
        print_json(answer)
    else:
        _print_var(answer)


def _print_var(answer: VarAnswer) -> None:
    title = (
        f"{answer.run_id}: {answer.position_count:,} positions, {answer.dropped_position_count:,} left out; "
        f"{answer.scenario_count:,} scenarios of {answer.scenario_set_id}, {answer.dropped_scenario_count:,} left out; "
        f"{answer.method}, {answer.convention.value}"
    )
    figures = [(figure.confidence, figure.var, figure.expected_shortfall) for figure in answer.figures]
    print_table(["confidence", f"VaR {answer.base_currency}", "ES"], [(f"{level:g}", *rest) for level, *rest in figures], title=title)
    if answer.contributions:
        names = list(answer.contributions[0].group)
        rows = [
            (f"{part.confidence:g}", *part.group.values(), part.pv_base, part.var, part.component_var, part.incremental_var,
             part.expected_shortfall, part.component_expected_shortfall)
            for part in answer.contributions
        ]  # fmt: skip
        columns = ["confidence", *names, "PV base", "VaR alone", "component VaR", "incremental VaR", "ES alone", "component ES"]
        print_table(columns, rows, title="\nContributions: components add up to the figures above")
    if answer.tail_scenarios:
        rows_of_tail = [(row.scenario, row.pnl, f"{row.weight:.4f}") for row in answer.tail_scenarios]
        print_table(["scenario", f"P&L {answer.base_currency}", "weight in ES"], rows_of_tail, title="\nWorst scenarios")


def stress(
    run_id: RunId,
    by: By = "",
    scenario: Annotated[list[str], typer.Option("--scenario", help="Only this scenario; may be repeated.")] = [],  # noqa: B006
    book: Books = [],  # noqa: B006
    product: Products = [],  # noqa: B006
    currency: Currencies = [],  # noqa: B006
    counterparty: Counterparties = [],  # noqa: B006
    hierarchy: HierarchyKey = None,
    node: NodeName = None,
    children: Children = False,
    as_json: Json = False,
) -> None:
    """Show the P&L of a run or one of its nodes in every scenario."""
    from riskray.client import Client

    with Client() as client:
        answer = client.stress(
            run_id, groups_of(by), scenarios=scenario, book=book, product=product, currency=currency, counterparty=counterparty,
            hierarchy=hierarchy, node=node, by_children=children or None,
        )  # fmt: skip
    if as_json:
        print_json(answer)
        return
    names = list(answer.nodes[0].group)
    rows = [(*part.group.values(), name, pnl) for part in answer.nodes for name, pnl in zip(answer.scenarios, part.pnl, strict=True)]
    print_table([*names, "scenario", f"P&L {answer.base_currency}"], rows)
    if answer.dropped_scenarios:
        print_line(f"left out: {', '.join(answer.dropped_scenarios)}")


def sensitivities(
    run_id: RunId,
    by: Annotated[str, typer.Option("--by", help="Group by: comma-separated, any of book and product.")] = "",
    kind: Annotated[
        list[FactorKind], typer.Option(help="Only factors of this kind; may be given several times.", case_sensitive=False)
    ] = [],  # noqa: B006
    factor: Annotated[list[str], typer.Option(help="Only this curve or currency; may be given several times.")] = [],  # noqa: B006
    by_factor: Annotated[bool, typer.Option("--by-factor", help="One sum a factor over its buckets: DV01 by curve.")] = False,
    book: Books = [],  # noqa: B006
    product: Products = [],  # noqa: B006
    hierarchy: HierarchyKey = None,
    node: NodeName = None,
    as_json: Json = False,
) -> None:
    """Show sensitivities by factor and bucket: key rates of discount curves (RATE), FX delta by currency (CURRENCY) and the others."""
    from riskray.client import Client

    with Client() as client:
        rows = client.sensitivities(
            run_id, groups_of(by), kind=kind, factor=factor, by_factor=by_factor, book=book, product=product, hierarchy=hierarchy, node=node
        )
        if as_json:
            print_json(rows)
            return
        totals, bumps = client.totals(run_id), {item.kind: item.bump for item in client.factors(run_id)}
    cells = [(*row.group.values(), row.kind, row.factor, row.bucket, row.sensitivity) for row in rows]
    print_table([*(rows[0].group if rows else ()), "kind", "factor", "bucket", "sensitivity"], cells, title=sums_title(totals))
    for name in dict.fromkeys(row.kind for row in rows):
        print_line(f"{name}: change in base currency after a bump of {bumps[name]:g}")


def top(
    run_id: RunId,
    by: Annotated[str, typer.Option("--by", help="A measure.")] = Measure.PV_BASE.value,
    limit: Annotated[int, typer.Option("-n", "--limit", min=1, max=1000, help="Number of positions to show.")] = 20,
    order: Annotated[Order, typer.Option(help="Show the largest absolute, the largest or the smallest values.")] = "absolute",
    book: Books = [],  # noqa: B006
    product: Products = [],  # noqa: B006
    currency: Currencies = [],  # noqa: B006
    counterparty: Counterparties = [],  # noqa: B006
    as_json: Json = False,
) -> None:
    """Show the positions that contribute most to a measure."""
    from riskray.client import Client

    with Client() as client:
        rows = client.top(run_id, by, order=order, limit=limit, book=book, product=product, currency=currency, counterparty=counterparty)
        base_currency = client.get_run(run_id).base_currency
    if as_json:
        print_json(rows)
        return
    unit = MEASURES[Measure(by)].unit.replace("base currency", base_currency)
    cells = [
        (row.position_id, row.product, row.book, row.counterparty, row.currency, row.notional, shown(by, getattr(row, by))) for row in rows
    ]
    print_table(["position", "product", "book", "counterparty", "ccy", "notional", by], cells, title=f"{by} in {unit}")


def diff(
    before: Annotated[str, typer.Argument(help="Id of the earlier run.")],
    after: Annotated[str, typer.Argument(help="Id of the later run.")],
    measure: Annotated[str, typer.Option(help="The measure to compare.")] = Measure.PV_BASE.value,
    absolute_tolerance: Annotated[
        float, typer.Option(min=0.0, help="Ignore differences up to this amount plus the relative tolerance.")
    ] = 0.0,
    relative_tolerance: Annotated[
        float, typer.Option(min=0.0, help="Tolerance as a fraction of the larger absolute value, in addition to the absolute one.")
    ] = 0.0,
    positions: Annotated[bool, typer.Option("--positions", help="List the positions that differ.")] = False,
    as_json: Json = False,
) -> None:
    """Show what differs between two runs: positions changed, opened, closed, now failing, now priced."""
    from riskray.client import Client

    tolerances = {"absolute_tolerance": absolute_tolerance, "relative_tolerance": relative_tolerance}
    with Client() as client:
        answer = client.diff(before, after, measure=measure, **tolerances)
        rows = client.diff_positions(before, after, measure=measure, **tolerances).to_arrow().to_pylist() if positions else []
    if as_json:
        print_json({**answer.model_dump(mode="json"), "positions": rows} if positions else answer)
        return
    cells = [(kind.kind, kind.position_count, kind.before, kind.after, kind.difference) for kind in answer.kinds]
    total = (
        "all",
        answer.unchanged_count + sum(kind.position_count for kind in answer.kinds),
        answer.before,
        answer.after,
        answer.difference,
    )
    title = f"{measure}: {answer.unchanged_count:,} positions unchanged"
    print_table(["kind", "positions", "before", "after", "difference"], [*cells, total], title=title)
    if rows:
        names = ("position_id", "kind", "product", "book", "currency", "before", "after", "difference")
        numbers = ("before", "after", "difference")
        shown_rows = [[shown(measure, row[name]) if name in numbers else row[name] for name in names] for row in rows]
        print_table(["position", *names[1:]], shown_rows)


def pnl(
    before: Annotated[str, typer.Argument(help="Id of the earlier run.")],
    after: Annotated[str, typer.Argument(help="Id of the later run.")],
    by: By = "book",
    file: Annotated[Path | None, typer.Option(help="Write every position to this file, ending in .parquet, .csv or .arrow.")] = None,
    as_json: Json = False,
) -> None:
    """Explain the change in value between two runs: carry, rates, credit, FX, opened and closed positions, residual."""
    from riskray.client import Client

    kind: Any = None if file is None else format_of(file, EXPORT_FORMATS)
    with Client() as client:
        answer = client.pnl(before, after, groups_of(by))
        if file is not None:
            client.export_pnl(before, after, file, format=kind)
    if as_json:
        print_json(answer)
        return
    parts = ("pnl", "carry", "rates", "credit", "fx", "opened", "closed", "residual", "fixing", "cash_received")
    names = list(answer.groups[0].group) if answer.groups else []
    rows = [(*group.group.values(), *(getattr(group, part) for part in parts)) for group in answer.groups]
    total = (*(["all", *[""] * (len(names) - 1)] if names else []), *(getattr(answer.total, part) for part in parts))
    title = (
        f"{answer.as_of_t0} to {answer.as_of_t1}, {answer.base_currency}: {answer.total.position_count:,} positions explained, "
        f"{answer.total.failed_count:,} failed"
    )
    print_table(
        [*names, "P&L", "carry", "rates", "credit", "FX", "opened", "closed", "residual", "of carry: fixing", "cash"],
        [*rows, total],
        title=title,
    )
    buckets = [(bucket.curve, bucket.pillar, bucket.rates) for bucket in answer.rates_by_pillar]
    print_table(["curve", "pillar", "P&L from rates"], buckets, title="\nRates by curve and pillar")
