"""`riskray what-if`: compare a stored run with itself under a changed market or with changed positions."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from pricers.measures import ADDITIVE_MEASURES
from riskray.cli.output import ExitCode, Json, chatter, print_json, print_table, read_json, say
from riskray.cli.risk_commands import By, RunId, groups_of
from riskray.cli.snapshot_commands import RatesUnchecked
from riskray.errors import InvalidRequest
from riskray.models.market_data import CURVE_PARTS
from riskray.models.what_if import WhatIfAnswer, WhatIfGroup


def what_if(
    run_id: RunId,
    by: By = "book",
    parallel: Annotated[list[str], typer.Option(help="Move discount curves: a name with * and ? = basis points, as USD-*=25.")] = [],  # noqa: B006
    spread: Annotated[list[str], typer.Option(help="Move spread curves: a name with * and ? = basis points, as EUR-CORP-*=50.")] = [],  # noqa: B006
    fx_shock: Annotated[list[str], typer.Option(help="Move a currency against the US dollar by a fraction, as EUR=-0.1.")] = [],  # noqa: B006
    fx_rate: Annotated[list[str], typer.Option(help="New rate of a quoted pair, as EURUSD=1.15.")] = [],  # noqa: B006
    market: Annotated[
        Path | None,
        typer.Option(help="JSON: curves (spread_, credit_, inflation_curves), fx_rates, shocks, numeraire, rates_checked; - reads stdin."),
    ] = None,
    remove: Annotated[list[str], typer.Option(help="Leave out this position; may be repeated.")] = [],  # noqa: B006
    scale: Annotated[list[str], typer.Option(help="Change the size of a position by a factor, as P-000000017=0.5.")] = [],  # noqa: B006
    add: Annotated[Path | None, typer.Option(help="JSON: a position or a list of positions to add; - reads stdin.")] = None,
    rates_unchecked: RatesUnchecked = False,
    as_json: Json = False,
) -> None:
    """Show how a run changes with another market or other positions; exit code 3 if an added position cannot be priced."""
    from riskray.client import Client

    change: Any = {} if market is None else read_json(market, "a market change")
    if not isinstance(change, dict):
        raise InvalidRequest(f"{market} is not a JSON object; use the fields {', '.join(CURVE_PARTS)}, fx_rates, shocks or numeraire")
    change["shocks"] = [
        *change.get("shocks", []),
        *({"type": "parallel", "curves": [name], "shift": {"bp": bp}} for name, bp in _pairs("--parallel", parallel)),
        *({"type": "parallel", "target": "spread", "curves": [name], "shift": {"bp": bp}} for name, bp in _pairs("--spread", spread)),
        *({"type": "fx", "currencies": [name], "relative": size} for name, size in _pairs("--fx-shock", fx_shock)),
    ]
    change["fx_rates"] = {**change.get("fx_rates", {}), **dict(_pairs("--fx-rate", fx_rate))}
    market_change = {name: value for name, value in change.items() if value or name == "rates_checked"}
    if rates_unchecked and market_change:
        market_change["rates_checked"] = False
    positions = [] if add is None else read_json(add, "positions")
    question: dict[str, Any] = {
        "market": market_change or None,
        "remove": remove,
        "scale": dict(_pairs("--scale", scale)),
        "add": positions if isinstance(positions, list) else [positions],
    }
    with Client() as client:
        answer = _ended(lambda: client.what_if(run_id, groups_of(by), **question))
    if as_json:
        print_json(answer)
    else:
        _print(answer)
    if answer.failures:
        raise typer.Exit(ExitCode.PARTIAL)


def _ended(ask: Callable[[], WhatIfAnswer]) -> WhatIfAnswer:
    answer = ask()
    while answer.total is None:
        chatter.print(f"run {answer.what_if_run_id} under the changed market is {answer.state.value}; still waiting")
        answer = ask()
    return answer


def _pairs(option: str, given: Sequence[str]) -> list[tuple[str, float]]:
    found = []
    for text in given:
        name, _, number = text.rpartition("=")
        try:
            found.append((name, float(number)))
        except ValueError as error:
            raise InvalidRequest(f"{option} {text!r} is not a name, = and a number") from error
        if not name:
            raise InvalidRequest(f"{option} {text!r} has no name before the =")
    return found


def _print(answer: WhatIfAnswer) -> None:
    assert answer.total is not None
    shown = [name for name in ADDITIVE_MEASURES if getattr(answer.total, name) is not None]
    names = list(answer.groups[0].group) if answer.groups else []

    def row(keys: Sequence[str], group: WhatIfGroup) -> list[Any]:
        figures = [getattr(group, name) for name in shown]
        return [*keys, group.ok_count_what_if, figures[0].base, *(figure.difference for figure in figures)]

    rows = [row(list(group.group.values()), group) for group in answer.groups]
    rows.append(row(["all", *[""] * (len(names) - 1)] if names else [], answer.total))
    columns = [*names, "priced", f"PV base {answer.base_currency}", *(f"Δ {name}" for name in shown)]
    same = "the run's own market" if answer.what_if_run_id == answer.run_id else f"market {answer.market_id}, run {answer.what_if_run_id}"
    print_table(columns, rows, title=f"{answer.run_id} before, and the difference that the changes make; {same}")
    for failure in answer.failures:
        say(f"{failure.position_id}: {failure.code}: {failure.message}; {failure.remedy}")
