"""JSON input of commands, and the errors for invalid JSON."""

import io
from pathlib import Path

import pytest

from riskray.cli.output import read_json
from riskray.errors import InvalidRequest


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
