"""`riskray run`, `results`, `rollup`, `explain` and `price`: value a portfolio and read the results."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from riskray.cli.output import (
    ExitCode,
    Json,
    chatter,
    event_line,
    format_of,
    print_json,
    print_line,
    print_table,
    read_json,
    report_deleted,
    say,
)
from riskray.config import Settings
from riskray.models.run import Executor, FailurePolicy, PreflightMode, Vectors

if TYPE_CHECKING:
    from riskray.client import RunHandle
    from riskray.models.event import RunEvent
    from riskray.models.pricing import PriceAnswer
    from riskray.models.result import ExplainedTerm, RunTotals
    from riskray.models.run import Run

run_commands = typer.Typer(no_args_is_help=True, help="Runs: submit, execute, status, watch, cancel, list, failures, export, delete.")

RunId = Annotated[str, typer.Argument(help="Id of a run.")]


EXPORT_FORMATS = ("parquet", "csv", "arrow")


def exit_code_of_run(run: "Run") -> ExitCode:
    """0 for a run that succeeded or has not ended, 3 for PARTIAL, 1 for FAILED and CANCELLED."""
    return {"PARTIAL": ExitCode.PARTIAL, "FAILED": ExitCode.FAILED, "CANCELLED": ExitCode.FAILED}.get(run.state.value, ExitCode.OK)


@contextmanager
def run_progress(position_count: int) -> Iterator[Callable[["RunEvent"], None]]:
    """Show progress on stderr: as a bar on a terminal, otherwise as one line per event."""
    if not sys.stderr.isatty():
        yield lambda event: say(event_line(event))
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=chatter, transient=False) as bar:
        task = bar.add_task("positions", total=position_count)

        def show(event: "RunEvent") -> None:
            done = int(event.data.get("ok_count", 0)) + int(event.data.get("failed_count", 0))
            if event.kind.value == "shard_done":
                bar.advance(task, done)

        yield show


def watch_handle(handle: "RunHandle", *, timeout_s: float = 86_400.0) -> "Run":
    """Wait for the end of a run with progress on stderr; an interrupt does not stop the run, and prints how to resume watching."""
    try:
        with run_progress(handle.run.progress.position_count) as show:
            return handle.wait(timeout_s=timeout_s, progress=show, undriven=lambda run: say(f"warning: {undriven_line(run)}"))
    except KeyboardInterrupt:
        say(f"the run continues; to watch it, use: riskray run watch {handle.run_id}")
        raise


def undriven_line(run: "Run") -> str:
    """A line that says that a run has lost its driver, since when, and what to do."""
    since = f" since {run.lease_until:%Y-%m-%d %H:%M:%S} UTC" if run.lease_until else ""
    if run.executor == "job":
        remedy = f"restart its job (`riskray run execute {run.run_id}`, for instance with `ray job submit`)"
    else:
        remedy = (
            "see `riskray status`; `riskray up` starts a coordinator, and submitting with the run's idempotency key wakes an existing one"
        )
    return (
        f"no process drives run {run.run_id}{since}; its finished shards are kept. To continue it, {remedy}; "
        f"to end it, use `riskray run cancel {run.run_id}`"
    )


def print_run(run: "Run", *, as_json: bool) -> None:
    """Print the run on one line, or as JSON."""
    if as_json:
        print_json(run)
        return
    progress = run.progress
    print_line(
        f"{run.run_id}  {run.state.value}  {progress.ok_count:,} ok, {progress.failed_count:,} failed"
        f", {progress.cancelled_count:,} cancelled of {progress.position_count:,}"
        + (f", {progress.reused_count:,} reused from {run.reused_from}" if run.reused_from else "")
        + (f", {run.vectors} vectors of {run.scenario_set_id}" if run.vectors != "none" else "")
        + (f"  {run.error_code}: {run.error_detail}" if run.error_code else "")
    )
    if run.lacks_driver:
        say(f"warning: {undriven_line(run)}")


@run_commands.command("submit")
def submit(
    portfolio: Annotated[str, typer.Option(help="Portfolio id or name.")],
    market: Annotated[str, typer.Option(help="Market id or name.")],
    base_currency: Annotated[str, typer.Option(help="Currency of base-currency measures.")] = "USD",
    measures: Annotated[str, typer.Option(help="Comma-separated; default: all.")] = "",
    name: Annotated[str, typer.Option(help="A label for the run.")] = "",
    preflight: Annotated[PreflightMode, typer.Option(help="strict: refuse the run if the market lacks any data that it needs.")] = "flag",
    executor: Annotated[Executor, typer.Option(help="job: wait for `riskray run execute`.")] = "pool",
    rows_per_shard: Annotated[int | None, typer.Option(min=1, help="Positions per shard; does not change results.")] = None,
    scenarios: Annotated[
        str | None, typer.Option(help="Scenario set id or name; the portfolio is also valued under each scenario.")
    ] = None,
    vectors: Annotated[Vectors | None, typer.Option(help="P&L vectors to store; default: group if --scenarios is given.")] = None,
    failure_policy: Annotated[
        FailurePolicy, typer.Option(help="If a position has no value in some scenario: leave out the position, or the scenario.")
    ] = "drop_position",
    reuse_from: Annotated[
        str | None,
        typer.Option(help="Id of an ended run: value only what failed there or depends on what has changed, reuse the rest."),
    ] = None,
    idempotency_key: Annotated[str | None, typer.Option(help="Submitting twice with one key creates only one run.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Watch the run to its end.")] = False,
    as_json: Json = False,
) -> None:
    """Submit a run; with --wait, exit code 3 means that it ended PARTIAL."""
    from riskray.client import Client
    from riskray.models.run import ALL_MEASURES

    with Client() as client:
        handle = client.submit(
            portfolio=portfolio,
            market=market,
            base_currency=base_currency,
            measures=_measures(measures) if measures else list(ALL_MEASURES),
            name=name,
            preflight=preflight,
            executor=executor,
            rows_per_shard=rows_per_shard,
            scenario_set=scenarios,
            vectors=vectors,
            failure_policy=failure_policy,
            reuse_from=reuse_from,
            idempotency_key=idempotency_key,
        )
        run = watch_handle(handle) if wait else handle.run
    print_run(run, as_json=as_json)
    if executor == "job" and not run.state.is_final:
        say('the run waits for a job to execute it, for instance: eval "$(riskray env)" &&')
        say(f"  ray job submit --submission-id {run.run_id} -- riskray run execute {run.run_id} --partial-ok")
    raise typer.Exit(exit_code_of_run(run))


def _ladders(answer: "PriceAnswer") -> list[tuple[Any, ...]]:
    """Position, kind, factor, bucket and number of every sensitivity that is not zero."""
    factors = {factor.factor_no: factor for factor in answer.factors}
    rows = []
    for item in answer.results:
        named = [factors[number] for number in item.factor_nos or ()]
        buckets = [(factor.kind, factor.name, label) for factor in named for label in factor.bucket_labels]
        rows += [(item.position_id, *bucket, value) for bucket, value in zip(buckets, item.sensitivities or (), strict=True) if value]
    return rows


def shown(measure: str, value: Any) -> Any:
    """Format a rate to a hundredth of a basis point, because two decimals would hide it; return other measures unchanged."""
    from pricers.measures import MEASURES, Measure

    is_rate = measure in set(Measure) and MEASURES[Measure(measure)].unit.startswith("decimal a year")
    return f"{value:.6f}" if is_rate and value is not None else value


def _measures(names: str) -> list[Any]:
    from pricers.measures import Measure

    try:
        return [Measure(name.strip().lower()) for name in names.split(",")]
    except ValueError as error:
        raise typer.BadParameter(f"{error}; known: {', '.join(Measure)}", param_hint="--measures") from error


@run_commands.command("execute")
def execute(
    run_id: RunId,
    partial_ok: Annotated[
        bool, typer.Option("--partial-ok", help="Exit with 0 for PARTIAL too; Ray reports any other code as a failure.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Drive one run to its end from this process, on the pool of the cluster: the entry point of `ray job submit`.

    eval "$(riskray env)" && ray job submit --submission-id RUN_ID -- riskray run execute RUN_ID --partial-ok
    """
    from riskray.stack import execute_run

    run = execute_run(Settings(), run_id)
    print_run(run, as_json=as_json)
    code = exit_code_of_run(run)
    raise typer.Exit(ExitCode.OK if partial_ok and code is ExitCode.PARTIAL else code)


