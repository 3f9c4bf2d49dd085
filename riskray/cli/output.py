"""What commands print: data on stdout, chatter on stderr, errors in one line with an exit code that scripts can tell apart."""

import json
import sys
from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import Annotated, Any

import typer
from pydantic import BaseModel
from rich.console import Console
from rich.table import Table

from riskray.errors import RiskrayError, StoreUnavailable, Unauthorized

Json = Annotated[bool, typer.Option("--json", help="Print one JSON value on stdout.")]

# Reports of steps and progress; data never go here.
chatter = Console(stderr=True, highlight=False)


def say(text: str) -> None:
    """One line of chatter, never wrapped."""
    chatter.print(text, markup=False, soft_wrap=True)


class ExitCode(IntEnum):
    """Exit codes of the command line; 2 (usage) and 130 (interrupted) come from the command parser."""

    OK = 0
    FAILED = 1
    USAGE = 2
    PARTIAL = 3
    AUTH = 4
    UNREACHABLE = 5
    INTERRUPTED = 130


def exit_code_of(error: RiskrayError) -> ExitCode:
    """How the process ends after an error."""
    if isinstance(error, Unauthorized):
        return ExitCode.AUTH
    if isinstance(error, StoreUnavailable) or error.code == "unreachable":
        return ExitCode.UNREACHABLE
    return ExitCode.FAILED


def print_error(error: RiskrayError, *, as_json: bool) -> None:
    """One line on stderr (and one for each wrong place), or one JSON object."""
    problems = getattr(error, "problems", [])
    if as_json:
        print_json({"error": error.code, "detail": str(error), "errors": problems}, stderr=True)
        return
    shown = 10
    chatter.print(f"[bold red]error:[/] {_escaped(str(error))}", soft_wrap=True)
    for problem in problems[:shown]:
        place = ".".join(str(part) for part in problem.get("loc", []))
        chatter.print(f"  {_escaped(place)}: {_escaped(str(problem.get('msg', '')))}", soft_wrap=True)
    if len(problems) > shown:
        chatter.print(f"  and {len(problems) - shown} more; --json lists them all")


def _escaped(text: str) -> str:
    return text.replace("[", "\\[")


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def print_json(value: Any, *, stderr: bool = False) -> None:
    """One JSON value and a line feed."""
    out = sys.stderr if stderr else sys.stdout
    out.write(json.dumps(_plain(value), ensure_ascii=False, default=str) + "\n")
    out.flush()


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str = "") -> None:
    """A table on stdout; numbers to the right."""
    table = Table(title=title or None, title_justify="left", title_style="bold", box=None, pad_edge=False, header_style="dim")
    cells = [[_cell(value) for value in row] for row in rows]
    numeric = [all(_is_number(row[number]) for row in cells) if cells else False for number in range(len(columns))]
    for name, right in zip(columns, numeric, strict=True):
        table.add_column(name, justify="right" if right else "left", no_wrap=True)
    for row in cells:
        table.add_row(*row)
    _stdout().print(table)


def print_line(text: str) -> None:
    """One line of data on stdout, never wrapped."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _stdout() -> Console:
    # A file or a pipe has no width: tables are then as wide as their content.
    return Console(highlight=False, width=None if sys.stdout.isatty() else 250)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.2f}" if abs(value) >= 0.005 or value == 0 else f"{value:.3e}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)


def _is_number(cell: str) -> bool:
    return cell.replace(",", "").replace(".", "").replace("-", "").replace("e", "").replace("+", "").isdigit() or not cell
