"""The `riskray` command.

Every command takes `--json` (data on stdout, progress on stderr). Exit codes: 0 done, 1 failed, 2 wrong usage, 3 a run ended PARTIAL,
4 no valid credentials, 5 no service responds, 130 interrupted. Libraries are imported inside the commands, so that `--help` is fast.
"""

import sys
from typing import Annotated

import typer
from pydantic import ValidationError

from riskray import __version__
from riskray.cli import (
    demo,
    fixing_commands,
    risk_commands,
    run_commands,
    scenario_commands,
    snapshot_commands,
    stack_commands,
    what_if_command,
)
from riskray.cli.output import ExitCode, chatter, exit_code_of, print_error, print_line
from riskray.errors import InvalidArgument, InvalidRequest, RiskrayError
from riskray.models.problems import invalid_argument

app = typer.Typer(
    name="riskray",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Every measure of every position of a portfolio, priced on Ray, stored in Postgres.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print_line(f"riskray {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    pass


app.command()(stack_commands.up)
app.command()(stack_commands.down)
app.command()(stack_commands.status)
app.command()(stack_commands.env)
app.command()(stack_commands.doctor)
app.command()(demo.demo)
app.add_typer(stack_commands.database_commands, name="db")
app.add_typer(snapshot_commands.market_commands, name="market")
app.add_typer(fixing_commands.fixing_commands, name="fixings")
app.add_typer(snapshot_commands.portfolio_commands, name="portfolio")
app.add_typer(scenario_commands.scenario_commands, name="scenario")
app.add_typer(scenario_commands.history_commands, name="history")
app.add_typer(scenario_commands.hierarchy_commands, name="hierarchy")
app.add_typer(run_commands.run_commands, name="run")
app.command()(run_commands.results)
app.command()(run_commands.rollup)
app.command()(risk_commands.sensitivities)
app.command()(risk_commands.top)
app.command()(risk_commands.var)
app.command()(risk_commands.stress)
app.command()(what_if_command.what_if)
app.command()(risk_commands.diff)
app.command()(risk_commands.pnl)
app.command()(run_commands.explain)
app.command()(run_commands.price)


def main() -> None:
    """Run the command line and end the process with its exit code."""
    as_json = "--json" in sys.argv
    try:
        app()
    except RiskrayError as error:
        print_error(error, as_json=as_json)
        sys.exit(exit_code_of(error))
    except ValidationError as error:
        refused = _unusable_settings(error) if error.title == "Settings" else _unreadable_answer(error)
        print_error(refused, as_json=as_json)
        sys.exit(exit_code_of(refused))
    except BrokenPipeError:
        sys.stderr.close()  # the reading end of the pipe has been closed
        sys.exit(ExitCode.OK)
    except OSError as error:
        if error.filename is None:
            raise
        print_error(_unusable_file(error), as_json=as_json)
        sys.exit(ExitCode.FAILED)
    except KeyboardInterrupt:
        chatter.print("interrupted")
        sys.exit(ExitCode.INTERRUPTED)


def _unusable_file(error: OSError) -> InvalidRequest:
    """The error for a file that a command cannot read or write."""
    return InvalidRequest(f"{error.filename} cannot be used: {error.strerror}; check the path and its permissions")


def _unusable_settings(error: ValidationError) -> InvalidArgument:
    names = ", ".join(f"RISKRAY_{str(problem['loc'][0]).upper()}" for problem in error.errors())
    return InvalidArgument(f"the environment has a setting that cannot be used: {names}", invalid_argument(error).problems)


def _unreadable_answer(error: ValidationError) -> RiskrayError:
    """The error for a response that fails validation; invalid arguments never come here, because the client reports them itself."""
    return RiskrayError(
        f"this riskray cannot read the {error.title} that the services returned; use the same version for both ({invalid_argument(error)})"
    )