@run_commands.command("status")
def status(run_id: RunId, as_json: Json = False) -> None:
    """Describe a run; exit code 3 if it is PARTIAL, 1 if it failed or was cancelled."""
    from riskray.client import Client

    with Client() as client:
        run = client.get_run(run_id)
    print_run(run, as_json=as_json)
    raise typer.Exit(exit_code_of_run(run))


@run_commands.command("watch")
def watch(
    run_id: RunId,
    cancel_on_interrupt: Annotated[bool, typer.Option("--cancel-on-interrupt", help="Ctrl-C cancels the run.")] = False,
    as_json: Json = False,
) -> None:
    """Follow a run to its end; Ctrl-C does not stop the run."""
    from riskray.client import Client

    with Client() as client:
        handle = client.attach(run_id)
        try:
            run = watch_handle(handle)
        except KeyboardInterrupt:
            if cancel_on_interrupt:
                handle.cancel()
            raise
    print_run(run, as_json=as_json)
    raise typer.Exit(exit_code_of_run(run))


@run_commands.command("cancel")
def cancel(run_id: RunId, as_json: Json = False) -> None:
    """Request the cancellation of a run; committed results are kept."""
    from riskray.client import Client

    with Client() as client:
        print_run(client.cancel_run(run_id), as_json=as_json)


