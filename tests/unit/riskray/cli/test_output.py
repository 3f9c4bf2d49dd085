"""What the command line prints and reads: tables that truncate no cell on a narrow terminal, errors, events as lines, JSON files."""

import io
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from riskray.cli.output import event_line, print_error, print_table, read_json
from riskray.errors import InvalidRequest
from riskray.models.event import EventKind, RunEvent


class Screen(io.StringIO):
    """A terminal, or a pipe."""

    def __init__(self, *, is_terminal):
        super().__init__()
        self.is_terminal = is_terminal

    def isatty(self):
        return self.is_terminal


@pytest.fixture
def printed(monkeypatch):
    def show(*table, columns, is_terminal=True, **options):
        screen = Screen(is_terminal=is_terminal)
        monkeypatch.setattr(sys, "stdout", screen)
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setenv("NO_COLOR", "1")
        monkeypatch.setenv("TERM", "dumb")
        print_table(*table, **options)
        return screen.getvalue()

    return show


RUN = "run-01a20ac413117a60a1e2379e2598b3a0"
SENTENCE = "the market has no exchange rate from this currency to the base currency: AUD to USD"


def test_numbers_and_names_are_whole_on_a_terminal_that_is_too_narrow(printed):
    text = printed(["run", "PV base", "DV01"], [(RUN, 7985494627.6, -3403685.8)], columns=40, title=f"By book of {RUN} and more")
    assert "…" not in text
    assert text.splitlines()[1].split() == ["run", "PV", "base", "DV01"]
    assert text.splitlines()[2].split() == [RUN, "7,985,494,627.60", "-3,403,685.80"]


def test_sentences_wrap_on_a_terminal_and_stay_in_one_line_elsewhere(printed):
    table = (["reason", "what", "remedy"], [("MISSING_FX", SENTENCE, SENTENCE)])
    lines = printed(*table, columns=80).splitlines()
    assert len(lines) > 2
    assert max(map(len, lines)) <= 80
    assert "MISSING_FX" in lines[1]
    piped = printed(*table, columns=80, is_terminal=False).splitlines()
    assert len(piped) == 2
    assert piped[1].count(SENTENCE) == 2


def test_cells_that_look_like_markup_and_times_are_shown_as_they_are(printed):
    text = printed(["name", "at"], [("[bold]x[/bold]", datetime(2026, 11, 23, 23, 35, 51, 825659, tzinfo=UTC))], columns=80)
    assert "[bold]x[/bold]" in text
    assert "2026-11-23 23:35:51Z" in text


def test_problem_that_the_error_names_is_not_repeated(capsys):
    problems = [{"loc": ["rows", number], "msg": f"row {number}: notional is NaN", "code": "nan"} for number in (1, 2)]
    print_error(InvalidRequest("2 rows are bad; first: row 1: notional is NaN", problems), as_json=False)
    assert capsys.readouterr().err.splitlines() == [
        "error: 2 rows are bad; first: row 1: notional is NaN",
        "  rows.2: row 2: notional is NaN",
    ]


COUNTS = {"position_count": 20_000, "positions_done": 13_983}


@pytest.mark.parametrize(
    ("kind", "data", "line"),
    [
        ("submitted", {"executor": "pool", "shard_count": 3, "position_count": 20_000}, "submitted: 20,000 positions in 3 shard(s)"),
        (
            "submitted",
            {"executor": "job", "shard_count": 1, "position_count": 5},
            "submitted: 5 positions in 1 shard(s), for a job to execute",
        ),
        ("claimed", {"epoch": 1}, "claimed: by a coordinator"),
        ("claimed", {"epoch": 2}, "claimed: by another coordinator, number 2"),
        (
            "shard_done",
            {"shard_no": 1, "ok_count": 9_890, "failed_count": 46, **COUNTS},
            "shard done: number 1 with 9,890 ok and 46 failed; 13,983 of 20,000 positions done",
        ),
        (
            "shard_retried",
            {"shard_no": 1, "attempts": 1, "reason": "its actor died"},
            "shard retried: number 1 after attempt 1: its actor died",
        ),
        ("shard_split", {"shard_no": 1, "parts": [3, 4]}, "shard split: number 1 into 2, to find the position that ends its worker"),
        ("cancel_requested", {}, "cancel requested"),
        (
            "finished",
            {"state": "PARTIAL", "ok_count": 19_900, "failed_count": 100, "cancelled_count": 0},
            "finished: PARTIAL with 19,900 ok, 100 failed, 0 cancelled",
        ),
        ("finished", {"state": "CANCELLED"}, "finished: CANCELLED"),
    ],
)
def test_event_is_told_in_a_line(kind: str, data: dict[str, Any], line: str) -> None:
    event = RunEvent(seq=1, at=datetime(2026, 1, 15, 9, 30, 5, tzinfo=UTC), kind=EventKind(kind), data=data)
    assert event_line(event) == f"09:30:05 {line}"


def test_json_comes_from_a_file_or_from_stdin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.json").write_text("[1]", encoding="utf-8-sig")  # with the mark that some editors put first
    monkeypatch.setattr("sys.stdin", io.StringIO("[2]"))
    assert read_json(tmp_path / "a.json", "positions") == [1]
    assert read_json(Path("-"), "positions") == [2]


def test_what_is_no_json_is_named_with_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("{"))
    with pytest.raises(InvalidRequest, match=r"^stdin is not valid JSON for positions: EOF .* line 1 column 1"):
        read_json(Path("-"), "positions")
    monkeypatch.setattr("sys.stdin", io.StringIO('[{"notional": 1, "notional": 2}]'))
    with pytest.raises(InvalidRequest, match="the name 'notional' appears twice"):
        read_json(Path("-"), "positions")
    with pytest.raises(InvalidRequest, match=r"expected to be a JSON file with positions, cannot be read: No such file or directory$"):
        read_json(tmp_path / "never.json", "positions")
