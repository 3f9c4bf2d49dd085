"""The reports of a failed start."""

from pathlib import Path

import pytest

from riskray import stack
from riskray.config import Settings
from riskray.errors import StackError
from tests.fixtures.ports import unused_port


def test_reason_of_a_failed_start_is_told_even_where_the_cleaning_up_fails_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(why: str) -> object:
        def fail(*_: object) -> None:
            raise StackError(why)

        return fail

    monkeypatch.setattr(stack, "enter_environment", lambda _settings: None)
    monkeypatch.setattr(stack, "_start", failing("the module is not there"))
    monkeypatch.setattr(stack, "_end", failing("Postgres does not stop"))
    settings = Settings(data_directory=tmp_path, http_port=unused_port(), ray_port=unused_port(), ray_dashboard_port=unused_port())
    lines: list[str] = []
    with pytest.raises(StackError, match="the module is not there"):
        stack.start_stack(settings, report=lines.append)
    assert lines == ["the processes already started could not be ended: Postgres does not stop; retry with `riskray down`"]