@run_commands.command("delete")
def delete(run_id: RunId, as_json: Json = False) -> None:
    """Delete an ended run and all its results."""
    from riskray.client import Client

    with Client() as client:
        client.delete_run(run_id)
    report_deleted(run_id, as_json=as_json)


@run_commands.command("list")
def list_runs(
    state: Annotated[str | None, typer.Option(help="Only runs in this state.")] = None,
    name: Annotated[str | None, typer.Option(help="Only runs of this name.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Most lines.")] = 50,
    offset: Annotated[int, typer.Option(min=0, help="Lines to skip.")] = 0,
    as_json: Json = False,
) -> None:
    """List runs, newest first."""
    from riskray.client import Client

    with Client() as client:
        page = client.list_runs(state=state.upper() if state else None, name=name, offset=offset, limit=limit)
    if as_json:
        print_json(page)
        return
    rows = [
        (
            run.run_id,
            f"{run.state.value} (no driver)" if run.lacks_driver else run.state.value,
            run.name,
            run.progress.position_count,
            run.progress.failed_count,
            run.as_of,
            run.created_at,
        )
        for run in page.data
    ]
    print_table(["run", "state", "name", "positions", "failed", "as of", "submitted"], rows)


@run_commands.command("failures")
def failures(run_id: RunId, as_json: Json = False) -> None:
    """Failed positions of a run by reason, with an example and the remedy."""
    from riskray.client import Client

    with Client() as client:
        summary = client.failure_summary(run_id)
    if as_json:
        print_json(summary)
    else:
        print_failures(summary)


def print_failures(summary: list[Any]) -> None:
    """Print failures by reason as a table."""
    rows = [(item.code, item.product, item.position_count, item.example_position_id, item.message, item.remedy) for item in summary]
    print_table(["reason", "product", "positions", "example", "what", "remedy"], rows, title="Failures")


@run_commands.command("export")
def export(
    run_id: RunId,
    file: Annotated[Path, typer.Argument(help="Output file, ending in .parquet, .csv or .arrow.")],
    failed: Annotated[bool, typer.Option("--failed", help="Export the failed positions instead of the priced ones.")] = False,
    book: Annotated[list[str] | None, typer.Option(help="Only this book; may be repeated.")] = None,
    product: Annotated[list[str] | None, typer.Option(help="Only this product; may be repeated.")] = None,
    as_json: Json = False,
) -> None:
    """Write one row per position to a file."""
    from riskray.client import Client

    kind = format_of(file, EXPORT_FORMATS)
    with Client() as client:
        rows = client.export(run_id, file, format=kind, failed=failed, book=book or [], product=product or [])
    if as_json:
        print_json({"file": str(file), "rows": rows})
    else:
        say(f"wrote {file} ({file.stat().st_size:,} bytes)")


def results(run_id: RunId, as_json: Json = False) -> None:
    """Show the totals of a run."""
    from riskray.client import Client

    with Client() as client:
        totals = client.totals(run_id)
    if as_json:
        print_json(totals)
    else:
        print_table(["", ""], list(totals.model_dump(mode="json").items()))


