"""What commands print: data on stdout, progress on stderr, errors on one line, with exit codes that scripts can distinguish.

The module also reads the JSON files that commands take, and formats a run's events as lines.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import BaseModel
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from riskray.errors import InvalidArgument, InvalidRequest, RiskrayError, StoreUnavailable, Unauthorized
from riskray.strict_json import parse_json

if TYPE_CHECKING:
    from riskray.models.event import RunEvent

# Blanks between columns, and the width to which a column of sentences may shrink.
GAP = 2
PROSE_WIDTH = 28

Json = Annotated[bool, typer.Option("--json", help="Print one JSON value on stdout.")]

# For steps and progress, never for data.
chatter = Console(stderr=True, highlight=False)


def say(text: str) -> None:
    """Print one line on stderr, never wrapped."""
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
    """The exit code of an error."""
    if isinstance(error, InvalidArgument):
        return ExitCode.USAGE
    if isinstance(error, Unauthorized):
        return ExitCode.AUTH
    if isinstance(error, StoreUnavailable) or error.code == "unreachable":
        return ExitCode.UNREACHABLE
    return ExitCode.FAILED


def print_error(error: RiskrayError, *, as_json: bool) -> None:
    """Print an error on one line of stderr, with a line for each invalid field, or as one JSON object."""
    problems = getattr(error, "problems", [])
    if as_json:
        print_json({"error": error.code, "detail": str(error), "errors": problems}, stderr=True)
        return
    shown = 10
    chatter.print(f"[bold red]error:[/] {_escaped(str(error))}", soft_wrap=True)
    problems = [
        problem for problem in problems if str(problem.get("msg", "")) not in str(error)
    ]  # the error's text already states the others
    for problem in problems[:shown]:
        say(f"  {problem_line(problem.get('loc', []), str(problem.get('msg', '')))}")
    if len(problems) > shown:
        chatter.print(f"  and {len(problems) - shown} more; use --json to list all")


def problem_line(loc: Sequence[str | int], message: str) -> str:
    """The location, unless the message begins with it, and the message."""
    place = ".".join(str(part) for part in loc)
    return message if message.startswith(place) else f"{place}: {message}"


def _escaped(text: str) -> str:
    return text.replace("[", "\\[")


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def print_json(value: Any, *, stderr: bool = False) -> None:
    """Print one JSON value and a line feed."""
    out = sys.stderr if stderr else sys.stdout
    out.write(json.dumps(_plain(value), ensure_ascii=False, default=str) + "\n")
    out.flush()


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str = "") -> None:
    """Print a table on stdout, numbers right-aligned. No cell is truncated: sentences wrap, and a wider table overflows."""
    cells = [[_cell(value) for value in row] for row in rows]
    table = Table(box=None, pad_edge=False, header_style="dim")
    natural = least = GAP * (len(columns) - 1)
    for number, name in enumerate(columns):
        texts = [row[number] for row in cells]
        width = max(cell_len(text) for text in (name, *texts))
        is_prose = width > PROSE_WIDTH and any(" " in text for text in texts)
        natural, least = natural + width, least + (PROSE_WIDTH if is_prose else width)
        is_numeric = bool(cells) and all(map(_is_number, texts))
        table.add_column(name, justify="right" if is_numeric else "left", no_wrap=not is_prose, min_width=0 if is_prose else width)
    for row in cells:
        table.add_row(*(escape(cell) for cell in row))
    # A file or a pipe has no width, so that tables are as wide as their content.
    room = Console().width if sys.stdout.isatty() else natural
    console = Console(highlight=False, width=max(least, min(natural, room)))
    if title:
        console.print(title, style="bold", markup=False, soft_wrap=True)
    console.print(table)
    if not cells:
        say("no rows")  # without this line, a misspelt book would look like a book without risk


def print_line(text: str) -> None:
    """Print one line of data on stdout, never wrapped."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"
    if isinstance(value, float):
        return f"{value:,.2f}" if abs(value) >= 0.005 or value == 0 else f"{value:.3e}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)


def _is_number(cell: str) -> bool:
    return cell.replace(",", "").replace(".", "").replace("-", "").replace("e", "").replace("+", "").isdigit() or not cell


def read_json(file: Path, what: str) -> Any:
    """The content of a file, or of stdin for `-`. Raises InvalidRequest with `what`, the expected content."""
    is_stdin = str(file) == "-"
    name = "stdin" if is_stdin else str(file)
    try:
        return parse_json(sys.stdin.read().encode() if is_stdin else file.read_bytes())
    except OSError as error:
        raise InvalidRequest(f"{name}, expected to be a JSON file with {what}, cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise InvalidRequest(f"{name} is not valid JSON for {what}: {error}") from error


def format_of(path: Path, formats: Sequence[str]) -> Any:
    """The format named by a file's ending. Raises InvalidRequest for an ending that `formats` does not contain."""
    suffix = path.suffix.removeprefix(".").lower()
    if suffix not in formats:
        raise InvalidRequest(f"{path} has the ending {path.suffix!r}; use one of {', '.join(f'.{kind}' for kind in formats)}")
    return suffix


def report_file(file: Path, *, as_json: bool) -> None:
    """Report the file that was written."""
    size = file.stat().st_size
    if as_json:
        print_json({"file": str(file), "bytes": size})
    else:
        say(f"wrote {file} ({size:,} bytes)")


def report_deleted(key: str, *, as_json: bool) -> None:
    """Report what was deleted."""
    if as_json:
        print_json({"deleted": key})
    else:
        print_line(f"deleted {key}")


def event_line(event: "RunEvent") -> str:
    """Time, kind and main facts of one event. An event kind that this version does not know is shown with its fields."""
    told = _LINES.get(event.kind.value, _fields)(event.data)
    return f"{event.at:%H:%M:%S} {event.kind.value.replace('_', ' ')}{': ' if told else ''}{told}"


def _submitted(data: dict[str, Any]) -> str:
    waiting = ", for a job to execute" if data["executor"] == "job" else ""
    return f"{data['position_count']:,} positions in {data['shard_count']:,} shard(s){waiting}"


def _claimed(data: dict[str, Any]) -> str:
    return "by a coordinator" if data["epoch"] == 1 else f"by another coordinator, number {data['epoch']}"


def _shard_done(data: dict[str, Any]) -> str:
    shard = f"number {data['shard_no']} with {data['ok_count']:,} ok and {data['failed_count']:,} failed"
    return f"{shard}; {data['positions_done']:,} of {data['position_count']:,} positions done"


def _shard_retried(data: dict[str, Any]) -> str:
    return f"number {data['shard_no']} after attempt {data['attempts']}: {data['reason']}"


def _shard_split(data: dict[str, Any]) -> str:
    return f"number {data['shard_no']} into {len(data['parts'])}, to find the position that ends its worker"


def _finished(data: dict[str, Any]) -> str:
    if "ok_count" not in data:
        return str(data["state"])
    return f"{data['state']} with {data['ok_count']:,} ok, {data['failed_count']:,} failed, {data['cancelled_count']:,} cancelled"


def _fields(data: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in sorted(data.items()))


_LINES = {
    "submitted": _submitted,
    "claimed": _claimed,
    "shard_done": _shard_done,
    "shard_retried": _shard_retried,
    "shard_split": _shard_split,
    "finished": _finished,
}
