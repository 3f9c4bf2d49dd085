"""Tables of the command line: a narrow terminal truncates no cell."""

import io
import sys
from datetime import UTC, datetime

import pytest

from riskray.cli.output import print_error, print_table
from riskray.errors import InvalidRequest


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