def rollup(
    run_id: RunId,
    by: Annotated[str, typer.Option(help="Comma-separated: any of book, product, currency, counterparty.")] = "book",
    as_json: Json = False,
) -> None:
    """Show sums of a run by any of book, product, currency and counterparty."""
    from riskray.client import Client

    groups = [name.strip() for name in by.split(",") if name.strip()]
    with Client() as client:
        rows = client.rollup(run_id, groups)
        totals = client.totals(run_id)
    if as_json:
        print_json(rows)
    else:
        print_rollup(groups, rows, title=sums_title(totals))


def sums_title(totals: "RunTotals") -> str:
    """The currency of a run's sums, and how many positions no sum includes."""
    failed = f"{totals.failed_count:,} of {totals.position_count:,} positions failed and are not in any sum"
    return f"{totals.run_id}: {totals.base_currency}; {failed}"


def print_rollup(groups: list[str], rows: list[Any], *, title: str = "") -> None:
    """Print sums as a table."""
    from pricers.measures import ADDITIVE_MEASURES, MEASURES

    shown_fields = ("ok_count", "failed_count", *ADDITIVE_MEASURES)
    cells = [(*(row.group[name] for name in groups), *(getattr(row, name) for name in shown_fields)) for row in rows]
    print_table([*groups, "ok", "failed", *(MEASURES[measure].label for measure in ADDITIVE_MEASURES)], cells, title=title)


def explain(run_id: RunId, position_id: Annotated[str, typer.Argument(help="Id of a position.")], as_json: Json = False) -> None:
    """Show the value of one position, flow by flow."""
    from riskray.client import Client

    with Client() as client:
        explanation = client.explain(run_id, position_id)
    if as_json:
        print_json(explanation)
        return
    rows = [
        (flow.pay_date, flow.leg, flow.currency, flow.interest, flow.principal, flow.amount, f"{flow.discount_factor:.8f}",
         f"{flow.spread_factor:.8f}", flow.pv, flow.pv_base, " ".join(map(_term, flow.terms)))
        for flow in explanation.flows
    ]  # fmt: skip
    columns = ["pay date", "leg", "ccy", "interest", "principal", "amount", "discount", "spread", "PV", f"PV {explanation.base_currency}",
               "factors"]  # fmt: skip
    print_table(columns, rows, title=f"{position_id} ({explanation.product}): {explanation.pv_base:,.2f} {explanation.base_currency}")


def _term(term: "ExplainedTerm") -> str:
    """A point of a curve, as `×EUR-GOVT 2027-06-21`; with ÷ where the flow is divided by its factor."""
    return f"{'×' if term.sign > 0 else '÷'}{term.curve or 'own spread'} {term.date}"


def price(
    file: Annotated[Path, typer.Argument(help="JSON: one position or a list of positions; - reads stdin.")],
    market: Annotated[str, typer.Option(help="Market id or name.")],
    base_currency: Annotated[str, typer.Option(help="Currency of base-currency measures.")] = "USD",
    measures: Annotated[str, typer.Option(help="Comma-separated.")] = "pv,pv_base,dv01",
    as_json: Json = False,
) -> None:
    """Price positions that are not stored; exit code 3 if some cannot be priced."""
    from pricers.measures import SCALAR_MEASURES
    from riskray.client import Client

    content = read_json(file, "positions")
    chosen = _measures(measures)
    with Client() as client:
        answer = client.price(
            content if isinstance(content, list) else [content], market=market, base_currency=base_currency, measures=chosen
        )
    if as_json:
        print_json(answer)
    else:
        single = [name for name in chosen if name in SCALAR_MEASURES]
        rows = [(item.position_id, item.product, *(shown(name, item.values[name]) for name in single)) for item in answer.results]
        print_table(["position", "product", *single], rows)
        if len(single) < len(chosen):
            print_line("")
            print_table(["position", "kind", "factor", "bucket", "sensitivity"], _ladders(answer), title="Sensitivities")
        for failure in answer.failures:
            say(f"{failure.position_id}: {failure.code}: {failure.message}; {failure.remedy}")
    if answer.failures:
        raise typer.Exit(ExitCode.PARTIAL)
